"""The ground plan of the procedural city: where water, streets, houses and parks lie.

Streets follow two families of lines. Each line family is a table along one coordinate, so that a
whole image is planned by looking up tables, without a loop over houses.
"""

import dataclasses

import numpy as np

BUILDING, LAND, ROAD, VEGETATION, WATER, UNLABELED = range(6)
OPEN, VILLAS, TOWERS, PARK, PARKING = range(5)

_RESOLUTION = 2  # table entries a pixel: fine enough that edges do not look like stairs


@dataclasses.dataclass(frozen=True)
class Axis:
    """What lies along one coordinate: tables with ``_RESOLUTION`` entries a pixel."""

    block: np.ndarray  # number of the block
    lot: np.ndarray  # number of the lot
    line: np.ndarray  # number of the nearest street
    to_street: np.ndarray  # pixels to the edge of the nearest street, negative on it
    to_middle: np.ndarray  # pixels to its middle
    from_block: np.ndarray  # pixels to the nearer edge of the block
    lot_start: np.ndarray  # pixels from the beginning of the lot
    lot_end: np.ndarray  # pixels to the end of the lot
    wide: np.ndarray  # whether each street is a wide one


def axis(rng, length, spacing, lot_size, wide_share):
    """Lay streets along one coordinate and divide the blocks between them into lots."""
    count = int(length / (0.65 * spacing)) + 2
    middles = np.cumsum(rng.uniform(0.65, 1.5, count) * spacing) - 0.7 * spacing
    wide = rng.random(count) < wide_share
    half = np.where(wide, rng.uniform(9, 17, count), rng.uniform(3.5, 6, count))
    at = np.arange(int(length * _RESOLUTION)) / _RESOLUTION
    block = np.searchsorted(middles, at)
    before, after = np.maximum(block - 1, 0), np.minimum(block, count - 1)
    nearer = at - middles[before] - half[before] < middles[after] - at - half[after]
    line = np.where(nearer, before, after)
    middle = np.abs(at - middles[line])
    start = np.where(block > 0, middles[before] + half[before], middles[0] - spacing) + 3
    stop = np.where(block < count, middles[after] - half[after], middles[-1] + spacing) - 3
    width = np.maximum(stop - start, 1)
    lots = np.maximum(np.rint(width / lot_size), 1)
    inside = np.clip((at - start) / width * lots, 0, lots - 1e-3)
    fraction = inside % 1
    lot_width = width / lots
    number = np.cumsum(np.r_[0, (np.diff(block) > 0) | (np.diff(np.floor(inside)) > 0)])
    return Axis(
        block, number, line, middle - half[line], middle,
        np.minimum(at - start, stop - at), fraction * lot_width, (1 - fraction) * lot_width, wide,
    )  # fmt: skip


def smooth_noise(rng, shape, cells, octaves=1):
    """Random hills and hollows: normal numbers on a coarse grid, interpolated smoothly.

    Interpolation is two matrix products, which is what makes it fast.
    """
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        n = cells * 2**octave
        grid = rng.standard_normal((n + 2, n + 2)).astype(np.float32)
        total += _weights(shape[0], n) @ grid @ _weights(shape[1], n).T / 2**octave
    return total


def _weights(length, cells):
    """Matrix that interpolates ``cells + 2`` values to ``length`` points, smoothly."""
    at = np.linspace(0, cells, length, dtype=np.float32)
    distance = np.abs(at[:, None] - np.arange(cells + 2, dtype=np.float32))
    near = np.clip(1 - distance, 0, 1)
    return near * near * (3 - 2 * near)


def cells(rng, shape, size, share):
    """Scatter round dots, one a cell at most: trees and shrubs.

    Returns
    -------
    height : array of float, shape ``shape``
        1 in the middle of a dot, 0 at its rim, negative outside.
    """
    rows, columns = -(-shape[0] // size), -(-shape[1] // size)

    def spread(table):
        return table.repeat(size, 0).repeat(size, 1)[: shape[0], : shape[1]]

    radius = rng.uniform(0.28, 0.6, (rows, columns)).astype(np.float32) * size
    radius[rng.random((rows, columns)) > share] = 0.01
    y, x = (rng.uniform(0.3, 0.7, (2, rows, columns)) * size).astype(np.float32)
    at_y = (np.arange(shape[0], dtype=np.float32) % size)[:, None]
    at_x = (np.arange(shape[1], dtype=np.float32) % size)[None, :]
    squared = (at_y - spread(y)) ** 2 + (at_x - spread(x)) ** 2
    return 1 - squared / spread(radius) ** 2


def coordinates(rng, shape, character):
    """Give two street coordinates for each pixel: a turned and bent grid, or rings."""
    height, width = shape
    y, x = np.meshgrid(
        np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32), indexing="ij"
    )
    if rng.random() < character.rings:
        y, x = y - rng.uniform(-0.1, 1.1) * height, x - rng.uniform(-0.1, 1.1) * width
        radius = np.hypot(y, x)
        u, v = radius, (np.arctan2(y, x) + np.float32(np.pi)) * np.float32(0.4 * max(shape))
    else:
        angle = rng.normal(character.angle, 0.15)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = cos * x + sin * y, cos * y - sin * x
    bend = np.float32(character.bend)
    u = u + bend * smooth_noise(rng, shape, 2)
    v = v + bend * smooth_noise(rng, shape, 2)
    return u - u.min(), v - v.min()
