"""The logits of any Keras model: what it computes before its softmax or sigmoid.

A network may be functional, sequential, subclassed or nested, and may end in a linear layer, in
one with softmax or sigmoid inside, or in such a layer of its own. No weight is copied.
"""

import keras

from kdlib._ends import connected, end_of, inputs_of


def logits_and_outputs(model, outputs=None, output_name=None, exclusive=None):
    """Return a model that gives both the logits and the outputs of ``model`` in one pass.

    It shares the layers of ``model``: training one trains the other.

    Parameters
    ----------
    model : keras.Model
        Built. Its last layer is linear, or a softmax or sigmoid, or holds one of them.
    outputs : None, "logits" or "probabilities"
        What the model returns, where that cannot be seen: with layers of one's own at the end,
        and with a subclassed model. For probabilities that nothing comes before, the logits are
        their logarithms (of p / (1 - p), for one class).
    output_name : str, optional
        Which output, if there are several: its key, or the name of its layer.
    exclusive : bool, optional
        Whether the classes exclude each other, where that cannot be seen: with False each is a yes
        or no of its own. By default they do, but after a sigmoid, or if there is one logit.

    Returns
    -------
    keras.Model
        The same inputs; two outputs, the logits and what ``model`` returns.

    Raises
    ------
    ValueError
        If the model is not built, or what it returns cannot be seen, or is not what is said.

    Examples
    --------
    >>> dense = keras.layers.Dense(3, activation="softmax")
    >>> both = logits_and_outputs(keras.Sequential([keras.Input((4,)), dense]))
    >>> [tuple(shape) for shape in both.output_shape]
    [(None, 3), (None, 3)]
    """
    inputs, end = end_of(model, outputs, output_name, exclusive)
    return connected(inputs, [end.logits, end.outputs], f"{model.name}_both")


def logits_model(model, outputs=None, output_name=None, exclusive=None):
    """Return a model that ends at the logits of ``model``. It shares the layers of ``model``.

    Parameters and errors are those of :func:`logits_and_outputs`.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> logits_model(unet((2, 2, 2, 2, 2), 3, 16, 16)).output_shape
    (None, 16, 16, 3)
    """
    inputs, end = end_of(model, outputs, output_name, exclusive)
    return connected(inputs, end.logits, f"{model.name}_logits")


def class_logits(model, outputs=None, output_name=None):
    """Return a model that gives a logit for each class: of one logit z, the two (0, z).

    Their softmax is the sigmoid of z, so that what counts classes by the largest works for yes or
    no too. Parameters and errors are those of :func:`logits_and_outputs`.

    Examples
    --------
    >>> class_logits(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])).output_shape
    (None, 2)
    """
    found = logits_model(model, outputs, output_name)
    z = found.outputs[0]
    if z.shape[-1] != 1:
        return found
    both = keras.layers.Concatenate(dtype=z.dtype, name="logits")([keras.ops.zeros_like(z), z])
    return connected(inputs_of(found), both, f"{model.name}_classes")


def ends_in_probabilities(model):
    """Tell whether a model is seen to end in a softmax or sigmoid.

    Examples
    --------
    >>> ends_in_probabilities(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    False
    """
    try:
        return end_of(model, None, None)[1].kind in ("softmax", "sigmoid")
    except ValueError:  # it does not show
        return False


def check_class_scores(shape):
    """Raise ``ValueError`` if a network gives one number, which the largest of cannot be taken.

    Examples
    --------
    >>> check_class_scores((None, 16, 16, 1))
    Traceback (most recent call last):
    ...
    ValueError: the network gives one number a pixel, shape (None, 16, 16, 1); expected one for ...
    """
    if shape[-1] == 1:
        raise ValueError(
            f"the network gives one number a pixel, shape {tuple(shape)}; expected one for each "
            "class. kdlib.network_ends.class_logits(model) gives two."
        )


def only_output(answer):
    """Return what a network has answered, or raise ``ValueError`` if that is not one array.

    Examples
    --------
    >>> only_output({"mask": 0, "edge": 1})
    Traceback (most recent call last):
    ...
    ValueError: the network returns 2 arrays ('mask', 'edge'); expected one. Make a keras.Model ...
    """
    if not isinstance(answer, (dict, list, tuple)):
        return answer
    if len(answer) == 1:
        return next(iter(answer.values() if isinstance(answer, dict) else answer))
    named = f" ({', '.join(map(repr, answer))})" if isinstance(answer, dict) else ""
    raise ValueError(
        f"the network returns {len(answer)} arrays{named}; expected one. Make a keras.Model that "
        "ends at the one that is meant: keras.Model(network.inputs, network.outputs[0])."
    )


def distribution(model, outputs=None, output_name=None, exclusive=None):
    """Return "categorical" after a softmax, "bernoulli" after sigmoids, None if it does not show.

    One logit is "bernoulli" in any case. Parameters and errors are those of
    :func:`logits_and_outputs`.

    Examples
    --------
    >>> distribution(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
    'bernoulli'
    """
    end = end_of(model, outputs, output_name, exclusive)[1]
    if end.kind == "sigmoid" or end.logits.shape[-1] == 1 or exclusive is False:
        return "bernoulli"
    return "categorical" if end.kind == "softmax" or exclusive else None
