"""Which of its outputs a network is distilled by, and the layer at its end."""

import keras


def chosen_name(distiller, role):
    """Return the name of the output that the Distiller reads, if it says so; that is ours."""
    return getattr(distiller, "_reading", {}).get(role, {}).get("output_name")


def one_of(answer, model, name):
    """Return the output of this name, the only one if there is but one, or None.

    >>> one_of({"m": 1, "n": 2}, None, "n"), one_of([5], None, None), one_of([5, 6], None, None)
    (2, 5, None)
    """
    if not isinstance(answer, (dict, list, tuple)):
        return answer
    each = answer if isinstance(answer, dict) else dict(enumerate(answer))
    if len(each) == 1:
        return next(iter(each.values()))
    if not isinstance(answer, dict):
        names = getattr(model, "output_names", each)
        each = dict(zip(names, answer, strict=False))
    return each.get(name)


def head(model, name=None):
    """Return the last layer with kernel and bias on the way to an output, or None."""
    if len(getattr(model, "outputs", None) or ()) > 1 and name is not None:
        model = keras.Model(model.inputs, one_of(model.output, model, name))
    last = None
    for layer in getattr(model, "layers", []):
        inner = head(layer) if getattr(layer, "layers", None) else layer
        has = all(getattr(inner, key, None) is not None for key in ("kernel", "bias"))
        last = inner if has else last
    return last
