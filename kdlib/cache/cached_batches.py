"""Batches that bring the teacher's logits along."""

import numpy as np

from kdlib.cache.identity import hash_of_images
from kdlib.data import Batches
from kdlib.data.palette import OF_THE_PALETTE


class CachedBatches(Batches):
    """Serve patches as :class:`kdlib.data.Batches` does, with what the teacher said of each view.

    The inputs are a dictionary, ``{"image": images, "teacher_logits": logits}``. A
    :class:`kdlib.distiller.Distiller` that gets such inputs does not run its teacher. With the same
    seed, the images, labels and weights are those of ``Batches``: only whole patches, since the
    logits of a random crop are in no cache, and no change of colour.

    Parameters
    ----------
    patches : kdlib.data.Patches
        The patches of the cache.
    targets : SoftTargets
        As :func:`kdlib.cache.read` or :func:`kdlib.cache.write` returns them.
    batch_size, augment, void_class, seed, steps, shuffle
        As in :class:`kdlib.data.Batches`.

    Raises
    ------
    ValueError
        As ``Batches``; also if the patches are not those of the cache, or are to be turned and the
        cache holds one view of each.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib import cache, data
    >>> from kdlib.unet import unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> targets = cache.write(tempfile.mkdtemp(), unet((1, 1, 1, 1, 1), 6, 16, 16), patches)
    >>> inputs, labels, weight = CachedBatches(patches, targets, batch_size=2)[0]
    >>> {name: array.shape for name, array in inputs.items()}
    {'image': (2, 16, 16, 3), 'teacher_logits': (2, 16, 16, 6)}
    """

    def __init__(
        self,
        patches,
        targets,
        batch_size,
        augment=False,
        void_class=OF_THE_PALETTE,
        seed=0,
        steps=None,
        shuffle=False,
    ):
        super().__init__(
            patches,
            batch_size,
            augment=augment,
            void_class=void_class,
            seed=seed,
            steps=steps,
            shuffle=shuffle,
        )
        if (came := hash_of_images(patches)) != targets.header.images:
            raise ValueError(
                f"the patches have hash {came}, and the soft targets are of images with hash "
                f"{targets.header.images}. Write the soft targets of these patches first."
            )
        if augment and targets.header.views == 1:
            raise ValueError(
                "augment is True, and the cache holds one view of each patch. Write it with "
                "views=8, or use augment=False."
            )
        self.targets = targets

    def __getitem__(self, index):
        """Give inputs with the teacher's logits, labels and sample weights of one batch."""
        images, labels, weight = super().__getitem__(index)
        chosen = self._choose(index)
        *_, turns = self._draw(chosen, self._rng(index))
        logits = self.targets.logits(chosen.tolist(), np.asarray(turns).tolist())
        return {"image": images, "teacher_logits": logits}, labels, weight
