"""A set of aerial images with their labels."""

import dataclasses
import functools
import hashlib

import numpy as np

from kdlib.data._shared_pixels import shared_pixels
from kdlib.data.classes import DUBAI_PALETTE
from kdlib.data.palette import Palette, checked_palette


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with a class number for each pixel.

    Parameters
    ----------
    name : str
        "dubai", "city", or what images of your own are called.
    images : tuple of arrays of uint8, shape (height, width, 3)
        Colours, red first, 0 to 255. Sizes may differ.
    labels : tuple of arrays of uint8, shape (height, width)
        Class numbers, those of ``palette``.
    tile, part : array of int, shape (number of images,)
        Which tile each image comes from, and its number within the tile, both counted from 1.
    credit : str
        Where the images come from, in one line.
    ground : array of int, shape (number of images, 3), optional
        Where each image lies: number of a scene, and top and left in it, in pixels. Images of one
        scene that overlap show the same ground. None if every image shows ground of its own.
    palette : Palette
        Names and mask colours of the classes, by default those of the Dubai data.
    titles : tuple of str, optional
        What messages call each image, such as its file name. By default tile and part.

    Raises
    ------
    ValueError
        If the numbers of images, labels, tiles, parts and places differ, or the size of an image
        and that of its labels; if an array is not uint8, a label is no class, or ``palette`` is
        none.

    Examples
    --------
    >>> image, labels = np.zeros((32, 48, 3), np.uint8), np.ones((32, 48), np.uint8)
    >>> images = ImageSet("mine", (image,), (labels,), np.array([1]), np.array([1]), "nobody")
    >>> len(images), images.title(0), images.palette.names[1]
    (1, 'tile 1 part 1', 'Land')
    """

    name: str
    images: tuple
    labels: tuple
    tile: np.ndarray
    part: np.ndarray
    credit: str
    ground: np.ndarray | None = None
    palette: Palette = DUBAI_PALETTE
    titles: tuple | None = None

    def __post_init__(self):
        """Refuse images and labels that do not belong together."""
        checked_palette(self.palette)
        places = self.images if self.ground is None else self.ground
        lengths = [len(each) for each in (self.images, self.labels, self.tile, self.part, places)]
        if len(set(lengths)) != 1:
            raise ValueError(
                "expected as many labels, tiles, parts and places as images; got "
                "{} images, {} labels, {} tiles, {} parts, {} places".format(*lengths)
            )
        for index, (image, labels) in enumerate(zip(self.images, self.labels, strict=True)):
            if image.shape != (*labels.shape, 3):
                raise ValueError(
                    f"{self.title(index)}: image of shape {image.shape} and labels of shape "
                    f"{labels.shape} do not fit. Expected (height, width, 3) and (height, width)."
                )
            _check_values(image, labels, len(self.palette), self.title(index))

    @classmethod
    def unlabelled(cls, images, titles):
        """Return images that nobody has labelled: every pixel is of class 0.

        Examples
        --------
        >>> len(ImageSet.unlabelled([np.zeros((32, 48, 3), np.uint8)], ["pond.png"]))
        1
        """
        labels = tuple(np.zeros(image.shape[:2], np.uint8) for image in images)
        number = np.arange(1, len(images) + 1)
        return cls("unlabelled", tuple(images), labels, number, number, "", titles=tuple(titles))

    def __len__(self):
        """Return the number of images."""
        return len(self.images)

    def __repr__(self):
        """Give name, number, sizes and classes, not the arrays."""
        sizes = sorted({labels.shape for labels in self.labels})
        ends = dict.fromkeys(sizes[:1] + sizes[-1:])  # one, if all images have the same size
        pixels = " to ".join(f"{height} × {width}" for height, width in ends)
        return (
            f"ImageSet({self.name!r}: {len(self)} images of {pixels} pixels, {len(self.palette)} "
            f"classes: {', '.join(self.palette.names)})"
        )

    def title(self, index):
        """Name one image, as in "tile 3 part 7"."""
        if self.titles is not None:
            return self.titles[index]
        return f"tile {self.tile[index]} part {self.part[index]}"

    @functools.cached_property
    def shared(self):
        """Pairs of images that show the same pixels, as a set of (int, int), computed once."""
        return shared_pixels(self.images)

    def fingerprint(self):
        """Give the first 12 hex digits of the SHA-256 of all images, labels, tiles and parts.

        Another palette than that of the Dubai data counts too.
        """
        digest = hashlib.sha256()
        digest.update(np.asarray([self.tile, self.part], dtype="<i8").tobytes())
        for array in (*self.images, *self.labels):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array))
        if self.palette is not DUBAI_PALETTE:
            digest.update(repr(self.palette).encode())
        return digest.hexdigest()[:12]


def _check_values(image, labels, n_classes, title):
    """Refuse what would be cut off silently when it is put into patches of uint8."""
    if image.dtype != np.uint8 or labels.dtype != np.uint8:
        raise ValueError(
            f"{title}: image of type {image.dtype}, labels of type {labels.dtype}; expected uint8 "
            "for both: colours from 0 to 255, and class numbers."
        )
    if labels.size and labels.max() >= n_classes:
        raise ValueError(
            f"{title}: labels up to {labels.max()}; expected class numbers from 0 to "
            f"{n_classes - 1}."
        )
