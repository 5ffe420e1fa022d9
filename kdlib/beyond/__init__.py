"""Beyond logits: other things that a student can be taught, under one interface.

A method is a function ``(teacher, student, weight=None, ...)`` that returns weighted values whose
mean is the loss. A :class:`Term` makes a Keras loss of it, over logits or over named layers, and
:class:`BeyondDistiller` trains with it. :data:`METHODS` names the terms. A new method is a function
with an entry in the ``METHODS`` of its module. What is compared with what, a study says.

>>> term = METHODS["channel-wise"](options={"temperature": 4.0})
>>> term.layers
(('logits', 'logits'),)
"""

from kdlib.beyond import boundary, features, logits, relations
from kdlib.beyond.beyond_distiller import BeyondDistiller, with_features
from kdlib.beyond.boundary import boundary_weight, boundary_weighted
from kdlib.beyond.divergences import forward_kl, jensen_shannon, reverse_kl, top_k
from kdlib.beyond.features import attention, hint
from kdlib.beyond.in_keras import SoftTargetDistillation, TermDistillation
from kdlib.beyond.logits import decoupled, squared_error, standardised
from kdlib.beyond.other_teachers import (
    ASSISTANT_FILTERS,
    MeanOfProbabilities,
    ensemble,
    multi_assistant_unet_model,
)
from kdlib.beyond.relations import channel_wise, correlation, pair_wise
from kdlib.beyond.term import Term

METHODS = boundary.METHODS | features.METHODS | logits.METHODS | relations.METHODS
"""Each method by name: call it for a :class:`Term`, with other ``layers`` or ``options`` if wanted.

The layers are those of the U-Nets of :mod:`kdlib.unet`.
"""

__all__ = [
    "ASSISTANT_FILTERS",
    "METHODS",
    "BeyondDistiller",
    "MeanOfProbabilities",
    "SoftTargetDistillation",
    "Term",
    "TermDistillation",
    "attention",
    "boundary_weight",
    "boundary_weighted",
    "channel_wise",
    "correlation",
    "decoupled",
    "ensemble",
    "forward_kl",
    "hint",
    "jensen_shannon",
    "multi_assistant_unet_model",
    "pair_wise",
    "reverse_kl",
    "squared_error",
    "standardised",
    "top_k",
    "with_features",
]
