"""The six classes of the Dubai masks: names, colours, and the way between colours and numbers."""

from kdlib.data.palette import Palette

DUBAI_PALETTE = Palette(
    {
        "Building": (60, 16, 152),
        "Land": (132, 41, 246),
        "Road": (110, 193, 228),
        "Vegetation": (254, 221, 58),
        "Water": (226, 169, 41),
        "Unlabeled": (155, 155, 155),
    },
    void="Unlabeled",
    # Pure black is drawn in nine masks, and it is no class.
    also_void=["black"],
)
"""The colours that the Dubai masks really use. The ``classes.json`` of the data set differs."""

CLASS_NAMES = DUBAI_PALETTE.names
"""Class names in the order of their numbers: ``CLASS_NAMES[3]`` is ``"Vegetation"``."""

N_CLASSES = len(DUBAI_PALETTE)
"""Number of classes, the void class included."""

VOID = DUBAI_PALETTE.void
"""Number of the class that is left out of losses and metrics: Unlabeled."""

PALETTE = DUBAI_PALETTE.colours
"""Colours of :data:`DUBAI_PALETTE`, shape (6, 3)."""

encode, decode = DUBAI_PALETTE.encode, DUBAI_PALETTE.decode
"""From the colours of the Dubai masks to class numbers and back: the methods of its palette."""
