"""The ground plan of the procedural city: hills, coasts, streets, blocks and lots.

Streets follow two families of lines. Along each family everything that matters is a table over
one coordinate, so a whole image is planned by looking up tables, without a loop over houses.
"""

import dataclasses

import numpy as np

OPEN, VILLAS, TOWERS, PARK, PARKING = range(5)
"""What a block can be used for."""

_DIRT, _PAVED, _WIDE = 1, 2, 4  # kinds of street, to be combined where two of them cross

STEPS = 2
"""Table entries a pixel: fine enough that edges do not look like stairs."""


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
    green: float  # share of the villas with a lawn
    kinds: tuple


def smooth_noise(rng, shape, cells, octaves=1):
    """Give random hills: normal numbers on a grid of cells × cells, interpolated smoothly.

    Each further octave has twice the cells and half the height.
    """
    layers = []
    for octave in range(octaves):
        n = cells * 2**octave
        grid = rng.standard_normal((n + 1, n + 1), dtype=np.float32) / np.float32(2**octave)
        left, across = _interpolation(shape[1], n)
        wide = grid[:, left] * (1 - across) + grid[:, left + 1] * across
        top, down = _interpolation(shape[0], n)
        layers.append((wide, np.diff(wide, axis=0), top, down[:, None]))
    total = np.zeros(shape, dtype=np.float32)
    for rows in strips(shape[0]):
        for wide, slope, top, down in layers:
            total[rows] += wide[top[rows]]
            total[rows] += down[rows] * slope[top[rows]]
    return total


def strips(rows, height=16):
    """Cut rows into strips that the processor's cache holds: faster than whole images at once."""
    return [slice(start, start + height) for start in range(0, rows, height)]


