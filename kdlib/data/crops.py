"""Crops that are cut once, and then stay what they are."""

import dataclasses

import numpy as np

from kdlib.data.batches import Batches


def fixed_crops(patches, size, count, seed=0):
    """Cut random crops of some patches once, so that soft targets can be cached for them.

    Parameters
    ----------
    patches : Patches
    size : int
        Height and width of a crop, in pixels, at most those of a patch.
    count : int
        Crops in all. The patches take turns, in an order of chance.
    seed : int
        Decides order and places.

    Returns
    -------
    Patches
        Each has the image number, tile, row and column of the patch that it was cut from.

    Raises
    ------
    ValueError
        If there are no patches, the size is too large, or a number is below 1.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> patches = cut(synthetic.city(n_images=1, size=64), size=32)
    >>> fixed_crops(patches, size=16, count=10).labels.shape
    (10, 16, 16)
    """
    batches = Batches(patches, count, crop=size, seed=seed, steps=1, shuffle=True)
    chosen = batches._choose(0)
    images, labels = batches._views(chosen, batches._rng(0))
    # Where they come from, without a copy of each whole patch: the crops may be 100,000.
    nothing = np.empty((len(patches), 0))
    origin = dataclasses.replace(patches, images=nothing, labels=nothing).take(chosen)
    ground = origin.ground
    if ground is not None:
        tops, lefts, _ = batches._draw(chosen, batches._rng(0))
        ground = ground + np.stack([np.zeros_like(tops), tops, lefts], axis=1)
    return dataclasses.replace(origin, images=images, labels=labels, ground=ground)
