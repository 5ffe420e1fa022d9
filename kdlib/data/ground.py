"""Which images show the same ground: two photographs of one place are no independent evidence."""

import numpy as np


def touches(first, second, size):
    """Tell which squares share ground with any of some other squares.

    - ``first``, ``second``: array of int, shape (n, 3) and (m, 3). Scene, top and left of each
      square, in pixels: squares of different scenes share nothing.
    - ``size``: height and width of all squares.
    - Returns array of bool, shape (n,).

    >>> import numpy as np
    >>> here = np.array([[1, 0, 0], [1, 0, 8], [2, 0, 0]])
    >>> touches(here, np.array([[1, 2, 4]]), size=4).tolist()
    [False, False, False]
    >>> touches(here, np.array([[1, 2, 4]]), size=5).tolist()
    [True, True, False]
    """
    apart = np.abs(first[:, None, 1:] - second[None, :, 1:])
    same_scene = first[:, None, 0] == second[None, :, 0]
    return (same_scene & (apart < size).all(axis=2)).any(axis=1)


def overlaps(image_set):
    """List the pairs of images that show the same ground, and where.

    Parameters
    ----------
    image_set : ImageSet
        With ``ground``; without it no image is known to share ground with another.

    Returns
    -------
    list of (int, int, window, window)
        Numbers of two images, and for each a pair of slices, rows and columns, that cut the
        shared ground out of ``images[number]`` and ``labels[number]``.

    Examples
    --------
    >>> from kdlib.data import synthetic
    >>> overlaps(synthetic.city(n_images=2, size=64))
    []
    """
    if image_set.ground is None:
        return []
    scene, corner = image_set.ground[:, 0], image_set.ground[:, 1:]
    end = corner + [labels.shape for labels in image_set.labels]
    found = []
    for one in range(len(scene)):
        for other in range(one + 1, len(scene)):
            low, high = np.maximum(corner[one], corner[other]), np.minimum(end[one], end[other])
            if scene[one] == scene[other] and (low < high).all():
                windows = (
                    tuple(
                        slice(*pair) for pair in zip(low - corner[i], high - corner[i], strict=True)
                    )
                    for i in (one, other)
                )
                found.append((one, other, *windows))
    return found
