"""Tests for a Distiller of your own: the faults that go unnoticed, since the loss goes down."""

import numpy as np

from kdbook.clinic.findings import Report
from kdlib._quiet import without_warnings_of


def check_distiller(distiller, batch, quiet=False):
    r"""Look for the known silent faults in a Distiller, and say in plain words what was found.

    Any compiled ``keras.Model`` will do that has the attributes ``student`` and ``teacher`` and
    can be trained with ``fit(x, y)``, on logits or probabilities with the classes last: that of
    kdlib, ``keras.distillation.Distiller``, one in the style of the Keras examples, one of your
    own. Where T and alpha are attributes that hold a number (``temperature``, and ``alpha`` or
    ``student_loss_weight``; on the Distiller, or on the first of its ``distillation_losses``),
    they are tried at other values too. What cannot be judged is reported as not applicable.

    The checks set the last kernel of each network to zero, so that its logits equal its bias at
    every pixel; take single steps of gradient descent at rate 1; and read the gradient of the
    loss in the student's logits :math:`z^s` off its bias. At temperature T it must be

    .. math:: \alpha\,(\mathrm{softmax}(z^s) - y) + (1 - \alpha)\,T\,(q(T) - p(T))

    with the softened probabilities p of the teacher and q of the student. For one logit, and where
    several classes may hold at once, they are sigmoids, and the loss is the sum over the classes
    or the mean. What alpha weighs is found out first: sums other than this one are in use.
    Afterwards every variable, the optimizer and all settings are as they were. About forty steps
    are taken, without compilation, on the first two images of the batch. It is made for the
    TensorFlow backend; JAX compiles each of the steps anew, which takes minutes.

    Parameters
    ----------
    distiller : keras.Model
        Compiled, with attributes ``student`` and ``teacher``, which are Keras models whose last
        layer with weights has kernel and bias.
    batch : tuple
        ``(x, y)`` or ``(x, y, sample_weight)``: inputs as ``fit`` takes them, at least one;
        labels as class ids of shape (batch, ...), one-hot, or 0 and 1 for each class where several
        may hold at once; weights of the shape of the ids, or
        (batch,).
    quiet : bool
        Whether to print nothing.

    Returns
    -------
    Report
        ``report.failed`` names the checks that failed, ``report["temperature"]`` is one finding,
        ``print(report)`` prints all of it.

    Raises
    ------
    ValueError
        If the distiller lacks ``student`` or ``teacher`` or is not compiled, or the batch is no
        such tuple of numbers. An error of the distiller's own training step comes through as it is.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, section 2.1.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from kdlib.distiller import Distiller
    >>> def network(seed):
    ...     dense = keras.layers.Dense(3, name="logits", kernel_initializer=seed)
    ...     return keras.Sequential([keras.Input((4,)), dense])
    >>> distiller = Distiller(network("zeros"), network("ones"))
    >>> distiller.compile("adam", alpha=0.1, temperature=3.0)
    >>> x, y = np.ones((2, 4), "float32"), np.array([0, 2])
    >>> check_distiller(distiller, (x, y), quiet=True).failed
    ()
    """
    # Keras takes seconds to import, and chapters that train nothing use the other checks.
    from kdbook.clinic._examine import examine

    for role in ("student", "teacher"):
        if not hasattr(getattr(distiller, role, None), "variables"):
            raise ValueError(
                f"{type(distiller).__name__} has no model as its attribute {role!r}; expected a "
                "Distiller with the attributes student and teacher, both Keras models."
            )
    if getattr(distiller, "optimizer", None) is None:
        raise ValueError(f"{type(distiller).__name__} has no optimizer: compile it first.")
    with without_warnings_of("tensorflow"):  # that it compiles often, as each check needs
        report = Report(*examine(distiller, *_unpacked(batch)))
    if not quiet:
        print(report)
    return report


def _unpacked(batch):
    """Return x, y and weights of the first two images, one image twice if there is but one."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise ValueError(
            f"batch is {type(batch).__name__}; expected a tuple (x, y) or (x, y, sample_weight)."
        )
    x, y, weight = (*batch, None)[:3]
    y = np.asarray(y)
    if y.ndim == 0 or len(y) == 0:
        raise ValueError(f"the labels have shape {y.shape}; expected at least one image.")
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"the labels hold {y.ravel()[0]!r}; expected class ids or one-hot. Of names "
            "numpy.unique(names, return_inverse=True)[1] makes ids."
        )
    import keras  # late, as above

    inputs = [np.asarray(each) for each in keras.tree.flatten(x)]
    if any(each.ndim == 0 for each in inputs):
        raise ValueError(
            f"the inputs are a {type(x).__name__} of numbers; expected arrays, one for each input "
            "of the networks. Of nested lists numpy.array makes one."
        )
    counts = {len(each) for each in inputs}
    if counts != {len(y)}:
        raise ValueError(f"there are {len(y)} labels, and inputs of {sorted(counts)} images.")
    rows = [0, min(1, len(y) - 1)]
    return x, y[rows], None if weight is None else np.asarray(weight, np.float32)[rows], rows
