"""What a teacher says of some views, and whether that is what a cache holds of it."""

import keras
import numpy as np

from kdlib.cache._summed_files import check_size, check_sum, mapped
from kdlib.cache.stores import decoded
from kdlib.data.batches import turned

PROBES = 4
"""Patches of which a teacher is asked again: more than one, since some show next to nothing."""

# By how much the logits of one teacher may differ, in units of the logits, both root mean squares.
# The networks of this library differ by 2e-7 between TensorFlow and JAX on a processor. Products
# that are rounded to the 10 bits of float16, or of TF32 on a GPU, make it 8e-4, and the 7 bits of
# bfloat16 make it 8e-3. That is about one unit of the last of these bits; four are allowed.
_ROUNDING, _ROUNDING_IN_BFLOAT16 = 4 * 2.0**-10, 4 * 2.0**-7


def said(ask, patches, views):
    """Return the logits of a network for some views, in inference mode.

    - ``ask``: as :func:`kdlib.network_ends.logits_model` gives it.
    - ``views``: sequence of (number of a patch, turn).
    - Returns array, shape (n, height, width, classes).
    """
    images = np.stack([turned(patches.images[number], turn) for number, turn in views])
    # As kdlib.data.Batches does it, so that the teacher sees the very same numbers.
    return keras.ops.convert_to_numpy(ask(images * np.float32(1 / 255), training=False))


def answer_shape(ask, patches):
    """Return height, width and classes of the answer of a network; they must be the patches'.

    - ``ask``: as :func:`kdlib.network_ends.logits_model` gives it.
    - ``ValueError`` if they are not.
    """
    size = patches.images.shape[1:]
    try:
        shape = tuple(ask.compute_output_shape((1, *size))[1:])
    except ValueError:
        shape = None
    fits = all(a in (None, b) for a, b in zip(ask.input_shape[1:], size, strict=True))
    if not fits or shape is None or shape[:2] != size[:2]:
        raise ValueError(
            f"the teacher takes {ask.input_shape[1:]} and answers {ask.output_shape[1:]}; the "
            f"patches are {size}. Expected an answer for each of their pixels: cut patches of the "
            "size that the teacher takes."
        )
    return shape


def check_files(header, files, ask, patches):
    """Raise ``ValueError`` if files are damaged, or hold what another teacher says.

    - ``header``: kdlib.cache.header.Header.
    - ``files``: list of (path, numbers of its patches).
    - ``ask``: as :func:`kdlib.network_ends.logits_model` gives it.
    """
    for path, here in files:
        check_size(path, header, here)
        check_sum(path, header)
    check_answers(header, files, ask, patches)


def check_answers(header, files, ask, patches):
    """Raise ``ValueError`` unless a teacher says what some files of a cache hold of it.

    It is asked about :data:`PROBES` patches, one at a time, as memory may be short, and each in
    another of its views. Differences that rounding can make are let pass.

    - ``header``: kdlib.cache.header.Header.
    - ``files``: list of (path, numbers of its patches). Whole.
    - ``ask``: as :func:`kdlib.network_ends.logits_model` gives it.
    """
    if not files:
        return
    folder, shape = files[0][0].parent, answer_shape(ask, patches)
    if shape != header.shape:
        raise ValueError(_another(folder, f"it holds answers of {header.shape}, expected {shape}"))
    for number, turn, records in _probes(header, files):
        apart, most = _distance(records, said(ask, patches, [(number, turn)]), _rounding(ask))
        if not apart <= most:  # so that NaN is refused
            raise ValueError(
                _another(
                    folder,
                    f"the logits it holds of patch {number} in view {turn} are {apart:.3g} (root "
                    f"mean square) from what this teacher says, expected {most:.3g} at most, from "
                    "rounding. The weights are the same, so a setting differs, such as a scale or "
                    "an activation, or the teacher answers at random",
                )
            )


def _probes(header, files):
    """Yield number, turn and stored view of some patches, from the first to the last."""
    there = [number for _, here in files for number in here]
    places = np.linspace(0, len(there) - 1, min(PROBES, len(there))).round().astype(int)
    for turn, place in zip((0, 5, 2, 7), places, strict=False):
        number, turn = there[place], turn % header.views
        path, here = next(one for one in files if number in one[1])
        yield number, turn, mapped(path, header, here)[[number - here.start], turn]


def _distance(records, logits, rounding):
    """Return how far logits are from a stored view, and how far rounding may bring them."""
    kept, logits = (np.asarray(array, float) for array in (decoded(records), logits))
    apart, size = (np.sqrt(np.mean(np.square(array))) for array in (kept - logits, kept))
    return apart, float(records["error"].max()) + rounding * size


def _rounding(ask):
    kinds = {layer.compute_dtype for layer in ask._flatten_layers()}
    return _ROUNDING_IN_BFLOAT16 if "bfloat16" in kinds else _ROUNDING


def _another(folder, why):
    return (
        f"the cache {folder} is another teacher's: {why}. Its soft targets would be wrong here. "
        "Write these to another folder with kdlib.cache.write, or delete this one first."
    )
