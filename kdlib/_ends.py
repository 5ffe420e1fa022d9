"""How a network ends: found from its last layer backwards, on the tensors that Keras keeps."""

import inspect
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kdlib._end_layers import BeforeActivation, Logarithms, policy_of
from kdlib._probing import rows_of, sum_to_one

_ACTIVATIONS = {"softmax": keras.activations.softmax, "sigmoid": keras.activations.sigmoid}
# What may stand after the end of a network: these keep the classes of a pixel as they are ...
_KEEP = {"Identity", "Dropout", "Reshape", "Cropping1D", "Cropping2D", "RepeatVector"}
# ... and these mix pixels, which is as good for logits, but not for what a softmax makes of them.
_MIX = {"UpSampling2D", "Resizing", "AveragePooling2D", "GlobalAveragePooling2D"}
_SUMS = {"Add", "Subtract"}  # of probabilities they are none
_MIX |= {"GlobalAveragePooling1D", "Average"} | _SUMS
_NO_PROBABILITIES = {"logsoftmax", "logsigmoid", "relu", "relu6", "leakyrelu", "tanh", "gelu"}


# Types of what is looked up: ids and words.
_IDS = {"int32", "int64", "uint32", "uint64", "string"}
# Types of half precision, with the significant bits that they keep: the fewer first.
_HALF = {"bfloat16": 8, "float16": 11}


class End(NamedTuple):
    """How a network ends: kind is "softmax", "sigmoid", "linear" or None; logits may be None.

    ``dtype`` is the type that the softmax or sigmoid gives: what follows may cast it.
    """

    kind: str | None
    logits: object
    outputs: object
    dtype: str | None = None


def end_of(model, outputs, output_name, exclusive=None):
    """Return the inputs of a model, and its end, with logits."""
    if outputs not in (None, "logits", "probabilities"):
        raise ValueError(f"outputs is {outputs!r}; expected None, 'logits' or 'probabilities'.")
    if exclusive not in (None, True, False):
        raise ValueError(f"exclusive is {exclusive!r}; expected None, True or False.")
    inputs = inputs_of(model)
    structure = model.outputs if _is_graph(model) else _called(model, inputs)
    if isinstance(getattr(model, "output", None), dict) and not isinstance(structure, dict):
        structure = model.output
    tensor = _chosen(model, structure, output_name)
    end = _end_at(tensor)
    named = f"model {model.name!r}"
    _check_exclusive(named, end.kind, tensor.shape[-1], exclusive)
    if end.kind in _ACTIVATIONS and end.logits is not None:
        if outputs == "logits":
            raise ValueError(f"{named} ends in a {end.kind}; expected logits, as outputs says.")
        before = _end_at(end.logits).kind
        if before in _ACTIVATIONS:
            raise ValueError(
                f"{named} takes the {end.kind} of what is a {before} already. Make the layer "
                "before it linear."
            )
        if end.kind == "softmax" and end.logits.shape[-1] == 1:
            raise ValueError(f"{named} ends in a softmax over one class, which is always 1.")
    elif end.kind == "linear":
        if outputs == "probabilities":
            raise ValueError(f"{named} ends in a linear layer; that gives no probabilities.")
    elif outputs == "probabilities" or end.kind in _ACTIVATIONS:
        if _activation_of(tensor) in _NO_PROBABILITIES:
            raise ValueError(
                f"{named} ends in {_named(tensor)}, with {_activation_of(tensor)}; that gives no "
                "probabilities."
            )
        _check_precision(named, tensor.dtype, end.dtype)
        alone = tensor.shape[-1] == 1 or exclusive is False
        kind = end.kind or ("sigmoid" if alone else "softmax")
        drawn = _drawn(inputs, tensor)
        _check_range(named, drawn)
        _check_precision(named, _half_precision(drawn))
        end = End(kind, Logarithms(kind)(tensor), tensor)
    elif outputs == "logits":
        end = End("linear", tensor, tensor)
    else:
        raise ValueError(
            f"{named} ends in {_named(tensor)}, which does not show whether it gives logits or "
            "probabilities. Say outputs='logits' or outputs='probabilities'."
        )
    if len(end.logits.shape) < 2 or end.logits.shape[-1] is None:
        raise ValueError(
            f"{named} gives logits of shape {tuple(end.logits.shape)}; expected (batch, ..., "
            "classes), with 1 for one logit."
        )
    return inputs, end


