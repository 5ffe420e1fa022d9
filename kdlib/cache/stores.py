r"""How logits are stored: in float32, float16 or 8 bits, with the error that it makes.

For 8 bits, each view of a patch gets a scale of its own, from its lowest to its highest logit in
255 equal steps:

.. math:: k = \mathrm{round}((z - low) / step), \qquad step = (high - low) / 255

An error of at most δ in each of the teacher's logits changes each component of the gradient of
T² · KL(p ‖ q) in the student's logits, which is T (q - p), by at most δ / 2, whatever T is: the
softened logits are off by δ / T, and a probability moves by no more than half of that.
"""

import numpy as np

STORES = {"float32": "<f4", "float16": "<f2", "uint8": "|u1"}
"""What a logit can be stored as."""

_HEAD = [("low", "<f4"), ("step", "<f4"), ("error", "<f4")]


def record_type(store, shape):
    """Return the NumPy type of one stored view: its scale, its error, and its logits.

    - ``store``: {"float32", "float16", "uint8"}.
    - ``shape``: tuple of int. Height, width and classes.
    - ``ValueError`` if there is no such store.

    >>> record_type("uint8", (2, 2, 6)).itemsize  # three numbers of four bytes and 24 bytes
    36
    """
    if not isinstance(store, str) or store not in STORES:
        raise ValueError(f"store is {store!r}; expected one of {', '.join(STORES)}.")
    return np.dtype([*_HEAD, ("logits", STORES[store], tuple(shape))])


def encoded(logits, store):
    """Return the logits of some views as records, with the error that each of them now has.

    Parameters
    ----------
    logits : array, shape (n, height, width, classes)
        Finite; from -65504 to 65504, where float16 ends, unless the store is ``"float32"``.
    store : {"float32", "float16", "uint8"}

    Returns
    -------
    structured array, shape (n,)
        ``error`` is the largest absolute difference, in logits, between a view and its record.

    Raises
    ------
    ValueError
        If there is no such store, or it cannot hold the logits.

    Examples
    --------
    >>> record = encoded(np.array([[[[-3.0, 0.0, 9.75]]]]), "uint8")
    >>> record["logits"].ravel().tolist(), float(record["step"][0])
    ([0, 60, 255], 0.05000000074505806)
    """
    logits = np.asarray(logits, dtype=np.float32)
    records = np.zeros(len(logits), record_type(store, logits.shape[1:]))
    limit = np.finfo(np.float32 if store == "float32" else np.float16).max
    if not (np.abs(logits) <= limit).all():
        raise ValueError(
            f"the teacher's logits go from {logits.min()} to {logits.max()}; {store} holds finite "
            f"numbers up to {limit:.4g}. If they are not finite, its training diverged; if they "
            'are, use store="float32".'
        )
    if store == "uint8":
        low, high = (extreme(logits, axis=(1, 2, 3)) for extreme in (np.min, np.max))
        step = (high - low) / 255
        # A view of equal logits has no span; any step will do.
        records["low"], records["step"] = low, np.where(step > 0, step, 1)
        low, step = (records[name][:, None, None, None] for name in ("low", "step"))
        records["logits"] = np.clip(np.rint((logits - low) / step), 0, 255)
    else:
        records["logits"] = logits
    records["error"] = np.abs(decoded(records).astype(np.float32) - logits).max(axis=(1, 2, 3))
    return records


def decoded(records):
    """Return the logits that records hold.

    Parameters
    ----------
    records : structured array, shape (n,)
        As :func:`encoded` gives them.

    Returns
    -------
    array, shape (n, height, width, classes)
        float16 as it was stored; float32 from ``"float32"`` and ``"uint8"``.

    Examples
    --------
    >>> decoded(encoded(np.array([[[[1.0, 2.0, 3.0]]]]), "float16")).tolist()
    [[[[1.0, 2.0, 3.0]]]]
    """
    if records["logits"].dtype != np.uint8:
        return records["logits"]
    low, step = (records[name][:, None, None, None] for name in ("low", "step"))
    return records["logits"] * step + low
