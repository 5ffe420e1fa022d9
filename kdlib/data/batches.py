"""Batches for ``fit`` and ``evaluate``: crops, flips and turns in NumPy, on any Keras backend."""

import numbers

import keras
import numpy as np

from kdlib._arguments import checked_whole
from kdlib.data.palette import OF_THE_PALETTE


class Batches(keras.utils.PyDataset):
    """Serve patches in batches of inputs, labels and sample weights.

    What batch ``index`` of an epoch holds depends on seed, epoch and index alone: a run that was
    stopped and resumed sees the batches that an unbroken run would have seen.

    Parameters
    ----------
    patches : Patches
        What to serve.
    batch_size : int
        Patches a batch. The last batch of a pass is smaller if ``steps`` is not given.
    crop : int, optional
        Height and width of a random crop of each patch, in pixels. None serves whole patches.
    augment : bool
        Whether to flip and to turn each patch at random by 0, 90, 180 or 270 degrees.
    void_class : int or None
        Number of the class whose pixels get weight 0; by default the void class of the patches'
        palette, which is Unlabeled for the Dubai data. None gives weight 1 to all.
    seed : int
        Seed of order, crops, flips and turns, 0 or more.
    steps : int, optional
        Batches an epoch. By default as many as serve every patch once. If there are more, the
        patches come round again.
    shuffle : bool
        Whether each pass has an order of its own.
    jitter : float or None
        Up to which share brightness, contrast and colour of each image are changed at random, above
        0 to below 1. None leaves the colours alone. See :func:`recoloured`.

    Attributes
    ----------
    epoch : int
        Number of the current epoch, from 0. ``fit`` advances it, once for each epoch and once
        more before the first. To go on where another run stopped, set it at the start of each
        epoch, as :class:`kdlib.recipes.EpochSeeds` does.

    Raises
    ------
    ValueError
        If there are no patches, a number is below 1, the crop is larger than the patches, patches
        that are not square are to be turned whole, ``void_class`` is no class number of the
        palette, or seed or jitter is out of its range.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> patches = cut(synthetic.city(n_images=1, size=256), size=128)
    >>> x, y, weight = Batches(patches, batch_size=2, crop=64, augment=True)[0]
    >>> x.shape, y.shape, weight.shape
    ((2, 64, 64, 3), (2, 64, 64), (2, 64, 64))
    """

    def __init__(
        self,
        patches,
        batch_size,
        crop=None,
        augment=False,
        void_class=OF_THE_PALETTE,
        seed=0,
        steps=None,
        shuffle=False,
        jitter=None,
    ):
        super().__init__()
        _check(patches, batch_size, crop, augment, steps)
        _check_jitter(jitter)
        self.patches = patches
        self.batch_size = batch_size
        self.crop = crop
        self.augment = augment
        self.void_class = patches.palette.void_or(void_class)
        self.seed = checked_whole(seed, "seed", least=0)
        self.steps = steps
        self.shuffle = shuffle
        self.jitter = jitter
        self.epoch = 0

    def __len__(self):
        """Batches an epoch."""
        return self.steps or -(-len(self.patches) // self.batch_size)

    def __getitem__(self, index):
        """Give inputs, labels and sample weights of one batch of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        chosen = self._choose(index)
        rng = self._rng(index)
        images, labels = self._views(chosen, rng)
        weight = np.ones(labels.shape, dtype=np.float32)
        if self.void_class is not None:
            weight[labels == self.void_class] = 0.0
        inputs = images * np.float32(1 / 255)
        if self.jitter is not None:
            inputs = recoloured(inputs, self.jitter, rng)
        return inputs, labels.astype(np.int32), weight

    def on_epoch_end(self):
        """Go on to the next epoch; ``fit`` calls this."""
        self.epoch += 1

    def _choose(self, index):
        """Numbers of the patches in one batch."""
        count = len(self.patches)
        places = np.arange(index * self.batch_size, (index + 1) * self.batch_size)
        if self.steps is None:
            places = places[places < count]
        if not self.shuffle:
            return places % count
        passes = {number: self._order(number) for number in np.unique(places // count).tolist()}
        return np.array([passes[place // count][place % count] for place in places.tolist()])

    def _order(self, number):
        """Order of the patches in pass ``number`` of the epoch, drawn apart from the views."""
        rng = np.random.default_rng([self.seed, self.epoch, number, 1])
        return rng.permutation(len(self.patches))

    def _rng(self, index):
        """Make the source of chance of one batch."""
        return np.random.default_rng([self.seed, self.epoch, index])

    def _draw(self, chosen, rng):
        """Draw tops, lefts and turns of the views."""
        height, width = self.patches.labels.shape[1:]
        out_height, out_width = (self.crop, self.crop) if self.crop else (height, width)
        tops = rng.integers(0, height - out_height, size=len(chosen), endpoint=True)
        lefts = rng.integers(0, width - out_width, size=len(chosen), endpoint=True)
        turns = rng.integers(0, 8, size=len(chosen)) if self.augment else np.zeros_like(chosen)
        return tops, lefts, turns

    def _views(self, chosen, rng):
        """Cut, turn and flip the chosen patches, image and labels alike."""
        height, width = self.patches.labels.shape[1:]
        out_height, out_width = (self.crop, self.crop) if self.crop else (height, width)
        tops, lefts, turns = self._draw(chosen, rng)
        images = np.empty((len(chosen), out_height, out_width, 3), dtype=np.uint8)
        labels = np.empty((len(chosen), out_height, out_width), dtype=np.uint8)
        for i, (number, top, left, turn) in enumerate(zip(chosen, tops, lefts, turns, strict=True)):
            window = np.s_[number, top : top + out_height, left : left + out_width]
            images[i] = turned(self.patches.images[window], turn)
            labels[i] = turned(self.patches.labels[window], turn)
        return images, labels


def turned(array, turn):
    """Give one of the eight views of a square.

    - ``array``: array, shape (height, width) or (height, width, channels).
    - ``turn``: 0 to 7. ``turn % 4`` quarter turns against the clock; from 4 on flipped left to
      right first.
    - Returns array: a view, not a copy.

    >>> import numpy as np
    >>> turned(np.array([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    if turn >= 4:
        array = array[:, ::-1]
    return np.rot90(array, turn % 4)


def recoloured(images, jitter, rng):
    """Change brightness, contrast and colour of each image at random, as another day's light would.

    With factors b, c and g for each image, drawn evenly between 1 − jitter and 1 + jitter, g for
    each channel and only half as far from 1: x → mean + c · (b · g · x − mean), where the mean is
    that of the image b · g · x, a number for each channel. What leaves [0, 1] is cut off there.

    - ``images``: array, shape (images, height, width, channels). Values in [0, 1].
    - ``jitter``: above 0 to below 1.
    - Returns array of float32, shape of ``images``: values in [0, 1].

    >>> import numpy as np
    >>> grey = np.full((1, 2, 2, 3), 0.5, "float32")
    >>> bool(np.ptp(recoloured(grey, 0.2, np.random.default_rng(0))[..., 0]) == 0)
    True
    """
    count, channels = len(images), images.shape[-1]
    bright, contrast = rng.uniform(1 - jitter, 1 + jitter, size=(2, count, 1, 1, 1))
    gain = rng.uniform(1 - jitter / 2, 1 + jitter / 2, size=(count, 1, 1, channels))
    factor = (bright * gain).astype(np.float32)
    mean = (
        factor * np.einsum("nhwc->nc", images)[:, None, None] / np.float32(images[0, ..., 0].size)
    )
    # In one line through the pixels, written over itself: this runs beside every training step.
    contrast = contrast.astype(np.float32)
    images = images * (contrast * factor)
    images += mean - contrast * mean
    return np.clip(images, 0, 1, out=images)


def _check_jitter(jitter):
    if jitter is not None and not (isinstance(jitter, numbers.Real) and 0 < jitter < 1):
        raise ValueError(f"jitter is {jitter!r}; expected above 0 and below 1, or None.")


def _check(patches, batch_size, crop, augment, steps):
    """Refuse what cannot be served."""
    if len(patches) == 0:
        raise ValueError("expected at least one patch; got none")
    if patches.images.dtype != np.uint8 or patches.labels.dtype != np.uint8:
        raise ValueError(
            f"images are {patches.images.dtype} and labels {patches.labels.dtype}; expected uint8 "
            "for both, as kdlib.data.cut gives them."
        )
    for name, value in (("batch_size", batch_size), ("crop", crop), ("steps", steps)):
        if value is not None or name == "batch_size":
            checked_whole(value, name)
    height, width = patches.labels.shape[1:]
    if crop is not None and crop > min(height, width):
        raise ValueError(f"crop={crop} is larger than the patches, {height} × {width}")
    if augment and crop is None and height != width:
        raise ValueError(
            f"patches of {height} × {width} cannot be turned by 90 degrees in a batch. "
            "Give a crop, or cut square patches."
        )