def _is_graph(model):
    """Whether a model does what its layers say: it is functional or sequential, as Keras calls it.

    A subclass with a call of its own may do more.
    """
    owner = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    return bool(getattr(model, "outputs", None)) and owner.__module__.startswith("keras.")


def _activation_of(tensor):
    """Return in lower case what the last operation is, or the activation inside it."""
    op = tensor._keras_history.operation
    inside = getattr(op, "activation", None)
    return (getattr(inside, "__name__", None) or type(op).__name__).lower().replace("_", "")


def _check_exclusive(named, kind, classes, exclusive):
    """Raise ``ValueError`` if what is said of the classes cannot be, as the network ends."""
    if exclusive is False and kind == "softmax":
        raise ValueError(
            f"{named} ends in a softmax, so its classes exclude each other, and exclusive is False."
        )
    if exclusive and (kind == "sigmoid" or classes == 1):
        what = "one logit, which is yes or no" if classes == 1 else "a sigmoid for each class"
        raise ValueError(f"{named} ends in {what}, and exclusive is True.")


def _check_range(named, rows):
    """Raise ``ValueError`` if what a network gives for random numbers cannot be probabilities."""
    if rows is not None and (rows.min() < -1e-3 or rows.max() > 1 + 1e-3):
        raise ValueError(
            f"{named} gives values from {rows.min():.3g} to {rows.max():.3g} for inputs between 0 "
            "and 1; expected probabilities, as outputs says. If these are logits, say "
            "outputs='logits'."
        )


def _check_precision(named, *dtypes):
    """Raise ``ValueError`` if probabilities were computed in half precision.

    They are as inexact as before when they are cast to float32 afterwards.
    """
    half = next((name for name in dtypes if name in _HALF), None)
    if half:
        raise ValueError(
            f"{named} gives probabilities in {half}, where small ones are 0 and large ones 1, so "
            "that their logits are lost. Give the layer that computes them dtype='float32' (to "
            "cast what it gives is too late), or let the model return logits."
        )


def _drawn(inputs, tensor):
    """Return what a network gives for random numbers, 16 images of them, or None."""
    count = 16 if len(tensor.shape) == 2 else 2  # with classes for each pixel, 2 are many numbers

    def images_of(symbol):
        return keras.KerasTensor((symbol.shape[0] or count, *symbol.shape[1:]), symbol.dtype)

    images = keras.tree.map_structure(images_of, inputs)
    return rows_of(connected(inputs, tensor, "drawn"), (images,), {"training": False})


def _half_precision(rows):
    """Return the type of half precision that probabilities fit into, or None if they do not.

    Of those in float32 one in thousands fits. What fits anyway does not count: 0 and 1, bounds
    that they are clipped at, and shares such as 1/4 and 1/2.
    """
    if rows is None:
        return None
    found = np.unique(rows[(rows > 1e-5) & (rows < 1 - 1e-5)])
    if (found * 256 % 1 != 0).sum() < 3:
        return None
    digits = np.frexp(found)[0]
    fit = (name for name, bits in _HALF.items() if (digits * 2**bits % 1 == 0).all())
    return next(fit, None)


def inputs_of(model):
    """Return the symbolic inputs of a functional or sequential model, or new ones."""
    if not getattr(model, "outputs", None):
        return _new_inputs(model)
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    # A list of one would make Keras expect a list at every call.
    return structure if isinstance(structure, dict) or len(model.inputs) > 1 else model.inputs[0]


@keras.saving.register_keras_serializable(package="kdlib", name="_AnyInputs")
class _AnyInputs(keras.Model):
    """A network on new inputs, whose types are not known: ids and words stay what they are."""

    def _convert_inputs_to_tensors(self, flat_inputs):
        given = [ops.convert_to_tensor(each) for each in flat_inputs]
        kept = [keras.backend.standardize_dtype(each.dtype) in _IDS for each in given]
        return [x if ids else ops.cast(x, "float32") for x, ids in zip(given, kept, strict=True)]


def connected(inputs, outputs, name):
    """Return the network from symbolic inputs to outputs."""
    new = any(hasattr(each, "of_any_type") for each in keras.tree.flatten(inputs))
    return (_AnyInputs if new else keras.Model)(inputs, outputs, name=name)


