"""One interface for all methods: a term of the loss, over logits or over named layers."""

import inspect
from types import MappingProxyType

import keras


@keras.saving.register_keras_serializable(package="kdlib")
class Term(keras.losses.Loss):
    """A method as a Keras loss: ``term(teacher, student, sample_weight, labels)``.

    Over logits and without labels it is a ``distillation_loss_fn`` for
    :class:`kdlib.distiller.Distiller`. Any term goes into :class:`kdlib.beyond.BeyondDistiller`.

    Parameters
    ----------
    function : callable
        ``(teacher, student, weight=None, ...)`` or ``(teacher, student, labels, weight=None,
        ...)``: returns values, already weighted, whose mean is the loss.
    layers : sequence
        Names of layers, the same in both networks, or pairs (teacher's, student's). The losses of
        several are added.
    adapter : bool
        Whether a 1 × 1 convolution, trained with the student, brings the student's features to the
        teacher's width.
    options : dict, optional
        More arguments of the function, such as ``{"temperature": 4.0}``. They cannot be changed
        later, when a step may be compiled with them.
    name : str, optional
        By default the name of the function.

    Raises
    ------
    ValueError
        If there is no layer, or the function has no such argument.

    Examples
    --------
    >>> from kdlib.beyond import squared_error
    >>> term = Term(squared_error)
    >>> print(f"{float(term([[2.0, 0.0]], [[0.0, 0.0]])):.2f}")
    0.50
    """

    def __init__(self, function, layers=("logits",), adapter=False, options=None, name=None):
        if not callable(function):
            raise ValueError(f"function is {function!r}; expected one of kdlib.beyond, or alike.")
        super().__init__(name=name or function.__name__)
        self.function, self.adapter, self._options = function, bool(adapter), dict(options or {})
        self.layers = _pairs(layers)
        arguments = set(inspect.signature(function).parameters)
        if missing := {"teacher", "student", "weight"} - arguments:
            raise ValueError(
                f"{function.__name__} has no argument {', '.join(sorted(missing))}; expected a "
                "function (teacher, student, weight=None, ...). For soft targets it is "
                "kdlib.beyond.forward_kl."
            )
        self.takes_labels = "labels" in arguments
        settings = arguments - {"teacher", "student", "labels", "weight"}
        if unknown := set(self.options) - settings:
            raise ValueError(
                f"{self.name} has no option {', '.join(sorted(unknown))}; "
                f"it has {', '.join(sorted(settings)) or 'none'}."
            )

    @property
    def options(self):
        """More arguments of the function, to read."""
        return MappingProxyType(self._options)

    @property
    def over_logits(self):
        """Whether it compares the logits, and no other layer."""
        return self.layers == (("logits", "logits"),)

    @property
    def over_classes(self):
        """Whether it takes a softmax over the classes, or sets them against each other."""
        marked = getattr(self.function, "over_classes", False)
        return marked and ("logits", "logits") in self.layers

    def __call__(self, y_true, y_pred, sample_weight=None, labels=None):
        """Return the loss, one number: the teacher's values, the student's, weights and labels."""
        values = self.call(y_true, y_pred, sample_weight, labels)
        # Keras takes the mean, and divides it by the number of replicas under tf.distribute.
        return _mean(values, values)

    def call(self, y_true, y_pred, sample_weight=None, labels=None):
        """Return the weighted values whose mean is the loss."""
        if self.takes_labels and labels is None:
            raise ValueError(
                f"{self.name} needs the labels, and there are none. A loss of Keras does not get "
                "them with the teacher's logits: use kdlib.beyond.BeyondDistiller, with labels."
            )
        labels = {"labels": labels} if self.takes_labels else {}
        return self.function(y_true, y_pred, weight=sample_weight, **labels, **self.options)

    def get_config(self):
        """Return what Keras needs to save the term."""
        return {
            "function": keras.saving.serialize_keras_object(self.function),
            "layers": [list(pair) for pair in self.layers],
            "adapter": self.adapter,
            "options": dict(self.options),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        """Return the term that was saved."""
        function = keras.saving.deserialize_keras_object(config["function"])
        return cls(**{**config, "function": function})


class _Mean(keras.losses.Loss):
    """The mean of values that are there already."""

    def call(self, y_true, y_pred):
        """Return the values."""
        return y_pred


_mean = _Mean(name="mean")


def _pairs(layers):
    listed = [layers] if isinstance(layers, str) else list(layers)
    pairs = tuple((one, one) if isinstance(one, str) else tuple(one) for one in listed)
    right = all(len(pair) == 2 and all(isinstance(n, str) for n in pair) for pair in pairs)
    if not pairs or not right:
        raise ValueError(
            f"layers is {layers!r}; expected names of layers, or pairs of the teacher's and the "
            "student's."
        )
    return pairs
