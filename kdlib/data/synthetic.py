"""A procedural city: aerial images drawn by rule, for machines without the Dubai images.

Eight tiles with characters of their own, nine images each, six classes in the same palette. Some
looks are shared between classes on purpose, and the labels have the small faults that labels made
by hand have: the city is no toy that a colour threshold solves.
"""

import dataclasses

import numpy as np

from kdlib.data import paint, plan
from kdlib.data.imageset import ImageSet
from kdlib.data.plan import BUILDING, LAND, OPEN, PARK, PARKING, ROAD, TOWERS, UNLABELED
from kdlib.data.plan import VEGETATION, VILLAS, WATER

CREDIT = "Procedural city of kdlib: drawn by rule, no photograph"
PARTS = 9
"""Images a tile, as in the Dubai data."""


@dataclasses.dataclass(frozen=True)
class Character:
    """What makes one tile look unlike the next.

    ``kinds`` are the weights of open land, villas, towers, parks and parking among the blocks.
    """

    spacing: float  # pixels between streets
    lot: float  # pixels along the side of a lot
    angle: float  # of the street grid, in radians
    bend: float  # how far streets bend, in pixels
    rings: float  # share of the images whose streets are rings
    water: float  # share of the pixels, on average over the tile
    wide: float  # share of wide streets
    green: float  # how green the gardens are, 0 to 1
    kinds: tuple


CHARACTERS = (
    Character(95, 30, 0.3, 9, 0.0, 0.16, 0.20, 0.15, (6, 4, 1, 1, 1)),
    Character(90, 26, 0.8, 16, 0.7, 0.06, 0.25, 0.45, (4, 7, 2, 2, 1)),
    Character(130, 34, 0.0, 10, 0.0, 0.30, 0.15, 0.20, (9, 2, 1, 1, 1)),
    Character(84, 28, 0.5, 20, 0.8, 0.14, 0.30, 0.60, (4, 8, 1, 2, 0.5)),
    Character(150, 36, 0.2, 12, 0.2, 0.42, 0.30, 0.20, (8, 2, 2, 1, 1)),
    Character(88, 25, 1.1, 5, 0.0, 0.03, 0.20, 0.30, (4, 9, 4, 1, 1)),
    Character(165, 30, 0.6, 24, 0.2, 0.02, 0.15, 0.10, (14, 3, 1, 1, 0.5)),
    Character(110, 32, 0.15, 6, 0.1, 0.08, 0.35, 0.50, (5, 5, 3, 4, 1)),
)


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
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"expected {name} as an integer of at least {least}; got {value!r}")
    tile, part = np.divmod(np.arange(n_images), PARTS)
    drawn = [draw(seed, int(t), int(p), size) for t, p in zip(tile, part, strict=True)]
    images, labels = zip(*drawn, strict=True)
    return ImageSet("city", images, labels, tile + 1, part + 1, CREDIT)


def draw(seed, tile, part, size):
    """Draw one image of the city; tile and part count from 0.

    Returns
    -------
    image : array of uint8, shape (size, size, 3)
    labels : array of uint8, shape (size, size)
    """
    rng = np.random.default_rng([seed, tile, part])
    character = CHARACTERS[tile % len(CHARACTERS)]
    shape = (size, size)
    canvas = Canvas(shape)
    sun = rng.choice((-1, 1), 2)
    depth = _depth(rng, shape, character)
    _ground(rng, canvas, depth)
    _streets_and_blocks(rng, canvas, character, depth, sun)
    image = paint.photograph(rng, canvas.material, canvas.light)
    return image, _as_drawn_by_hand(rng, canvas.labels)


class Canvas:
    """Class, material and light of every pixel, painted over layer by layer."""

    def __init__(self, shape):
        self.labels = np.full(shape, LAND, dtype=np.uint8)
        self.material = np.full(shape, paint.SAND, dtype=np.uint8)
        self.light = np.ones(shape, dtype=np.float32)

    def put(self, where, label=None, material=None, light=None):
        """Paint the pixels where a mask is true; None leaves a layer as it is."""
        for layer, value in (
            (self.labels, label), (self.material, material), (self.light, light)
        ):  # fmt: skip
            if value is not None:
                np.copyto(layer, value, where=where, casting="unsafe")