def _new_inputs(model):
    config = model.get_build_config() if getattr(model, "built", False) else None
    if not config:
        raise ValueError(
            f"model {model.name!r} is not built, so its inputs are not known. Call it once on a "
            "batch, or begin it with keras.Input."
        )
    shape = config.get("input_shape") or next(iter(config["shapes_dict"].values()))
    if isinstance(shape, dict):
        new = {name: keras.Input(each[1:], name=name) for name, each in shape.items()}
    else:
        new = keras.tree.map_shape_structure(lambda each: keras.Input(each[1:]), shape)
    for each in keras.tree.flatten(new):
        each.of_any_type = True
    return new


def _called(model, inputs):
    """Call a subclassed model on symbolic inputs, as fit calls it: with one argument."""
    try:
        inspect.signature(model.call).bind(inputs)
    except TypeError as error:
        raise ValueError(
            f"model {model.name!r} cannot be called with one argument: {error}. Let it take all "
            "its inputs as one list or dictionary, as fit gives them."
        ) from None
    return model(inputs)


def _chosen(model, outputs, name):
    """Return the one output, or the one that is named."""
    if not isinstance(outputs, (dict, list, tuple)):
        return outputs
    if isinstance(outputs, dict):
        named = dict(outputs)
    else:
        named = dict(zip(getattr(model, "output_names", range(len(outputs))), outputs, strict=True))
    if len(named) == 1 and name is None:
        return next(iter(named.values()))
    if name not in named:
        if len(named) == 1:
            raise ValueError(
                f"model {model.name!r} has one output; leave output_name out, which is {name!r}."
            )
        listed = ", ".join(map(repr, named))
        raise ValueError(
            f"model {model.name!r} has the outputs {listed}; expected output_name to be one of "
            f"them, not {name!r}."
        )
    return named[name]


def _end_at(tensor):
    """Return how the network ends that this tensor comes out of."""
    history = tensor._keras_history
    op, node = history.operation, history.operation._inbound_nodes[history.node_index]
    # By its name, if it is Keras' own: a layer of another that has such a name may do anything.
    ours = type(op).__module__.startswith("keras.")
    before, kind = node.input_tensors, type(op).__name__ if ours else None
    if isinstance(op, keras.Model):
        return _nested(op, node, history.tensor_index, tensor)
    if kind in ("Softmax", "Sigmoid"):  # a layer, or an operation of keras.ops
        if getattr(op, "axis", -1) not in (-1, len(tensor.shape) - 1):
            raise _not_last(op, f"axis {op.axis}")
        masked = len(before) > 1  # so that classes are left out, image by image
        return End(kind.lower(), None if masked else before[0], tensor, tensor.dtype)
    if kind == "Cast" and "float" in tensor.dtype:
        return _end_at(before[0])._replace(outputs=tensor)
    if kind in _KEEP and (kind != "Reshape" or tensor.shape[-1] == before[0].shape[-1]):
        end = _end_at(before[0])
        if end.kind == "linear" or end.logits is None:
            return _hidden(end, tensor)
        return end._replace(logits=op(end.logits), outputs=tensor)
    if kind in _MIX:
        ends = [_end_at(each) for each in before]
        kinds = {end.kind for end in ends}
        if len(kinds) > 1 or (kind in _SUMS and kinds != {"linear"}):
            return _hidden(None, tensor)
        return _hidden(min(ends, key=lambda end: end.dtype not in _HALF), tensor)
    end = _at_layer(op, before, tensor)
    return end if end.kind else _hidden(_inside(op, node), tensor)


def _hidden(end, tensor):
    """Return an end the logits of which, unless they are the tensor itself, are out of reach."""
    kind, dtype = (end.kind, end.dtype) if end else (None, None)
    return End(kind, tensor if kind == "linear" else None, tensor, dtype)


