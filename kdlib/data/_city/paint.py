"""The colours of the procedural city: materials, light, haze and the faults of a camera."""

import numpy as np

from kdlib.data._city.plan import smooth_noise, strips

# Materials, by number. Several classes share a look on purpose: a colour alone does not tell a
# sandy roof from sand, a dirt road from a track, asphalt from a dark roof or from deep water.
SAND, PAVING, ASPHALT, DIRT, LAWN, TREE, SCRUB, DEEP, SHALLOW, BEACH, MARKING, POOL = range(12)
ROOF = 12  # the first of eight kinds of roof
ROOFS = 8
CAR = ROOF + ROOFS  # the first of four colours of cars
CARS = 4

_FIXED = {
    PAVING: (168, 164, 160),
    MARKING: (205, 203, 196),
    POOL: (88, 178, 196),
    ROOF: (232, 230, 224),
    ROOF + 1: (188, 184, 180),
    ROOF + 3: (92, 88, 92),
    ROOF + 4: (176, 118, 92),
    ROOF + 5: (120, 128, 146),
    ROOF + 6: (214, 190, 160),
    ROOF + 7: (146, 138, 132),
    CAR: (240, 240, 240),
    CAR + 1: (42, 42, 48),
    CAR + 2: (216, 206, 190),
    CAR + 3: (178, 62, 50),
}
_SANDS = ((196, 180, 158), (208, 202, 192), (178, 164, 146), (188, 186, 190), (204, 184, 150))
_ASPHALTS = ((84, 76, 78), (104, 98, 96), (70, 66, 74), (122, 116, 110))
_GREENS = ((70, 92, 58), (88, 96, 70), (58, 80, 62), (98, 100, 68))
_WATERS = ((26, 44, 46), (22, 30, 34), (30, 62, 38), (30, 58, 78), (52, 46, 40), (44, 92, 98))


def colour_table(tile_rng, rng):
    """Choose the colours of all materials for one image.

    - ``tile_rng``, ``rng``: numpy.random.Generator. The first draws what the images of a tile
      share, the second what they do not.
    - Returns two arrays of float32, shape (24, 3): the colour of each material, in its one shade
      and in its other.
    """
    table = np.zeros((CAR + CARS, 3))
    for material, colour in _FIXED.items():
        table[material] = colour
    sand, other_sand, asphalt, green, water = (
        np.array(options[tile_rng.integers(len(options))], dtype=float)
        for options in (_SANDS, _SANDS, _ASPHALTS, _GREENS, _WATERS)
    )
    if rng.random() < 0.4:  # some water is unlike the other water of its tile
        water = np.array(_WATERS[rng.integers(len(_WATERS))], dtype=float)
    table[SAND], table[BEACH] = sand, 0.6 * sand + 0.4 * np.array((236, 228, 212))
    table[ASPHALT], table[DIRT] = asphalt, 0.7 * sand + 0.22 * asphalt
    table[LAWN], table[TREE], table[SCRUB] = green * 1.12, green * 0.75, 0.5 * green + 0.38 * sand
    table[DEEP], table[SHALLOW] = water, 0.55 * water + 0.28 * sand
    table[ROOF + 2] = 0.97 * sand + 3
    table += rng.normal(0, 6, (len(table), 1)) + rng.normal(0, 3, table.shape) + rng.normal(0, 5, 3)
    other = table * rng.normal(1.0, 0.02, table.shape)
    other[SAND] = 0.5 * other[SAND] + 0.5 * other_sand
    other[LAWN] = 0.65 * other[LAWN] + 0.35 * sand
    return table.astype(np.float32), other.astype(np.float32)


def photograph(rng, tables, material, light, shape):
    """Take the picture: colours, light, haze, a soft lens, and a noisy sensor.

    - ``tables``: two arrays, as :func:`colour_table` gives them.
    - ``material``: array of uint8, shape (height * width,).
    - ``light``: array of float32, shape (height * width,). Factor on the brightness, 1 in plain
      daylight.
    - ``shape``: (height, width).
    - Returns array of uint8, shape (height, width, 3).
    """
    material, light = material.reshape(shape), light.reshape(shape)
    blend = smooth_noise(rng, shape, 6, octaves=3)
    uneven = smooth_noise(rng, shape, 2) + np.float32(0.6) * smooth_noise(rng, shape, 60)
    haze, contrast = np.float32(rng.uniform(0, 0.16)), np.float32(rng.uniform(0.9, 1.3))
    sensor = np.float32(rng.uniform(1.5, 4))
    sky = haze * np.array((196, 204, 222), dtype=np.float32) - 110 * (contrast - 1)
    picture = np.empty((*shape, 3), dtype=np.uint8)
    rim = 1  # the rows above and below that the lens mixes in
    for rows in strips(shape[0]):
        wide = slice(max(rows.start - rim, 0), rows.stop + rim)
        mix = np.clip(0.5 + 0.5 * blend[wide], 0, 1)
        grain = rng.standard_normal(mix.shape, dtype=np.float32)
        bright = light[wide] * (1 + 0.05 * uneven[wide] + 0.04 * grain) * (contrast * (1 - haze))
        kind = material[wide].astype(np.intp)
        for channel in range(3):
            one, other = (table[:, channel] for table in tables)
            plane = bright * (one.take(kind) + mix * (other - one).take(kind)) + sky[channel]
            plane = _soften(plane) + sensor * grain[::-1, ::-1]
            inner = plane[rows.start - wide.start :][: len(picture[rows])]
            picture[rows, :, channel] = np.clip(inner, 0, 255)
    return picture


def _soften(plane):
    """Blur with the weights 1/4, 1/2, 1/4 along both directions; the rim stays as it is."""
    rows = plane[:-1] + plane[1:]
    rows = rows[:-1] + rows[1:]
    both = rows[:, :-1] + rows[:, 1:]
    soft = plane.copy()
    np.multiply(both[:, :-1] + both[:, 1:], np.float32(1 / 16), out=soft[1:-1, 1:-1])
    return soft
