"""A procedural city: aerial images drawn by rule, for machines without the Dubai images.

Eight tiles with characters of their own, nine images each, six classes in the same palette. Some
looks are shared between classes on purpose, and the labels have the small faults that labels made
by hand have: the city is no toy that a colour threshold solves.
"""

import concurrent.futures

import numpy as np

from kdlib._arguments import checked_whole
from kdlib.data._city import layers, paint
from kdlib.data._city.plan import Character, lay_out, water_depth
from kdlib.data.imageset import ImageSet

CREDIT = "Procedural city of kdlib: drawn by rule, no photograph"

PARTS = 9
"""Images a tile, as in the Dubai data."""

CHARACTERS = (
    Character(112, 30, 0.3, 9, 0.0, 0.16, 0.15, 0.15, (7, 4, 1, 0.8, 0.3)),
    Character(108, 27, 0.8, 16, 0.7, 0.05, 0.18, 0.30, (6, 6, 2, 1.2, 0.3)),
    Character(150, 34, 0.0, 10, 0.0, 0.28, 0.12, 0.15, (8, 3, 1, 0.7, 0.2)),
    Character(100, 28, 0.5, 20, 0.8, 0.12, 0.20, 0.45, (6, 7, 1, 1.6, 0.2)),
    Character(170, 36, 0.2, 12, 0.2, 0.35, 0.20, 0.15, (9, 3, 1, 1.4, 0.2)),
    Character(104, 25, 1.1, 5, 0.0, 0.02, 0.15, 0.20, (6, 8, 3, 1.2, 0.4)),
    Character(190, 30, 0.6, 24, 0.2, 0.02, 0.12, 0.10, (14, 3, 1, 0.7, 0.2)),
    Character(130, 32, 0.15, 6, 0.1, 0.07, 0.22, 0.35, (6, 5, 3, 2, 0.4)),
)
"""The eight kinds of tile: spacing, lot, angle, bend, rings, water, wide, green, kinds."""


def city(n_images=72, size=512, seed=0):
    """Draw the procedural city.

    Parameters
    ----------
    n_images : int
        Nine a tile; after eight tiles the characters come round again.
    size : int
        Height and width of an image in pixels, 32 at least.
    seed : int
        Same seed, same city. Each image is seeded on its own: the first images of a large city are
        those of a small one.

    Returns
    -------
    ImageSet
        Named "city". Land is the largest class, with about half of the pixels.

    Raises
    ------
    ValueError
        If a number is not an integer, or too small.

    Examples
    --------
    >>> city(n_images=2, size=64).images[0].shape
    (64, 64, 3)
    """
    for name, value, least in (("n_images", n_images, 1), ("size", size, 32), ("seed", seed, 0)):
        checked_whole(value, name, least)
    tile, part = np.divmod(np.arange(n_images), PARTS)
    with concurrent.futures.ThreadPoolExecutor() as pool:  # NumPy computes without the GIL
        drawn = pool.map(lambda t, p: _draw(seed, int(t), int(p), (size, size)), tile, part)
        images, labels = zip(*drawn, strict=True)
    return ImageSet("city", images, labels, tile + 1, part + 1, CREDIT)


def _draw(seed, tile, part, shape):
    """Draw one image with its labels; tile and part count from 0."""
    rng = np.random.default_rng([seed, tile, part])
    tile_rng = np.random.default_rng([seed, tile, PARTS])  # no image has this part number
    character = CHARACTERS[tile % len(CHARACTERS)]
    canvas = layers.Canvas(rng, shape)
    sun = rng.choice((-1, 1), 2)
    depth = water_depth(rng, shape, character)
    plan = lay_out(rng, shape, character)
    free = plan.in_block & (depth < -0.06)
    layers.ground(rng, canvas, plan)
    layers.open_spaces(rng, canvas, plan, free)
    layers.houses(rng, canvas, plan, character, free, sun)
    bridge = layers.streets(rng, canvas, plan, depth)
    layers.water(rng, canvas, depth, bridge)
    tables = paint.colour_table(tile_rng, rng)
    image = paint.photograph(rng, tables, canvas.material, canvas.light, shape)
    return image, layers.as_drawn_by_hand(rng, canvas.labels.reshape(shape))
