"""Losses as they are passed to the Distiller: objects and functions over logits, and no others."""

import inspect

import keras

# Losses of Keras that take the class scores of two networks as they are, or have a remedy below ...
_OVER_NUMBERS = {"meansquarederror", "meanabsoluteerror", "huber", "logcosh", "cosinesimilarity"}
_OVER_NUMBERS |= {"lossfunctionwrapper", "kldivergence"}
# ... and those that take probabilities, and have no from_logits.
_OVER_PROBABILITIES = {"poisson", "dice", "tversky", "categoricalgeneralizedcrossentropy", "ctc"}
_OVER_PROBABILITIES |= {"meansquaredlogarithmicerror", "meanabsolutepercentageerror"}


def over_classes(loss):
    """Mark a loss, a function or a class, as one whose classes exclude each other.

    >>> over_classes(lambda teacher, student: 0).over_classes
    True
    """
    loss.over_classes = True
    return loss


def as_loss(loss, argument):
    """Return a Keras loss object over logits, or say why there is none.

    - ``loss``: ``(y_true, y_pred)`` with logits as ``y_pred``: a Keras loss object, or a function
      that returns one value a pixel, around which an object is put that takes their mean.
    - ``argument``: what the caller calls it, for the message.
    - ``ValueError`` if it is a string, expects probabilities, does not reduce to one number, or is
      no loss.
    """
    if isinstance(loss, str):
        raise ValueError(
            f"{argument} is the string {loss!r}, which Keras resolves to a function over "
            "probabilities. Pass a loss object that takes logits."
        )
    name = getattr(loss, "__name__", type(loss).__name__)
    if inspect.isclass(loss):
        raise ValueError(f"{argument} is the class {name}; expected a loss object: {name}(...).")
    if argument == "distillation_loss_fn" and is_keras(loss) and _plain(name) not in _OVER_NUMBERS:
        raise ValueError(
            f"{argument} is {name}, which compares labels with a prediction, and the Distiller "
            "passes two logits. Leave it out: the default is the divergence of soft targets, whose "
            "gradient is that of their cross-entropy."
        )
    remedy = _remedy_if_over_probabilities(loss, name)
    if remedy:
        raise ValueError(
            f"{argument} is {name}, which takes probabilities, and the Distiller passes logits. "
            f"{remedy}"
        )
    if isinstance(loss, keras.losses.Loss):
        if loss.reduction in (None, "none"):
            raise ValueError(f"{argument} has reduction None; expected a mean over the pixels.")
        return loss
    if not callable(loss):
        raise ValueError(f"{argument} is {loss!r}; expected a keras.losses.Loss or a function.")
    return _FunctionLoss(loss, name=argument)


def is_keras(loss):
    """Whether a loss is Keras' own: a function, or an object of a class of Keras."""
    return getattr(loss, "__module__", "").startswith("keras.")


def _plain(name):
    return name.lower().replace("_", "")


def _remedy_if_over_probabilities(loss, name):
    """Say how to mend a loss of Keras that is known to want probabilities, or return None."""
    if isinstance(loss, keras.losses.KLDivergence) or loss is keras.losses.kl_divergence:
        return "Use kdlib.losses.SoftTargetKLDivergence()."
    if is_keras(loss) and _plain(name) in _OVER_PROBABILITIES:
        return "Leave it out: the default is the cross-entropy."
    if isinstance(loss, keras.losses.Loss):
        over_probabilities = loss.get_config().get("from_logits") is False
        return "Build it with from_logits=True." if over_probabilities else None
    if _default_of(loss, "from_logits") is False:
        return "Use the loss object of the same name, with from_logits=True."
    return None


def _default_of(function, argument):
    """Return the default of an argument of a function, or None if there is none to see."""
    try:
        return inspect.signature(function).parameters[argument].default
    except (TypeError, ValueError, KeyError):
        return None


def computes_in_float16(layer):
    """Whether a network, or any layer inside it, however deep, computes in float16."""
    inside = getattr(layer, "layers", None) or [getattr(layer, "layer", None)]
    deeper = any(computes_in_float16(each) for each in inside if each is not None)
    return deeper or layer.compute_dtype == "float16"


def scaled(optimizer):
    """Return an optimizer that scales the loss, so that gradients in float16 do not vanish."""
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")


@keras.saving.register_keras_serializable(package="kdlib")
class _FunctionLoss(keras.losses.Loss):
    """A plain function over logits as a Keras loss, so that weights and reduction are Keras'."""

    def __init__(self, fn, name=None):
        super().__init__(name=name)
        self.fn, self.over_classes = fn, getattr(fn, "over_classes", False)

    def call(self, y_true, y_pred):
        """Return the loss of each pixel, before weights and reduction."""
        found = keras.ops.convert_to_tensor(self.fn(y_true, y_pred))
        if not len(found.shape):
            raise ValueError(
                f"{self.name} returns one number for the batch; expected one for each label, so "
                "that weights count. Leave its mean out: the Distiller takes it."
            )
        return found

    def get_config(self):
        """Return what Keras needs to save the loss."""
        try:
            return {"fn": keras.saving.serialize_keras_object(self.fn), "name": self.name}
        except TypeError:
            raise ValueError(
                f"{self.name} is {self.fn!r}, which cannot be saved; expected a loss object, or a "
                "function under keras.saving.register_keras_serializable."
            ) from None

    @classmethod
    def from_config(cls, config):
        """Return the loss that was saved."""
        return cls(keras.saving.deserialize_keras_object(config["fn"]), config["name"])