def _interpolation(length, cells):
    """Left neighbour on the grid, and the weight of the right one, of each pixel."""
    at = (np.arange(length, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / length)
    left = at.astype(np.intp)
    fraction = at - left.astype(np.float32)
    return left, fraction * fraction * (3 - 2 * fraction)


@dataclasses.dataclass(frozen=True)
class Axis:
    """What lies along one coordinate: tables with ``STEPS`` entries a pixel.

    All lengths are in pixels; ``wide`` has one entry a street.
    """

    block: np.ndarray  # number of the block
    lot: np.ndarray  # number of the lot, counted on over the blocks
    street: np.ndarray  # number of the nearest street
    to_street: np.ndarray  # distance to its edge, negative on it
    to_middle: np.ndarray  # distance to its middle
    from_edge: np.ndarray  # distance from the nearer edge of the block
    lot_start: np.ndarray  # distance from the beginning of the lot
    lot_end: np.ndarray  # distance from its end
    wide: np.ndarray  # whether each street is a wide one


def _axis(rng, length, character):
    """Lay streets along one coordinate, and divide the blocks between them into lots."""
    spacing = character.spacing
    count = int(length / (0.65 * spacing)) + 2
    middles = np.cumsum(rng.uniform(0.65, 1.5, count) * spacing) - 0.7 * spacing
    wide = rng.random(count) < character.wide
    half = np.where(wide, rng.uniform(7, 13, count), rng.uniform(3, 4.5, count))
    at = np.arange(int(length * STEPS), dtype=np.float32) / STEPS
    block = np.searchsorted(middles, at)
    before, after = np.maximum(block - 1, 0), np.minimum(block, count - 1)
    nearer = at - middles[before] - half[before] < middles[after] - at - half[after]
    street = np.where(nearer, before, after)
    to_middle = np.abs(at - middles[street])
    pavement = 2.5
    start = np.where(block > 0, middles[before] + half[before], middles[0] - spacing) + pavement
    stop = np.where(block < count, middles[after] - half[after], middles[-1] + spacing) - pavement
    width = np.maximum(stop - start, 1)
    lots = np.maximum(np.rint(width / character.lot), 1)
    inside = np.clip((at - start) / width * lots, 0, lots - 1e-3)
    lot = np.cumsum(np.r_[0, (np.diff(block) > 0) | (np.diff(np.floor(inside)) > 0)])
    fraction, lot_width = inside % 1, width / lots
    from_edge = np.minimum(at - start, stop - at)
    lengths = (to_middle - half[street], to_middle, from_edge,
               fraction * lot_width, (1 - fraction) * lot_width)  # fmt: skip
    whole = (number.astype(np.intp) for number in (block, lot, street))
    return Axis(*whole, *(each.astype(np.float32) for each in lengths), wide)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan of one image. All arrays are flat: one entry a pixel, row by row."""

    axes: tuple  # the two families of lines
    at: tuple  # for each family, the table entry of each pixel
    kind: np.ndarray  # what the block of each pixel is used for
    street: np.ndarray  # whether each pixel is on a street
    wide: np.ndarray  # whether that is a wide one
    dirt: np.ndarray  # whether it is a dirt road
    in_block: np.ndarray  # whether each pixel is in a block, off the pavement
    plaza: np.ndarray  # whether each pixel is in the middle of the rings

    def look_up(self, name, where=slice(None)):
        """Give one table of both axes at some of the pixels."""
        return tuple(
            getattr(axis, name).take(at[where]) for axis, at in zip(self.axes, self.at, strict=True)
        )


def lay_out(rng, shape, character):
    """Plan streets, blocks and lots for one image."""
    u, v, plaza = _coordinates(rng, shape, character)
    axes = tuple(_axis(rng, float(each.max()) + 2, character) for each in (u, v))
    at = tuple((each * STEPS).astype(np.intp).ravel() for each in (u, v))
    names = ("kind", "street", "wide", "dirt", "in_block")
    empty = {name: np.empty(u.size, np.uint8 if name == "kind" else bool) for name in names}
    plan = Plan(axes, at, **empty, plaza=plaza.ravel())
    counts = tuple(int(axis.block[-1]) + 1 for axis in axes)
    weights = np.array(character.kinds, dtype=float) / sum(character.kinds)
    kinds = rng.choice(5, size=counts, p=weights).astype(np.uint8).ravel()
    streets = [_street_kinds(rng, axes[0], counts[1]), _street_kinds(rng, axes[1], counts[0])]
    for part in strips(u.size, 8192):
        block = plan.look_up("block", part)
        plan.kind[part] = kinds.take(block[0] * counts[1] + block[1])
        edge = np.minimum(*plan.look_up("from_edge", part))
        plan.in_block[part] = (edge > 0) & ~plan.plaza[part]
        street = _streets(plan, streets, block, part)
        plan.street[part], plan.wide[part] = street > 0, street & _WIDE > 0
        plan.dirt[part] = street == _DIRT
    return plan


def _street_kinds(rng, axis, blocks_across):
    """Choose the kind of each street, stretch by stretch: 0 where it has a gap.

    Narrow streets have gaps, where two blocks have grown together.
    """
    count = len(axis.wide)
    kind = np.where(rng.random(count) < 0.25, _DIRT, _PAVED)
    kind = np.where(axis.wide, _WIDE, kind).astype(np.uint8)
    kept = (rng.random((count, blocks_across)) < 0.85) | axis.wide[:, None]
    return kind[:, None] * kept


def _streets(plan, streets, block, part):
    """Give the kind of street at some of the pixels, 0 for none."""
    number, distance = plan.look_up("street", part), plan.look_up("to_street", part)
    kind = np.zeros(len(number[0]), dtype=np.uint8)
    for family, table in enumerate(streets):
        stretch = number[family] * table.shape[1] + block[1 - family]
        kind |= table.take(stretch) * (distance[family] < 0)
    return np.where(plan.plaza[part], 0, kind)


def _coordinates(rng, shape, character):
    """Give each pixel two street coordinates: a turned and bent grid, or rings around a plaza."""
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    x = np.arange(shape[1], dtype=np.float32)[None, :]
    bend = np.float32(character.bend)
    plaza = np.zeros(shape, dtype=bool)
    if rng.random() < character.rings:
        hole, reach = rng.uniform(28, 60), np.float32(0.45 * max(shape))
        y, x = y - rng.uniform(-0.1, 1.1) * shape[0], x - rng.uniform(-0.1, 1.1) * shape[1]
        # Computed in float64: the last bit of a float32 angle depends on the processor.
        u = np.hypot(y, x, dtype=np.float64).astype(np.float32) - np.float32(hole)
        angle = np.arctan2(y, x, dtype=np.float64).astype(np.float32)
        v = (angle + np.float32(np.pi)) * reach
        plaza, bend = u < 0, bend / 3
        u = np.maximum(u, 0)
    else:
        angle = rng.normal(character.angle, 0.15)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = cos * x + sin * y, cos * y - sin * x
    u, v = (each + bend * smooth_noise(rng, shape, 2) for each in (u, v))
    return u - u.min(), v - v.min(), plaza


def water_depth(rng, shape, character):
    """Give the depth of the water, positive in it: a coast or lagoons, as large as the tile has.

    The depth is in no unit: 0 is the water line, about 1 the deep.
    """
    share = np.clip(character.water * rng.uniform(0.1, 1.9), 0, 0.9)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    slope = slope + np.linspace(-1, 1, shape[1], dtype=np.float32) * np.float32(np.cos(angle))
    hills = smooth_noise(rng, shape, 3, octaves=4)
    field = np.float32(1.2) * slope + np.float32(rng.uniform(0.25, 0.8)) * hills
    line = np.quantile(field[::8, ::8], 1 - share)
    return (field - np.float32(line)).ravel()