def _depth(rng, shape, character):
    """Depth of the water, positive in it: a coast, or a lagoon, at the share of the tile."""
    share = np.clip(character.water * rng.uniform(0.2, 1.8), 0, 0.85)
    angle = rng.uniform(0, 2 * np.pi)
    slope_y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.sin(angle)
    slope_x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :] * np.cos(angle)
    hills = plan.smooth_noise(rng, shape, 3, octaves=3)
    field = 1.2 * (slope_y + slope_x) + rng.uniform(0.3, 0.8) * hills
    return (field - np.quantile(field[::8, ::8], 1 - share)).astype(np.float32)


def _ground(rng, canvas, depth):
    """Paint open land and shrubs; the coast comes last, over the streets that would cross it."""
    shape = depth.shape
    shrubs = plan.cells(rng, shape, 9, rng.uniform(0.02, 0.25))
    canvas.put(shrubs > 0.3, material=paint.SCRUB, light=0.85)
    thicket = plan.smooth_noise(rng, shape, 4, octaves=2) > rng.uniform(1.1, 2.2)
    dense = plan.cells(rng, shape, 7, 0.75)
    canvas.put(thicket, label=VEGETATION)
    canvas.put(thicket & (dense > 0), material=paint.SCRUB, light=0.9)


def _streets_and_blocks(rng, canvas, character, depth, sun):
    """Paint blocks, houses and streets, then water over what would stand in it."""
    u, v = plan.coordinates(rng, depth.shape, character)
    along = [
        plan.axis(rng, float(c.max()) + 2, character.spacing, character.lot, character.wide)
        for c in (u, v)
    ]
    at = [(c * plan._RESOLUTION).astype(np.int32) for c in (u, v)]
    blocks = tuple(a.block[i] for a, i in zip(along, at, strict=True))
    weights = np.array(character.kinds, dtype=float)
    kinds = rng.choice(5, size=(along[0].block[-1] + 1, along[1].block[-1] + 1),
                       p=weights / weights.sum())  # fmt: skip
    kind = kinds[blocks].astype(np.uint8)
    inland = depth < -0.06
    edge = np.minimum(along[0].from_block[at[0]], along[1].from_block[at[1]])
    _open_spaces(rng, canvas, kind, inland & (edge > 0))
    _houses(rng, canvas, character, along, at, kind, inland & (edge > 0), edge, sun)
    _streets(rng, canvas, along, at, blocks, kind, depth)
    _water(rng, canvas, depth)


def _open_spaces(rng, canvas, kind, free):
    """Paint parks and parking lots."""
    park, parking = free & (kind == PARK), free & (kind == PARKING)
    canvas.put(park, label=VEGETATION, material=paint.LAWN)
    trees = plan.cells(rng, kind.shape, 9, rng.uniform(0.3, 0.8))
    canvas.put(park & (trees > 0), material=paint.TREE, light=0.8 + 0.35 * trees)
    canvas.put(parking, label=ROAD, material=paint.ASPHALT, light=1.12)
    cars = plan.cells(rng, kind.shape, 6, 0.5)
    canvas.put(parking & (cars > 0.35), material=paint.CAR + 2 * (cars > 0.7))


def _houses(rng, canvas, character, along, at, kind, free, edge, sun):
    """Paint gardens, houses, their shadows and their roofs."""
    lots = tuple(a.lot[i] for a, i in zip(along, at, strict=True))
    count = tuple(int(a.lot[-1]) + 1 for a in along)

    def draw_lots(low, high):
        return rng.uniform(low, high, count).astype(np.float32)[lots]

    gaps = [side for a, i in zip(along, at, strict=True) for side in (a.lot_start[i], a.lot_end[i])]
    built = free & ((kind == VILLAS) | (kind == TOWERS))
    gardens = built & (kind == VILLAS) & (draw_lots(0, 1) < character.green)
    canvas.put(built, material=np.where(draw_lots(0, 1) < 0.4, paint.PLAZA, paint.SAND))
    trees = plan.cells(rng, kind.shape, 8, 0.55)
    canvas.put(gardens, label=VEGETATION, material=paint.LAWN)
    canvas.put(built & (trees > 0.1) & (draw_lots(0, 1) < 0.6), material=paint.TREE,
               light=0.8 + 0.35 * trees)  # fmt: skip
    canvas.put(gardens & (np.minimum(gaps[0], gaps[2]) > 2) & (gaps[0] < 7) & (gaps[2] < 9)
               & (draw_lots(0, 1) < 0.3), material=paint.POOL)  # fmt: skip
    walls = built & (draw_lots(0, 1) < 0.85)
    tower = kind == TOWERS
    for gap in gaps:
        walls &= gap > np.where(tower, 0.6, 1) * draw_lots(-2, 8)
    notch = draw_lots(0, 0.9) * character.lot * 0.5
    walls &= (gaps[0] > notch) | (gaps[2] > notch * 0.8)
    height = np.where(tower, draw_lots(5, 16), draw_lots(2, 6))
    _shadows(canvas, walls, height, sun)
    gabled = draw_lots(0, 1) < 0.35
    ridge = np.where((gaps[0] < gaps[1]) == (sun[1] > 0), 1.12, 0.86)
    light = draw_lots(0.86, 1.1) * np.where(gabled & ~tower, ridge, 1)
    canvas.put(walls, BUILDING, paint.ROOF + draw_lots(0, 8).astype(np.uint8), light)
    units = plan.cells(rng, kind.shape, 8, 0.3) > 0.45
    canvas.put(walls & units & tower, light=0.7 * light)
    _forget(rng, canvas, walls & (draw_lots(0, 1) < 0.02))


