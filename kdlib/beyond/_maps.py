"""What the methods share: checked pairs of maps, and the weight of each of their cells."""

from keras import ops

from kdlib._tensors import as_floats, shapes_differ


def checked_maps(teacher, student, same_width=True, spatial=True):
    """Return two maps as float tensors, or raise ``ValueError`` if they cannot be compared."""
    teacher, student = as_floats(teacher, student)
    shapes = f"teacher {tuple(teacher.shape)}, student {tuple(student.shape)}"
    if not len(teacher.shape) or not len(student.shape):
        raise ValueError(f"{shapes}; expected an axis of classes or channels, the last.")
    if spatial and (len(teacher.shape) != 4 or len(student.shape) != 4):
        raise ValueError(f"{shapes}; expected (batch, height, width, channels) of both.")
    if shapes_differ(teacher.shape[:-1], student.shape[:-1]):
        raise ValueError(
            f"{shapes}; expected the same shape, up to the channels. Choose layers of one height "
            "and width."
        )
    if same_width and shapes_differ(teacher.shape[-1:], student.shape[-1:]):
        raise ValueError(
            f"{shapes}; expected the same number of channels. Bring the student's features to the "
            "teacher's width with adapter=True."
        )
    return teacher, student


def checked_logits(teacher, student, spatial=False):
    """Return logits as :func:`checked_maps` does; of one logit the two of no and yes, (0, z)."""
    pair = checked_maps(teacher, student, spatial=spatial)
    if pair[0].shape[-1] == 0:
        raise ValueError(f"logits have shape {tuple(pair[0].shape)}; expected at least one class.")
    if pair[0].shape[-1] != 1:
        return pair
    return tuple(ops.concatenate([ops.zeros_like(z), z], axis=-1) for z in pair)


def cell_weight(weight, maps):
    """Return the weight of each cell of ``maps``: the mean weight of the pixels under it.

    ``weight`` has shape (batch, H, W), where H and W are multiples of the height and width of the
    maps, or is None for 1 everywhere. The result has the shape of the maps without their channels.
    """
    if weight is None:
        return ops.ones_like(maps[..., 0])
    weight = ops.cast(ops.convert_to_tensor(weight), maps.dtype)
    each_image = all(size == 1 for size in weight.shape[1:])
    if shapes_differ(weight.shape[:1], maps.shape[:1]) or not (
        each_image or len(weight.shape) == len(maps.shape) - 1
    ):
        raise ValueError(
            f"the weight has shape {tuple(weight.shape)}, and the maps {tuple(maps.shape)}; "
            "expected a weight for each pixel, or for each image."
        )
    if each_image:
        weight = ops.reshape(weight, (-1,) + (1,) * (len(maps.shape) - 2))
        return weight * ops.ones_like(maps[..., 0])
    sizes = tuple(weight.shape)
    if len(sizes) != 3:
        if shapes_differ(sizes, maps.shape[:-1]):
            raise ValueError(
                f"the weight has shape {sizes}, and the maps {tuple(maps.shape)}; expected a "
                "weight for each place."
            )
        return weight
    if sizes == tuple(maps.shape[:-1]) and None not in sizes:
        return weight
    return pooled(weight[..., None], _steps(weight.shape, maps.shape, ops.shape(maps)))[..., 0]


def pooled(maps, cells):
    """Return the means of a map over a grid of ``cells`` = (rows, columns) equal cells."""
    batch, height, width, channels = ops.shape(maps)
    rows, columns = cells
    shape = (batch, rows, height // rows, columns, width // columns, channels)
    return ops.mean(ops.reshape(maps, shape), axis=(2, 4))


def image_mean(values):
    """Return the mean of each image: all axes but the first."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def of_size_one(maps, axis, least=1e-30):
    """Return maps over their largest absolute value along some axes, or as they are if it is tiny.

    For what depends on no scale, before squares are taken: those of small numbers would be lost
    beside the smallest divisor. Where the value is at most ``least``, they are taken for 0.
    """
    size = ops.stop_gradient(ops.max(ops.abs(maps), axis=axis, keepdims=True))
    return ops.where(size > least, maps / ops.where(size > least, size, 1), ops.zeros_like(maps))


def _steps(pixels, cells, dynamic):
    for have, want in zip(pixels[1:3], cells[1:3], strict=True):
        if have is not None and want is not None and (have < want or have % want):
            raise ValueError(
                f"a weight of {pixels[1]} × {pixels[2]} pixels cannot be divided over a map of "
                f"{cells[1]} × {cells[2]}; expected multiples."
            )
    return dynamic[1], dynamic[2]
