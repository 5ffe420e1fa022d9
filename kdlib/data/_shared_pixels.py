"""Which images show pixels of others: copies, cut-outs, and mosaics, found wherever they lie.

Every window of 8 × 8 pixels of an image gets a number that depends on its colours alone. An image
remembers the windows whose numbers are smallest (min-wise sampling): another that shows the same
pixels, at any place, has windows with these very numbers.
"""

import concurrent.futures
import hashlib

import numpy as np

SIDE = 8
"""Height and width of a window, in pixels: a power of two."""

_ANCHORS = 500  # windows that an image remembers
_FEWEST = 4  # of them must be found in another image, ...
_SHARE = 0.05  # ... and this share: a watermark in each image is no copy; ...
_MOSAIC = 0.2  # ... or this share in all others together: a mosaic of many small cut-outs
_RICH = 16  # with fewer colours, and rows or columns, images may be equal by chance
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


def shared_pixels(images):
    """Find the images of which the same pixels are in another image, wherever they lie there.

    Pixels must be equal: a picture that was saved as JPEG once more, turned or scaled is not found.
    Windows in which half of the neighbouring pixels are equal say nothing, such as borders and calm
    water, nor do whole images that are equal but have little in them, such as empty tiles: fewer
    than 16 colours, and fewer than 16 different rows or columns.

    - ``images``: sequence of arrays of uint8, shape (height, width, 3).
    - Returns set of (int, int): numbers of two images that share pixels, the smaller first.
    - After Broder (1997), On the resemblance and containment of documents.

    >>> photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> shared_pixels([photograph, 255 - photograph, photograph[20:50, 7:50]])
    {(0, 2)}
    """
    found = _same(images)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        images = list(pool.map(_not_enlarged, images))
        anchors = list(pool.map(_anchors, images))
        numbers = np.concatenate([np.empty(0, np.uint64), *anchors])
        owners = np.repeat(np.arange(len(images)), [len(each) for each in anchors])
        order = np.argsort(numbers)
        numbers, owners = numbers[order], owners[order]

        elsewhere = np.zeros(len(numbers), bool)

        def owners_in(number):
            """Count the anchors of every other image among the windows of one."""
            here = _windows(images[number]).ravel()
            here = here[here <= numbers[-1:].max(initial=0)]
            hit = np.isin(numbers, here) & (owners != number)
            elsewhere[hit] = True
            return np.bincount(owners[hit], minlength=len(images))

        counts = np.array(list(pool.map(owners_in, range(len(images)))))
    remembered = np.array([len(each) for each in anchors])
    together = np.bincount(owners[elsewhere], minlength=len(images))
    least = np.maximum(_FEWEST, _SHARE * remembered)
    enough = counts >= np.where(together >= _MOSAIC * remembered, 1, least)
    return found | {(min(pair), max(pair)) for pair in np.argwhere(enough).tolist()}


def check_apart(image_set, part_of):
    """Refuse images of one part of a split that show pixels of images in another.

    - ``part_of``: dict of int to str. The part of each image, by its number. Those that are missing
      are in none.
    - ``ValueError`` if there are some. The message names them all.
    """
    found = [
        " and ".join(f"{image_set.title(number)} ({part_of[number]})" for number in pair)
        for pair in sorted(image_set.shared)
        if len({part_of.get(number) for number in pair} - {None}) == 2
    ]
    if found:
        raise ValueError(
            "images in different parts of the split show the same pixels, as copies, cut-outs and "
            f"mosaics do; the test would be on what was learned: {'; '.join(found)}. Leave out one "
            "of each, or put all that belong together into one subfolder, and hold it out with "
            "by='tile'."
        )


def equal_patches(one, other):
    """Return the numbers of two patches that are equal, though rich, or None.

    >>> patches = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    >>> equal_patches(patches[:3], patches[2:]), equal_patches(patches[:3], patches[3:])
    ((2, 0), None)
    """
    seen = {_digest(patch): number for number, patch in enumerate(one)}
    for number, patch in enumerate(other):
        twin = seen.get(_digest(patch))
        if twin is not None and _is_rich(patch):
            return twin, number
    return None


def _digest(image):
    """Return what is equal for equal images, and short."""
    return image.shape, hashlib.blake2b(np.ascontiguousarray(image)).digest()


def _is_rich(image):
    """Tell whether an image has so much in it that no other is equal by chance.

    Many colours, as photographs have, or many different rows and columns, as drawings and scans.
    """
    rows, columns = (
        np.unique(lines.reshape(len(lines), -1), axis=0) for lines in (image, image.swapaxes(0, 1))
    )
    colours = np.unique(image.reshape(-1, 3), axis=0)
    return max(len(colours), min(len(rows), len(columns))) >= _RICH


def _same(images):
    """Pairs of images that are equal, though rich."""
    seen, found = {}, set()
    for number, image in enumerate(images):
        others = seen.setdefault(_digest(image), [])
        if others and _is_rich(image):
            found |= {(other, number) for other in others}
        others.append(number)
    return found


def _windows(image):
    """Return a number for each window, shape (height − 7, width − 7): equal for equal windows."""
    numbers = np.zeros(image.shape[:2], np.uint64)
    for channel in range(3):
        numbers = numbers * np.uint64(256) + image[..., channel]
    for axis in (0, 1):
        for step in (1, 2, 4):  # two windows side by side make one of twice the size
            first, second = (
                numbers[part] if axis == 0 else numbers[:, part]
                for part in (slice(None, -step), slice(step, None))
            )
            numbers = (first * _ODD[0] ^ first >> np.uint64(29)) + second * _ODD[1 + axis]
    return numbers * _ODD[0] ^ numbers >> np.uint64(32)


def _not_enlarged(image):
    """Leave out rows and columns that repeat their neighbour, where most do.

    An image that was enlarged three times by repeating pixels has no window that says something.
    """
    new = [
        np.append(True, (np.diff(image, axis=axis) != 0).any(axis=(1 - axis, 2))) for axis in (0, 1)
    ]
    most = all(2 * kept.sum() < len(kept) for kept in new)
    return image[new[0]][:, new[1]] if most else image


def _anchors(image):
    """Return the smallest numbers of the windows of an image that say something."""
    if min(image.shape[:2]) < SIDE:
        return np.empty(0, np.uint64)
    numbers = _windows(image)
    # A calm surface would fill the few that are looked at: windows like their neighbour come last.
    calm = np.zeros(numbers.shape, bool)
    calm[1:] |= numbers[1:] == numbers[:-1]
    calm[:, 1:] |= numbers[:, 1:] == numbers[:, :-1]
    numbers = np.where(calm, np.uint64(2**64 - 1), numbers).ravel()
    few = min(4 * _ANCHORS, numbers.size)  # more than are needed, for some say nothing
    places = np.argpartition(numbers, few - 1)[:few]
    numbers, first = np.unique(numbers[places], return_index=True)
    places = places[first]
    tops, lefts = np.divmod(places, image.shape[1] - SIDE + 1)
    views = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))
    windows = views[tops, lefts]  # (windows, channels, rows, columns)
    busy = np.ones(len(windows), bool)
    for axis in (2, 3):
        busy &= (np.diff(windows, axis=axis) != 0).any(axis=1).mean(axis=(1, 2)) > 0.5
    return numbers[busy][:_ANCHORS]
