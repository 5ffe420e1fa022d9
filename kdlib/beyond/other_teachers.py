r"""Other teachers: several networks as one, and a network of middle size."""

import math

import keras
from keras import layers, ops

from kdlib.network_ends import distribution, logits_model
from kdlib.softening import checked_temperature
from kdlib.unet import STUDENT_FILTERS, TEACHER_FILTERS, unet


@keras.saving.register_keras_serializable(package="kdlib")
class MeanOfProbabilities(layers.Layer):
    r"""Logits whose softmax at T is the mean of the softened probabilities of several networks.

    .. math:: z = T \log \tfrac1K \textstyle\sum_k \mathrm{softmax}(z_k / T)

    If each class is a yes or no of its own, it is the sigmoids whose mean p it takes, and
    :math:`z = T \log \frac{p}{1 - p}`.

    Parameters
    ----------
    temperature : float
        T > 0.
    exclusive : bool
        Whether the classes exclude each other.

    Examples
    --------
    >>> z = MeanOfProbabilities(1.0)([ops.array([[30.0, 0.0]]), ops.array([[0.0, 30.0]])])
    >>> bool(abs(z[0, 0] - z[0, 1]) < 1e-5)
    True
    """

    def __init__(self, temperature, name="logits", exclusive=True, **kwargs):
        super().__init__(name=name, **{"dtype": "float32", **kwargs})
        self.temperature, self.exclusive = checked_temperature(temperature), exclusive

    def call(self, members):
        """Return the logits of the mean: shape (..., classes), like each of the members."""
        scaled = ops.stack([z / self.temperature for z in members])
        if self.exclusive:
            means = ops.logsumexp(ops.log_softmax(scaled, axis=-1), axis=0)
            return self.temperature * (means - math.log(len(members)))
        yes, no = (ops.logsumexp(ops.log_sigmoid(z), axis=0) for z in (scaled, -scaled))
        return self.temperature * (yes - no)

    def get_config(self):
        """Return what Keras needs to save the layer."""
        own = {"temperature": self.temperature, "exclusive": self.exclusive}
        return {**super().get_config(), **own}


def ensemble(teachers, temperature=1.0, exclusive=None):
    """Return one teacher made of several: at T it gives the mean of their soft targets.

    At another temperature than T its soft targets are close to that mean, and not equal to it.

    Parameters
    ----------
    teachers : sequence of keras.Model
        At least two networks with one input and the same classes, whose logits
        :func:`kdlib.network_ends.logits_model` finds. They
        are used as they are, not copied.
    temperature : float
        T > 0: that of the distillation.
    exclusive : bool, optional
        Whether the classes exclude each other, as for :class:`kdlib.distiller.Distiller`: by
        default they do, but after a sigmoid, or if there is one logit.

    Returns
    -------
    keras.Model
        The same input; a layer ``logits`` and, as output, probabilities.

    Raises
    ------
    ValueError
        If there are fewer than two, or their inputs, classes or distributions differ.

    References
    ----------
    Hinton, Vinyals and Dean (2015), section 5.

    Examples
    --------
    >>> members = [unet((1, 1, 1, 1, 1), 3, 16, 16) for _ in range(2)]
    >>> ensemble(members, temperature=2.0).output_shape
    (None, 16, 16, 3)
    """
    teachers = list(teachers)
    if len(teachers) < 2:
        raise ValueError(f"{len(teachers)} teachers came; expected at least two for an ensemble.")
    if len({id(t) for t in teachers}) < len(teachers):
        raise ValueError("a teacher came twice; expected different models.")
    shapes = [(t.input_shape, logits_model(t).output_shape) for t in teachers]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(
            "the teachers differ in inputs or classes: "
            + "; ".join(f"{i} to {o}" for i, o in shapes)
            + ". Expected the same of all."
        )
    kinds = {distribution(t, exclusive=exclusive) for t in teachers} - {None}
    if len(kinds) == 2:
        raise ValueError(
            "some of the teachers end in a softmax, others in a sigmoid a class; expected the same "
            "of all: classes exclude each other, or they do not."
        )
    one_of_many = kinds != {"bernoulli"}
    inputs = keras.Input(shapes[0][0][1:], name="image")
    members = []
    for number, teacher in enumerate(teachers):
        ends = logits_model(teacher)
        member = keras.Model(ends.inputs, ends.outputs[0], name=f"member_{number}")
        members.append(member(inputs))
    logits = MeanOfProbabilities(temperature, exclusive=one_of_many)(members)
    last = "softmax" if one_of_many else "sigmoid"
    outputs = layers.Activation(last, dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name="ensemble")


ASSISTANT_FILTERS = tuple(
    round(math.sqrt(t * s)) for t, s in zip(TEACHER_FILTERS, STUDENT_FILTERS, strict=True)
)
"""Half-way between teacher and student, by factors: 8, 16, 32, 64, 128."""


def multi_assistant_unet_model(
    n_classes=6,
    image_height=256,
    image_width=256,
    image_channels=3,
    *,
    dropout=0.1,
    normalization=None,
):
    """Return the teacher's assistant: a U-Net of 8, 16, 32, 64 and 128 filters.

    It is distilled from the teacher and then teaches the student, so that neither step is wide
    (Mirzadeh et al. 2020, Improved knowledge distillation via teacher assistant). Parameters,
    result and errors are those of :func:`kdlib.unet.unet`.

    Examples
    --------
    >>> f"{multi_assistant_unet_model().count_params():,}"
    '485,862'
    """
    size = (n_classes, image_height, image_width, image_channels)
    options = {"dropout": dropout, "normalization": normalization}
    return unet(ASSISTANT_FILTERS, *size, **options, name="assistant")
