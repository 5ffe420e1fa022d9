"""The terms as losses of ``keras.distillation``, Keras' own room for distillation."""

import inspect

import keras

from kdlib.beyond.divergences import forward_kl
from kdlib.beyond.term import Term
from kdlib.network_ends import ends_in_probabilities
from kdlib.softening import checked_temperature


@keras.saving.register_keras_serializable(package="kdlib")
class TermDistillation(keras.distillation.DistillationLoss):
    """A term as a loss for ``keras.distillation.Distiller``.

    That Distiller leaves sample weights aside, so void pixels count, and hands on no labels. A
    term over logits sees the outputs of the models, which then must be logits: give it
    :func:`kdlib.unet.logits_model` of both networks.

    Parameters
    ----------
    term : Term
        Without labels and adapter, over one pair of layers.

    Raises
    ------
    ValueError
        If the term needs what ``keras.distillation`` does not give.

    Examples
    --------
    >>> from kdlib.beyond import METHODS
    >>> loss = TermDistillation(METHODS["squared-error"]())
    >>> print(f"{float(loss.compute_loss([[2.0, 0.0]], [[0.0, 0.0]])):.2f}")
    0.50
    """

    def __init__(self, term):
        if not isinstance(term, Term):
            raise ValueError(f"the term is {term!r}; expected a kdlib.beyond.Term.")
        needs = [
            what
            for what, needed in (
                ("labels", term.takes_labels),
                ("an adapter", term.adapter),
                ("several layers", len(term.layers) > 1),
            )
            if needed
        ]
        if needs:
            raise ValueError(
                f"{term.name} needs {' and '.join(needs)}, which keras.distillation does not give. "
                "Use kdlib.beyond.BeyondDistiller."
            )
        self.term = term
        names = (None, None) if term.over_logits else term.layers[0]
        self.teacher_layer_name, self.student_layer_name = names

    @property
    def temperature(self):
        """T of the term: what was set, or the default of its function; None if it has none."""
        known = inspect.signature(self.term.function).parameters.get("temperature")
        return self.term.options.get("temperature", None if known is None else known.default)

    @temperature.setter
    def temperature(self, value):
        if self.temperature is None:
            raise ValueError(f"{self.term.name} has no temperature.")
        options = {**self.term.options, "temperature": checked_temperature(value)}
        term = self.term
        self.term = Term(term.function, term.layers, term.adapter, options, term.name)

    def validate_model_compatibility(self, teacher, student):
        """Raise ``ValueError`` if a term over logits would get probabilities."""
        if not self.term.over_logits:
            return
        for role, model in (("teacher", teacher), ("student", student)):
            if ends_in_probabilities(model):
                raise ValueError(
                    f"the {role} ends in a softmax or sigmoid, and {self.term.name} is over logits;"
                    " expected kdlib.unet.logits_model of both networks."
                )

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Return the term, one number. Keras passes nothing else."""
        return self.term(teacher_outputs, student_outputs)

    def get_config(self):
        """Return what Keras needs to save the loss."""
        return {"term": keras.saving.serialize_keras_object(self.term)}

    @classmethod
    def from_config(cls, config):
        """Return the loss that was saved."""
        return cls(keras.saving.deserialize_keras_object(config["term"]))


@keras.saving.register_keras_serializable(package="kdlib")
class SoftTargetDistillation(TermDistillation):
    """Soft targets for ``keras.distillation.Distiller``, in place of its ``LogitsDistillation``.

    The loss is T² · KL of the softened logits, in the mean over images and pixels. The outputs of
    both models must be logits, as for :class:`TermDistillation`.

    Parameters
    ----------
    temperature : float
        T > 0.
    loss : "kl_divergence"
        What ``LogitsDistillation`` is given as its loss, so that this may stand for it.
    exclusive : bool
        Whether the classes exclude each other. With False each is a yes or no of its own, as after
        a sigmoid: the logits of a model do not show that.

    Raises
    ------
    ValueError
        If T is not a positive finite number, or the loss is another.

    Examples
    --------
    >>> loss = SoftTargetDistillation(temperature=2.0)
    >>> print(f"{float(loss.compute_loss([[2.0, 0.0]], [[0.0, 0.0]])):.4f}")
    0.4438
    """

    def __init__(self, temperature=3.0, loss="kl_divergence", exclusive=True):
        if loss != "kl_divergence":
            raise ValueError(
                f"loss is {loss!r}; expected 'kl_divergence'. For others there is TermDistillation."
            )
        super().__init__(
            Term(forward_kl, options={"temperature": checked_temperature(temperature)})
        )
        self.exclusive = bool(exclusive)

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Return T² · KL, one number; of classes that may hold together, the mean over them."""
        logits = teacher_outputs, student_outputs
        if not self.exclusive:  # a distribution for each, of one logit
            logits = (keras.ops.expand_dims(each, axis=-1) for each in logits)
        return super().compute_loss(*logits)

    def get_config(self):
        """Return what Keras needs to save the loss."""
        return {"temperature": self.temperature, "exclusive": self.exclusive}

    @classmethod
    def from_config(cls, config):
        """Return the loss that was saved."""
        return cls(**config)
