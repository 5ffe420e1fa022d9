r"""The Distiller with one more term, over logits with labels, or over named layers."""

import keras
from keras import layers, ops

from kdlib.beyond._maps import checked_positive
from kdlib.beyond.term import Term
from kdlib.distiller import Distiller, _per_pixel, _replicas
from kdlib.unet import logits_and_outputs


@keras.saving.register_keras_serializable(package="kdlib")
class BeyondDistiller(Distiller):
    r"""A Distiller whose loss has a third term.

    .. math:: L = \alpha\, L_{student} + (1 - \alpha)\, T^2\, L_{distillation} + w\, L_{term}

    With w = 0 it is the Distiller; with α = 1 the term is added to the loss on the labels alone.
    Each network still runs once a step: it gives its logits and the features in one pass. The
    adapters are trained with the student, and are no part of it.

    Parameters
    ----------
    student, teacher : keras.Model
        As for :class:`kdlib.distiller.Distiller`.
    term : Term
        What else is compared: see :data:`kdlib.beyond.METHODS`.
    name : str
        The name of the model.

    Raises
    ------
    ValueError
        If the term is no :class:`Term`, or names a layer that a network does not have.

    Examples
    --------
    >>> from kdlib.beyond import METHODS
    >>> from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model
    >>> teacher = multi_teacher_unet_model(image_height=32, image_width=32)
    >>> student = multi_student_unet_model(image_height=32, image_width=32)
    >>> distiller = BeyondDistiller(student, teacher, METHODS["attention"](layers=["c5", "u6"]))
    >>> distiller.compile("adam", alpha=1.0, weight=0.5)
    """

    def __init__(self, student, teacher, term, name="beyond_distiller", **kwargs):
        if not isinstance(term, Term):
            raise ValueError(f"the term is {term!r}; expected a kdlib.beyond.Term.")
        super().__init__(student, teacher, name=name, **kwargs)
        self.term = term
        taught, learned = zip(*term.layers, strict=True)
        teacher_maps, student_maps = with_features(teacher, taught), with_features(student, learned)
        self.adapters = [
            _adapter(t.shape, s.shape) if term.adapter else layers.Identity()
            for t, s in zip(teacher_maps.outputs[2:], student_maps.outputs[2:], strict=True)
        ]
        run_teacher = self._run_teacher

        def run_student(x, training):
            images = x["image"] if isinstance(x, dict) else x
            logits, outputs, *self._last_call.learned = student_maps(images, training=training)
            return logits, outputs

        def ask_teacher(x):
            if isinstance(x, dict) and term.over_logits:
                self._last_call.taught = [run_teacher(x)]
                return self._last_call.taught[0]
            if isinstance(x, dict):
                raise ValueError(
                    f"{term.name} compares layers, and a cache holds logits only. Train from "
                    "images, with the teacher beside."
                )
            logits, _, *taught = teacher_maps(x, training=False)
            self._last_call.taught = [ops.stop_gradient(maps) for maps in taught]
            return ops.stop_gradient(logits)

        self._run_student, self._run_teacher = run_student, ask_teacher

    # Keras' own steps on every backend: they train the adapters too.
    train_step = keras.Model.train_step
    test_step = keras.Model.test_step

    @property
    def trainable_variables(self):
        """The trainable variables of student and adapters."""
        return [*self.student.trainable_variables, *self._of_adapters()]

    @property
    def trainable_weights(self):
        """The trainable weights of student and adapters."""
        return [*self.student.trainable_weights, *self._of_adapters()]

    def _of_adapters(self):
        adapters = getattr(self, "adapters", ()) if self.trainable else ()
        return [v for adapter in adapters for v in adapter.trainable_variables]

    def compile(self, optimizer="adam", metrics=None, weight=1.0, **kwargs):
        """Set what the Distiller sets, and the weight of the term.

        Parameters
        ----------
        optimizer, metrics
            As for the Distiller.
        weight : float
            w, at least 0.
        **kwargs
            What :meth:`kdlib.distiller.Distiller.compile` takes: ``alpha``, ``temperature``, both
            losses, and Keras' own.

        Raises
        ------
        ValueError
            If the weight is below 0, and as the Distiller does.
        """
        self.weight = checked_positive(weight, "weight", zero=True)
        super().compile(optimizer, metrics, **kwargs)
        self.term_tracker = keras.metrics.Mean(name="term")
        self._compile_options["weight"] = self.weight

    def objectives(self, y, teacher_logits, student_logits, sample_weight=None):
        """Return (student_loss, distillation_loss, term) of the networks' last call."""
        parts = super().objectives(y, teacher_logits, student_logits, sample_weight)
        taught, learned = self._last_call.taught, self._last_call.learned
        del self._last_call.taught, self._last_call.learned
        if sample_weight is not None:
            # A weight per image is one for each of its pixels.
            sample_weight = _per_pixel(sample_weight, student_logits)
            sample_weight = sample_weight * ops.ones_like(student_logits[..., 0])
        values = [
            self.term(t, adapter(s), sample_weight=sample_weight, labels=y)
            for t, s, adapter in zip(taught, learned, self.adapters, strict=True)
        ]
        return (*parts, sum(values))

    def weighted_sum(self, student_loss, distillation_loss, term=0.0):
        """Return alpha · student_loss + (1 - alpha) · T² · distillation_loss + weight · term."""
        return super().weighted_sum(student_loss, distillation_loss) + self.weight * term

    def _track(self, student_loss, distillation_loss, term, batch_size):
        super()._track(student_loss, distillation_loss, batch_size)
        self.term_tracker.update_state(term * _replicas(), sample_weight=batch_size)

    def get_config(self):
        """Return what is needed to build the Distiller again, networks and term included."""
        return {**super().get_config(), "term": keras.saving.serialize_keras_object(self.term)}

    @classmethod
    def from_config(cls, config):
        """Build a Distiller from :meth:`get_config`."""
        parts = ("student", "teacher", "term")
        built = {key: keras.saving.deserialize_keras_object(config[key]) for key in parts}
        return cls(name=config["name"], **built)


def with_features(model, names):
    """Return a model that gives logits, outputs and the outputs of named layers, in one pass.

    Parameters
    ----------
    model : keras.Model
        Functional, with a layer named ``logits``.
    names : sequence of str

    Returns
    -------
    keras.Model
        It shares the layers of ``model``.

    Raises
    ------
    ValueError
        If there is no such layer: the message lists those that there are.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> model = unet((1, 1, 1, 1, 2), 3, 16, 16)
    >>> [tuple(shape) for shape in with_features(model, ["c5"]).output_shape]
    [(None, 16, 16, 3), (None, 16, 16, 3), (None, 1, 1, 2)]
    """
    both = logits_and_outputs(model)
    known = [layer.name for layer in model.layers]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"model {model.name!r} has no layer {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(known)}."
        )
    features = [model.get_layer(name).output for name in names]
    inputs = both.inputs[0] if len(both.inputs) == 1 else both.inputs
    return keras.Model(inputs, [*both.outputs, *features], name=f"{model.name}_features")


def _adapter(taught, learned):
    if len(taught) != 4:
        raise ValueError(f"an adapter for features of shape {taught}; expected four axes.")
    adapter = layers.Conv2D(taught[-1], 1, dtype="float32")
    adapter.build(learned)
    return adapter
