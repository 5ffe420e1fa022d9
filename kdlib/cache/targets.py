"""Reading a cache of soft targets, and refusing one that does not belong here."""

from pathlib import Path

import numpy as np

from kdlib.cache._answering import check_files
from kdlib.cache._summed_files import check_size, mapped
from kdlib.cache.header import HEADER, check_header, read_header
from kdlib.cache.identity import hash_of_images, hash_of_teacher
from kdlib.cache.stores import decoded
from kdlib.unet import logits_model


class SoftTargets:
    """The soft targets of a cache that is complete.

    A view is mapped into memory while it is copied, and no longer: however large the cache, the
    process holds nothing of it.

    Parameters
    ----------
    folder : path
    header : kdlib.cache.header.Header

    Raises
    ------
    FileNotFoundError
        If a part is missing.
    ValueError
        If a part has another size. :func:`read` checks its bytes, too.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib import cache, data
    >>> from kdlib.unet import unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> teacher = unet((1, 1, 1, 1, 1), 6, 16, 16)
    >>> targets = cache.write(tempfile.mkdtemp(), teacher, patches, views=8)
    >>> targets.logits([3, 0], turns=[7, 1]).shape
    (2, 16, 16, 6)
    >>> targets.largest_error() < 0.01
    True
    """

    def __init__(self, folder, header):
        self.folder, self.header = Path(folder), header
        self._record = header.record
        self._files = [(self.folder / name, here) for name, here in header.files.items()]
        for path, here in self._files:
            check_size(path, header, here)

    def logits(self, numbers, turns=None):
        """Return the teacher's logits for some views.

        Parameters
        ----------
        numbers : sequence of int
            Of the patches, from 0.
        turns : sequence of int, optional
            Which of its views, 0 to 7, for each. By default 0: the patch as it is.

        Returns
        -------
        array, shape (n, height, width, classes)
            float16 if they are stored so, else float32.

        Raises
        ------
        ValueError
            If there is no such patch or view.
        """
        turns = np.zeros(len(numbers), int) if turns is None else turns
        self._check(numbers, turns)
        views = np.empty(len(numbers), self._record)
        for place, (number, turn) in enumerate(zip(numbers, turns, strict=True)):
            path, here = self._files[number // self.header.patches_a_file]
            views[place] = mapped(path, self.header, here)[number - here.start, turn]
        return decoded(views)

    def largest_error(self):
        """Return how far a stored logit is from the teacher's, at most: measured on writing."""
        return max(
            float(mapped(path, self.header, here)["error"].max()) for path, here in self._files
        )

    def _check(self, numbers, turns):
        limits = {"patch": (numbers, self.header.patches), "view": (turns, self.header.views)}
        for what, (wanted, limit) in limits.items():
            outside = [value for value in wanted if not 0 <= value < limit]
            if outside:
                raise ValueError(
                    f"{what} {outside[0]} was asked for; the cache {self.folder} holds 0 to "
                    f"{limit - 1}. Write one of these patches with views=8 to turn them."
                )


def read(folder, teacher, patches):
    """Return the soft targets in a folder, if they are this teacher's for these patches.

    The weights are compared by their hash. The settings of layers are in no hash, so the teacher
    is asked again about up to four patches. It must say what is kept to within the error of the
    store and 0.4 percent, or 3 if it computes in bfloat16 (of the root mean square of the logits):
    so much can rounding do from one machine to the next.

    All files are read once for their checksums: about half a second for a gigabyte in memory.
    A cache of an earlier version has no checksums, and is read without that check.

    Parameters
    ----------
    folder : path
        As :func:`write` filled it.
    teacher : keras.Model
        Whose logits :func:`kdlib.network_ends.logits_model` finds.
    patches : kdlib.data.Patches

    Returns
    -------
    SoftTargets

    Raises
    ------
    FileNotFoundError
        If there is no cache, or it is not complete.
    ValueError
        If it is another teacher's or of other images, or a file is damaged; also if the teacher
        answers at random, so that it cannot be told from another.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib import cache, data
    >>> from kdlib.unet import unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> teacher, folder = unet((1, 1, 1, 1, 1), 6, 16, 16), tempfile.mkdtemp()
    >>> written = cache.write(folder, teacher, patches)
    >>> cache.read(folder, teacher, patches.take([1, 2]))
    Traceback (most recent call last):
    ...
    ValueError: the cache ... is of other images: ... Write these to another folder ...
    """
    header = read_header(folder)
    if header is None:
        raise FileNotFoundError(
            f"{folder} holds no cache of soft targets: expected a file {HEADER} in it. Make one "
            "with kdlib.cache.write(folder, teacher, patches)."
        )
    check_header(folder, header, hash_of_teacher(teacher), hash_of_images(patches))
    targets = SoftTargets(folder, header)
    check_files(header, targets._files, logits_model(teacher), patches)
    return targets