def _at_layer(op, before, tensor):
    """Return the end at a layer with an activation, or with a name that says what it gives."""
    if getattr(op, "data_format", None) == "channels_first" and len(tensor.shape) > 2:
        raise _not_last(op, "axis 1")
    activation = getattr(op, "activation", None)
    known = [name for name, function in _ACTIVATIONS.items() if activation is function]
    if isinstance(op, layers.Activation):
        if known:
            return End(known[0], before[0], tensor, tensor.dtype)
        if activation is keras.activations.linear:
            return _end_at(before[0])._replace(outputs=tensor)
    elif known and _is_weighted_sum(op):
        if op.activity_regularizer is not None:  # which looks at what the layer returns
            return End(known[0], None, tensor, tensor.dtype)
        logits = BeforeActivation(op)(before[0])
        outputs = layers.Activation(known[0], dtype=policy_of(op))(logits)
        return End(known[0], logits, outputs, tensor.dtype)
    elif activation is keras.activations.linear and _is_weighted_sum(op):
        return End("linear", tensor, tensor)
    return End(None, tensor, tensor)


def _inside(op, node):
    """Return the end that is inside a layer, or None if it does not show.

    The code of the layer is followed, as that of a layer around another one. Where neither shows a
    softmax or sigmoid, a layer of one's own is believed its name.
    """
    if isinstance(op, BeforeActivation):
        return End("linear", None, None)
    inner, end = getattr(op, "layer", None), None
    if isinstance(inner, layers.Activation) or (inner is not None and _is_weighted_sum(inner)):
        kind = next((n for n, f in _ACTIVATIONS.items() if inner.activation is f), None)
        end = kind and End(kind, None, None, inner.compute_dtype)
    if end is None and isinstance(op, layers.Layer):
        end = _in_both_modes(op, node.arguments.args, node.arguments.kwargs)
    if end and end.kind in _ACTIVATIONS:
        return end
    if isinstance(op, layers.TimeDistributed) and _is_weighted_sum(inner):
        linear = inner.activation is keras.activations.linear
        return End("linear", None, None) if linear else None
    if op.name != "logits" or getattr(op, "activation", None) is not None:
        return None
    rows = rows_of(op.call, node.arguments.args, node.arguments.kwargs)
    return End("softmax" if rows is not None and sum_to_one(rows) else "linear", None, None)


def _followed(layer, args, kwargs):
    """Return the end that the code of a layer comes to, or None if it cannot be followed.

    What the code changes on the way, such as the state of a random generator, stays as it was.
    """
    try:
        with keras.StatelessScope():
            return _end_at(layer.call(*args, **kwargs))
    except Exception:  # whatever the code of others raises on tensors without values
        return None


def _is_weighted_sum(op):
    """Whether this is Keras' own Dense or convolution, or inherits how one is computed."""
    owner = next(kind for kind in type(op).__mro__ if "call" in vars(kind))
    weighted = hasattr(op, "kernel") or hasattr(op, "pointwise_kernel")
    return weighted and owner.__module__.startswith("keras.")


def _not_last(op, place):
    return ValueError(
        f"{op.name!r}, a {type(op).__name__}, has its classes in {place}; expected them in the "
        "last. Put a keras.layers.Permute before it."
    )


def _nested(model, node, index, tensor):
    """Return the end of a model within a model: that of the inner one, on the outer's tensors."""
    if not _is_graph(model):
        return _from_outside(model, node, tensor)
    inner = _end_at(model.outputs[index])
    if inner.logits is None:
        return inner._replace(outputs=tensor)
    both = connected(inputs_of(model), [inner.logits, inner.outputs], f"{model.name}_both")
    return End(inner.kind, *both(*node.arguments.args, **node.arguments.kwargs), inner.dtype)


def _from_outside(model, node, tensor):
    """Return the end of a subclassed model: its kind, if its code can be followed."""
    return _hidden(_in_both_modes(model, node.arguments.args, {}), tensor)


def _in_both_modes(layer, args, kwargs):
    """Return what the code of a layer or model comes to, in training as in use, or None."""
    takes = "training" in inspect.signature(layer.call).parameters
    modes = [{"training": True}, {"training": False}] if takes else [{}]
    *trained, used = (_followed(layer, args, {**kwargs, **mode}) for mode in modes)
    if used and used.kind and [end and end.kind for end in trained] not in ([], [used.kind]):
        what = "model" if isinstance(layer, keras.Model) else "layer"
        raise ValueError(
            f"{what} {layer.name!r} ends otherwise in training than in use; expected logits in "
            "both, or probabilities in both."
        )
    return used


def _named(tensor):
    op = tensor._keras_history.operation
    return f"{op.name!r}, of type {type(op).__name__}"