def _forget(rng, canvas, where):
    """Leave a few houses out of the labels, as people who draw masks do."""
    canvas.put(where, label=LAND)


def _shadows(canvas, walls, height, sun):
    """Darken what lies behind the walls, seen from the sun."""
    shaded = np.zeros_like(walls)
    for reach in (2, 4, 7, 10):
        thrown = walls & (height >= reach)
        shaded |= np.roll(thrown, (int(sun[0]) * reach, int(sun[1]) * reach), axis=(0, 1))
    canvas.light *= np.where(shaded & ~walls, np.float32(0.5), np.float32(1))


def _streets(rng, canvas, along, at, blocks, kind, depth):
    """Paint streets, lanes, cars and trees along the streets."""
    (first, second), (i, j) = along, at
    kept = rng.random((len(first.wide), kind.size and int(second.block[-1]) + 1)) < 0.88
    kept_too = rng.random((len(second.wide), int(first.block[-1]) + 1)) < 0.88
    line_u, line_v = first.line[i], second.line[j]
    wide_u, wide_v = first.wide[line_u], second.wide[line_v]
    on_u = (first.to_street[i] < 0) & (kept[line_u, blocks[1]] | wide_u)
    on_v = (second.to_street[j] < 0) & (kept_too[line_v, blocks[0]] | wide_v)
    street = (on_u | on_v) & (depth < -0.02)
    bridge = (on_u & wide_u) & (depth > -0.02) & (depth < 0.4)
    canvas.water_free = bridge
    street |= bridge
    dirt = rng.random(len(first.wide)) < 0.25
    canvas.put(street, ROAD, np.where(dirt[line_u] & on_u & ~wide_u, paint.DIRT, paint.ASPHALT), 1)
    for on, other, middle, wide, a in (
        (on_u, on_v, first.to_middle[i], wide_u, j), (on_v, on_u, second.to_middle[j], wide_v, i)
    ):  # fmt: skip
        lane = street & on & ~other & wide & (a % 24 < 14) & (np.abs(middle % 5 - 4) < 0.5)
        canvas.put(lane & (middle < 10), material=paint.MARKING, light=0.9)
    cars = plan.cells(rng, kind.shape, 7, 0.16)
    canvas.put(street & (wide_u & on_u | wide_v & on_v) & (cars > 0.55),
               material=paint.CAR + rng.integers(0, 3))  # fmt: skip


def _water(rng, canvas, depth):
    """Flood what lies below the water line, but for bridges; pale sand along the shore."""
    free = ~canvas.water_free
    shore = (depth > -0.05) & (depth <= 0) & free
    canvas.put(shore, LAND, paint.BEACH, 1)
    wet = (depth > 0) & free
    shallow = depth < 0.14 + 0.1 * plan.smooth_noise(rng, depth.shape, 8)
    waves = 1 + 0.06 * plan.smooth_noise(rng, depth.shape, 48)
    canvas.put(wet, WATER, np.where(shallow, paint.SHALLOW, paint.DEEP), waves)
    boats = plan.cells(rng, depth.shape, 24, 0.03)
    canvas.put(wet & (boats > 0.6), material=paint.CAR, light=1)


def _as_drawn_by_hand(rng, labels):
    """Shift the labels by a pixel or two, and leave a patch unlabelled in one image of eight."""
    labels = np.roll(labels, tuple(rng.integers(-1, 2, 2)), axis=(0, 1))
    if rng.random() < 0.125:
        height, width = labels.shape
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        labels[top : top + height // 4, left : left + width // 3] = UNLABELED
    return labels
