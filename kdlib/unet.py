"""The U-Nets: a teacher, and a student with a quarter of its filters.

Ten layers, as in the project that the book starts from: four contracting blocks c1 to c4 with
max-pooling, the bottom c5, four expanding blocks u6 to u9 that take the skip connections, and a
softmax output. After Ronneberger, Fischer and Brox (2015), with padding, so that the output has
the size of the input.
"""

import keras
from keras import layers

from kdlib._arguments import checked_whole, is_number, is_whole

# The logits of these networks are those of any network.
from kdlib.network_ends import logits_and_outputs, logits_model  # noqa: F401

TEACHER_FILTERS = (16, 32, 64, 128, 256)
STUDENT_FILTERS = (4, 8, 16, 32, 64)


def unet(
    filters,
    n_classes=6,
    image_height=256,
    image_width=256,
    image_channels=3,
    *,
    dropout=0.1,
    normalization=None,
    name="unet",
):
    """Return a U-Net with the given numbers of filters, ending in logits and a softmax.

    Parameters
    ----------
    filters : sequence of 5 int
        Filters of c1 to c5; u6 to u9 mirror the first four.
    n_classes : int
        Number of outputs a pixel, at least 2.
    image_height, image_width : int or None
        Divisible by 16. None admits any such size.
    image_channels : int
        3 for RGB.
    dropout : float
        The share of features that are dropped between the two convolutions of a block while
        training, from 0 to less than 1.
    normalization : None or "batch"
        "batch" puts batch normalisation (Ioffe and Szegedy 2015) before each ReLU. The project
        that the book starts from has none.
    name : str
        The name of the model.

    Returns
    -------
    keras.Model
        Takes images of shape (batch, height, width, channels) with values from 0 to 1; returns
        class probabilities of shape (batch, height, width, n_classes). The layers c1 to u9 are
        the outputs of the blocks; ``logits`` comes before the softmax ``probabilities``. The last
        two compute in float32 under any precision policy.

    Raises
    ------
    ValueError
        If a size cannot be halved four times, or another argument is out of its range.

    Examples
    --------
    >>> model = unet((2, 4, 8, 16, 32), n_classes=3, image_height=32, image_width=48)
    >>> model.output_shape
    (None, 32, 48, 3)
    """
    _check(filters, n_classes, image_height, image_width, image_channels, dropout, normalization)
    block = _Block(dropout, normalization)
    inputs = keras.Input((image_height, image_width, image_channels), name="image")
    x, skips = inputs, []
    for depth, n_filters in enumerate(filters[:4], start=1):
        x = block(x, n_filters, f"c{depth}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"p{depth}")(x)
    x = block(x, filters[4], "c5")
    for depth, n_filters in enumerate(reversed(filters[:4]), start=6):
        up = layers.Conv2DTranspose(n_filters, 2, 2, padding="same", name=f"u{depth}_up")
        x = layers.Concatenate(name=f"u{depth}_skip")([up(x), skips[9 - depth]])
        x = block(x, n_filters, f"u{depth}")
    logits = layers.Conv2D(n_classes, 1, dtype="float32", name="logits")(x)
    outputs = layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name=name)


def multi_teacher_unet_model(
    n_classes=6,
    image_height=256,
    image_width=256,
    image_channels=3,
    *,
    dropout=0.1,
    normalization=None,
):
    """Return the teacher: a :func:`unet` of 16, 32, 64, 128 and 256 filters.

    1,941,190 parameters at 6 classes without normalisation, whatever the image size. Parameters,
    result and errors are those of :func:`unet`.

    Examples
    --------
    >>> f"{multi_teacher_unet_model().count_params():,}"
    '1,941,190'
    """
    size = (n_classes, image_height, image_width, image_channels)
    options = {"dropout": dropout, "normalization": normalization}
    return unet(TEACHER_FILTERS, *size, **options, name="teacher")


def multi_student_unet_model(
    n_classes=6,
    image_height=256,
    image_width=256,
    image_channels=3,
    *,
    dropout=0.1,
    normalization=None,
):
    """Return the student: a :func:`unet` of 4, 8, 16, 32 and 64 filters.

    121,750 parameters at 6 classes without normalisation, a sixteenth of the teacher's.
    Parameters, result and errors are those of :func:`unet`.

    Examples
    --------
    >>> f"{multi_student_unet_model().count_params():,}"
    '121,750'
    """
    size = (n_classes, image_height, image_width, image_channels)
    options = {"dropout": dropout, "normalization": normalization}
    return unet(STUDENT_FILTERS, *size, **options, name="student")


class _Block:
    """Two 3 × 3 convolutions with ReLU, and dropout between them."""

    def __init__(self, dropout, normalization):
        self.dropout, self.normalization = dropout, normalization

    def __call__(self, x, filters, name):
        x = self._convolution(x, filters, f"{name}_first")
        x = layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        return self._convolution(x, filters, name)

    def _convolution(self, x, filters, name):
        options = {"padding": "same", "kernel_initializer": "he_normal"}
        if self.normalization is None:
            return layers.Conv2D(filters, 3, activation="relu", name=name, **options)(x)
        # Its shift takes the place of the bias. Momentum 0.9: our trainings are short, and running
        # averages at Keras' 0.99 would lag behind them in evaluation.
        x = layers.Conv2D(filters, 3, use_bias=False, name=f"{name}_conv", **options)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=name)(x)


def _check(filters, n_classes, height, width, channels, dropout, normalization, blocks=5):
    listed = list(filters) if hasattr(filters, "__iter__") else []
    if len(listed) != blocks or any(not is_whole(f) or f < 1 for f in listed):
        number = {3: "three", 5: "five"}[blocks]
        raise ValueError(
            f"filters is {filters!r}; expected {number} positive integers, for c1 to c{blocks}."
        )
    checked_whole(n_classes, "n_classes", least=2)
    checked_whole(channels, "image_channels")
    for label, size in (("image_height", height), ("image_width", width)):
        if size is not None and (not is_whole(size) or size < 16 or size % 16):
            near = max(16, round(size / 16) * 16) if is_whole(size) else 256
            raise ValueError(
                f"{label} is {size!r}; expected a multiple of 16, because the U-Net halves it "
                f"four times. Use {near}, or cut the images into patches of 256."
            )
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}; expected a share from 0 to less than 1.")
    if normalization is not None and not (
        isinstance(normalization, str) and normalization == "batch"
    ):
        raise ValueError(f"normalization is {normalization!r}; expected None or 'batch'.")
