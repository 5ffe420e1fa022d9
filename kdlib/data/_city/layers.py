"""The layers of the procedural city, painted one over the other: ground, houses, streets, water."""

import numpy as np

from kdlib.data._city import paint
from kdlib.data._city.plan import PARK, PARKING, STEPS, TOWERS, VILLAS, smooth_noise

BUILDING, LAND, ROAD, VEGETATION, WATER, UNLABELED = range(6)


class Canvas:
    """Class, material and light of every pixel, in flat arrays.

    - ``shape``: (height, width).
    - ``dots``: array of float32, shape (height * width,). Small hills, above 1 in about a sixth of
      the pixels: trees, shrubs, boxes on roofs.
    """

    def __init__(self, rng, shape):
        self.shape = shape
        cells = max(2, shape[0] // 7)
        dots = smooth_noise(rng, shape, cells) + 0.5 * smooth_noise(rng, shape, 2 * cells)
        self.dots = dots.ravel()
        self.labels = np.full(shape[0] * shape[1], LAND, dtype=np.uint8)
        self.material = np.full(shape[0] * shape[1], paint.SAND, dtype=np.uint8)
        self.light = np.ones(shape[0] * shape[1], dtype=np.float32)

    def put(self, where, label=None, material=None, light=None):
        """Paint some pixels, given as a mask or as indices; None leaves a layer as it is."""
        for layer, value in (
            (self.labels, label), (self.material, material), (self.light, light)
        ):  # fmt: skip
            if value is not None:
                layer[where] = value


def ground(rng, canvas, plan):
    """Paint open land: ripples in the sand, tracks, single shrubs and thickets."""
    shape = canvas.shape
    direction = rng.uniform(0, np.pi)
    ripple = np.arange(shape[0], dtype=np.float32)[:, None] * np.float32(np.sin(direction))
    ripple = ripple + np.arange(shape[1], dtype=np.float32) * np.float32(np.cos(direction))
    phase = ripple * np.float32(rng.uniform(0.25, 0.7)) + 4 * smooth_noise(rng, shape, 6)
    # Computed in float64: the last bit of NumPy's float32 sine depends on the processor.
    ripple = np.sin(phase, dtype=np.float64).astype(np.float32)
    hills = smooth_noise(rng, shape, 3, octaves=3).ravel()
    dunes = np.clip(0.5 - hills, 0, 1)
    canvas.light += np.float32(rng.uniform(0, 0.06)) * dunes * ripple.ravel()
    canvas.put(np.abs(hills) < rng.uniform(0.005, 0.02), material=paint.DIRT)  # a track, no road
    canvas.put(canvas.dots > rng.uniform(1.6, 2.4), material=paint.SCRUB, light=0.85)
    thicket = hills > rng.uniform(1.2, 2.2)
    canvas.put(thicket, label=VEGETATION)
    canvas.put(thicket & (canvas.dots > 0.3), material=paint.SCRUB, light=0.9)
    canvas.put(plan.plaza, VEGETATION, paint.LAWN)


def open_spaces(rng, canvas, plan, free):
    """Paint parks with trees, and parking lots with rows of cars."""
    park = free & (plan.kind == PARK) | plan.plaza
    canvas.put(park, VEGETATION, paint.LAWN, 1)
    wood = np.flatnonzero(park & (canvas.dots > rng.uniform(0, 1)))
    canvas.put(wood, material=paint.TREE, light=0.75 + 0.2 * canvas.dots[wood])
    parking = np.flatnonzero(free & (plan.kind == PARKING))
    canvas.put(parking, ROAD, paint.ASPHALT, 1.1)
    cars(rng, canvas, plan, parking, share=0.45)


def cars(rng, canvas, plan, where, share):
    """Park cars on some of the pixels, in line with the streets."""
    pitch = (5 * STEPS, 8 * STEPS)
    cell, offset = np.moveaxis(
        [np.divmod(at[where], step) for at, step in zip(plan.at, pitch, strict=True)], 1, 0
    )
    colours = rng.integers(0, paint.CARS, 4096).astype(np.uint8)
    colours[rng.random(4096) > share] = paint.CARS  # an empty place
    colour = colours[(cell[0] * 61 + cell[1] * 7) % 4096]
    car = (colour < paint.CARS) & (offset[0] < 3 * STEPS) & (offset[1] < 5 * STEPS)
    canvas.put(where[car], material=paint.CAR + colour[car], light=1)


def houses(rng, canvas, plan, character, free, sun):
    """Paint lots with gardens, houses with their shadows, and the roofs on them."""
    built = np.flatnonzero(free & ((plan.kind == VILLAS) | (plan.kind == TOWERS)))
    lots = plan.look_up("lot", built)
    across = int(plan.axes[1].lot[-1]) + 1
    number = lots[0] * across + lots[1]
    count = (int(plan.axes[0].lot[-1]) + 1) * across

    def by_lot(low, high):
        """Draw a number for each lot; return it at each of its pixels."""
        return rng.uniform(low, high, count).astype(np.float32).take(number)

    tower = plan.kind[built] == TOWERS
    starts, ends = plan.look_up("lot_start", built), plan.look_up("lot_end", built)
    _gardens(rng, canvas, built, by_lot, (by_lot(0, 1) < character.green) & ~tower, starts)
    wall = by_lot(0, 1) < 0.78
    for gap in (*starts, *ends):
        wall &= gap > by_lot(-2, 8) * np.where(tower, np.float32(0.5), np.float32(1))
    notch = by_lot(0, 0.45) * character.lot
    wall &= (starts[0] > notch) | (starts[1] > 0.8 * notch)
    height = np.where(tower, by_lot(6, 20), by_lot(2, 6))
    _shadows(canvas, built[wall], height[wall], sun)
    light = by_lot(0.88, 1.08)
    gabled = (by_lot(0, 1) < 0.35) & ~tower
    light[gabled] *= np.where((starts[0] < ends[0]) == (sun[0] > 0), 1.1, 0.85)[gabled]
    roof = paint.ROOF + by_lot(0, paint.ROOFS).astype(np.uint8)
    canvas.put(built[wall], BUILDING, roof[wall], light[wall])
    units = wall & tower & (canvas.dots[built] > 1)
    canvas.put(built[units], light=0.7)
    canvas.put(built[wall & (by_lot(0, 1) < 0.02)], label=LAND)  # forgotten, as happens by hand


def _gardens(rng, canvas, built, by_lot, lawn, starts):
    """Paint paving, lawns, trees and pools around the houses."""
    canvas.put(built, material=np.where(by_lot(0, 1) < 0.4, paint.PAVING, paint.SAND), light=1)
    canvas.put(built[lawn], VEGETATION, paint.LAWN)
    canopy = canvas.dots[built]
    wood = (canopy > 1) & (by_lot(0, 1) < 0.6)  # trees on paving are left out of the labels
    canvas.put(built[wood], material=paint.TREE, light=0.6 + 0.2 * canopy[wood])
    pool = lawn & (by_lot(0, 1) < 0.3)
    for start, far in zip(starts, (6, 8), strict=True):
        pool &= (start > 2) & (start < far)
    canvas.put(built[pool], material=paint.POOL)


def _shadows(canvas, walls, height, sun):
    """Darken what lies behind the walls, seen from the sun; the roofs are painted later."""
    shaded = np.zeros(canvas.shape, dtype=bool)
    tall = np.zeros(canvas.shape, dtype=np.float32)
    tall.ravel()[walls] = height
    for reach in (2, 4, 6, 9, 12, 15):
        shaded |= _moved(tall >= reach, sun * reach)
    canvas.light[shaded.ravel()] *= 0.5


def _moved(array, by):
    """Move a picture by some rows and columns; the rim is repeated where nothing comes in."""
    reach = max(abs(step) for step in by)
    corner = [reach - step for step in by]
    window = tuple(
        slice(start, start + length) for start, length in zip(corner, array.shape, strict=True)
    )
    return np.pad(array, reach, mode="edge")[window]


def streets(rng, canvas, plan, depth):
    """Paint streets with lanes and cars; in half of the images the wide ones cross the water.

    - Returns array of bool, shape (height * width,): the bridges.
    """
    bridge = plan.wide & (depth > -0.05) & (rng.random() < 0.5)
    street = plan.street & (depth < -0.02) | bridge
    canvas.put(street, ROAD, paint.ASPHALT, 1)
    canvas.put(street & plan.dirt, material=paint.DIRT)
    wide = np.flatnonzero(street & plan.wide)
    for family, middle in enumerate(plan.look_up("to_middle", wide)):
        near = plan.axes[family].to_street.take(plan.at[family][wide]) < -1
        dash = plan.at[1 - family][wide] % (12 * STEPS) < 7 * STEPS
        lane = near & dash & (np.abs(middle % 5 - 2.5) < 0.5)
        canvas.put(wide[lane], material=paint.MARKING, light=0.9)
    cars(rng, canvas, plan, wide, share=rng.uniform(0.03, 0.2))
    return bridge


def water(rng, canvas, depth, bridge):
    """Flood what lies below the water line, but for bridges; a beach along it, boats upon it."""
    canvas.put((depth > -0.04) & (depth <= 0) & ~bridge, LAND, paint.BEACH, 1)
    wet = np.flatnonzero((depth > 0) & ~bridge)
    if not len(wet):
        return
    banks = 0.12 + 0.12 * smooth_noise(rng, canvas.shape, 6, octaves=2).ravel()[wet]
    waves = smooth_noise(rng, canvas.shape, max(2, canvas.shape[0] // 8)).ravel()[wet]
    material = np.where(depth[wet] < banks, paint.SHALLOW, paint.DEEP)
    canvas.put(wet, WATER, material, 1 + 0.05 * waves)
    for middle in rng.choice(wet, rng.poisson(len(wet) / 25_000)):
        _boat(rng, canvas, int(middle))


def _boat(rng, canvas, middle):
    """Paint a boat of 5 to 12 pixels; it stays Water in the labels."""
    rows, columns = canvas.shape
    row, column = divmod(middle, columns)
    length, angle = rng.uniform(2.5, 6), rng.uniform(0, np.pi)
    y, x = np.meshgrid(
        np.arange(max(row - 7, 0), min(row + 8, rows)),
        np.arange(max(column - 7, 0), min(column + 8, columns)),
        indexing="ij",
    )
    along = (y - row) * np.sin(angle) + (x - column) * np.cos(angle)
    aside = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
    hull = (along / length) ** 2 + (aside / (0.3 * length)) ** 2 < 1
    index = (y * columns + x)[hull]
    canvas.put(index[canvas.labels[index] == WATER], material=paint.CAR, light=1)


def as_drawn_by_hand(rng, labels):
    """Shift the labels by a pixel at most, and leave a corner of some images unlabelled."""
    labels = _moved(labels, rng.integers(-1, 2, 2))
    if rng.random() < 0.15:
        height, width = labels.shape
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        labels[top : top + height // 4, left : left + width // 3] = UNLABELED
    return labels
