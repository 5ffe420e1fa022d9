"""The colours of the procedural city: materials, light, haze and the faults of a camera."""

import numpy as np

from kdlib.data.plan import smooth_noise

# Materials, by number. Several classes share a look on purpose: a colour alone does not tell a
# sandy roof from sand, a dirt road from land, asphalt from dark water.
SAND, PLAZA, ASPHALT, DIRT, LAWN, TREE, SCRUB, DEEP, SHALLOW, BEACH, MARKING, POOL = range(12)
ROOF = 12  # eight kinds of roof, 12 to 19
CAR = 20  # four colours of cars, 20 to 23

_FIXED = {
    PLAZA: (168, 164, 160),
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
    CAR + 1: (190, 60, 50),
    CAR + 2: (40, 42, 48),
    CAR + 3: (226, 200, 90),
}
_SANDS = [(196, 180, 160), (206, 200, 192), (178, 164, 148), (190, 186, 190), (204, 184, 150)]
_ASPHALTS = [(84, 76, 78), (104, 98, 96), (70, 66, 74), (122, 116, 110)]
_GREENS = [(70, 92, 58), (88, 96, 70), (58, 80, 62), (98, 100, 68)]
_WATERS = [(26, 44, 46), (22, 30, 34), (30, 66, 34), (30, 58, 78), (52, 46, 38), (44, 92, 98)]


def colour_table(rng):
    """Choose the colours of all materials for one image.

    Returns
    -------
    two arrays of float32, shape (24, 3)
        The colour of each material in its darker and in its lighter parts.
    """
    table = np.zeros((24, 3))
    for material, colour in _FIXED.items():
        table[material] = colour
    sand, asphalt, green, water = (
        np.array(options[rng.integers(len(options))], dtype=float)
        for options in (_SANDS, _ASPHALTS, _GREENS, _WATERS)
    )
    table[SAND], table[BEACH] = sand, 0.6 * sand + 0.4 * np.array((236, 228, 212))
    table[ASPHALT], table[DIRT] = asphalt, 0.74 * sand + 0.2 * asphalt
    table[LAWN], table[TREE], table[SCRUB] = green * 1.12, green * 0.72, 0.55 * green + 0.36 * sand
    table[DEEP], table[SHALLOW] = water, 0.52 * water + 0.3 * sand
    table[ROOF + 2] = 0.97 * sand + 3
    table += rng.normal(0, 5, table.shape) + rng.normal(0, 4, 3)
    other = table * rng.normal(1.0, 0.02, table.shape)
    other[SAND] = 0.55 * other[SAND] + 0.45 * np.array(_SANDS[rng.integers(len(_SANDS))])
    other[LAWN] = 0.7 * other[LAWN] + 0.3 * sand
    return table.astype(np.float32), other.astype(np.float32)


def photograph(rng, material, light):
    """Take the picture: colours, light, haze, a soft lens, and a noisy sensor.

    Parameters
    ----------
    rng : numpy.random.Generator
    material : array of uint8, shape (height, width)
    light : array of float32, shape (height, width)
        Factor on the brightness, 1 in plain daylight.

    Returns
    -------
    array of uint8, shape (height, width, 3)
    """
    shape = material.shape
    darker, lighter = colour_table(rng)
    blend = np.clip(0.5 + 0.5 * smooth_noise(rng, shape, 5, octaves=3), 0, 1)[..., None]
    picture = darker[material]
    picture += blend * (lighter - darker)[material]
    uneven = 1 + 0.05 * smooth_noise(rng, shape, 2) + 0.035 * smooth_noise(rng, shape, 24, octaves=3)
    grain = rng.standard_normal(shape, dtype=np.float32)
    picture *= (light * uneven * (1 + 0.035 * grain))[..., None]
    haze, contrast = rng.uniform(0, 0.16), rng.uniform(0.85, 1.2)
    cast = np.array((196, 204, 222), dtype=np.float32) * haze
    picture = picture * np.float32(contrast * (1 - haze)) + (cast - np.float32(110 * (contrast - 1)))
    picture = soften(picture)
    picture += np.float32(rng.uniform(1.5, 4)) * rng.standard_normal((*shape, 1), dtype=np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def soften(picture):
    """Blur with the weights 1/4, 1/2, 1/4 along both directions, and leave the rim as it is."""
    out = picture.copy()
    out[1:-1] = 0.5 * picture[1:-1] + 0.25 * (picture[:-2] + picture[2:])
    result = out.copy()
    result[:, 1:-1] = 0.5 * out[:, 1:-1] + 0.25 * (out[:, :-2] + out[:, 2:])
    return result
