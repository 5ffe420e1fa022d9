"""Over a thousand generated cases of bad and odd input: each right, or a ValueError that helps.

Every case is drawn from a seed of its own, calls one public function, and must end in one of two
ways: the value that an independent computation gives, or a ValueError whose message says what
came. Nothing else may be raised, and no number may come out of what is no input.
"""

import dataclasses
import math
import re
import types
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from kdlib import data, losses, metrics, softening
from kdlib import unet as unets
from kdlib.data import PALETTE, Batches, Patches
from kdlib.distiller import Distiller

PER_FUNCTION = 60
ODD = (None, True, False, "3", b"3", 3j, float("nan"), float("inf"), -1, 0, 2.5, [], {}, object)
NUMBERS = (1, 2, np.int64(3), np.float32(0.5), 0.25, 1e-12, 1e12, 10**400, -0.5, 1.5)


def arrays(rng, shape=None, low=-5.0, high=5.0):
    """Draw an array of any rank, type and content."""
    shape = shape or tuple(rng.integers(0, 4, rng.integers(0, 5)))
    values = rng.uniform(low, high, shape) * rng.choice([1, 1, 1, 1e3, 1e30, 1e300])
    kind = rng.choice(["f8", "f8", "f4", "f2", "i8", "u1", "bool", "c16", "str", "object", "list"])
    if kind == "object":
        values = np.where(np.ones(shape, bool), None, None)
    elif kind == "list":
        return values.tolist()
    else:
        with np.errstate(all="ignore"):
            values = values.astype(kind)
    if values.dtype.kind == "f" and values.size and rng.random() < 0.3:
        values = values.copy()
        values.flat[rng.integers(values.size)] = rng.choice([np.nan, np.inf, -np.inf])
    return values


def anything(rng, *usual):
    """Draw one of the usual values half of the time, else something odd."""
    pool = usual if usual and rng.random() < 0.5 else (*ODD, *NUMBERS)
    return pool[rng.integers(len(pool))]


def is_real(value):
    """Tell whether a value is a finite number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return False
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError):
        return False


def real(values):
    """Return values in float64, or None if they are no rectangle of finite real numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf" or not np.isfinite(values.astype(float)).all():
        return None
    return values.astype(float)


def by_hand(z, temperature):
    """The softmax of one row, in Python's own arithmetic."""
    z = [value - max(z) for value in z]
    powers = [math.exp(value / temperature) if value > -700 * temperature else 0.0 for value in z]
    return [power / math.fsum(powers) for power in powers]


def fuzz_softmax(rng):
    z, temperature = arrays(rng), anything(rng, 0.25, 1, 4.0)
    found = softening.softmax(z, temperature)
    z = real(z)
    assert z is not None and z.ndim and z.size and is_real(temperature) and temperature > 0
    rows = [by_hand(row, float(temperature)) for row in z.reshape(-1, z.shape[-1]).tolist()]
    np.testing.assert_allclose(found.reshape(-1, z.shape[-1]), rows, rtol=1e-9, atol=1e-12)


def fuzz_entropy(rng):
    p = arrays(rng, (2, int(rng.integers(0, 4))), 0, 1)
    if rng.random() < 0.6 and (numbers := real(p)) is not None and numbers.size:
        p = numbers + 1e-3
        p = p / p.sum(axis=-1, keepdims=True)
    found = softening.entropy(p)
    p = real(p)
    assert p is not None and np.abs(p.sum(-1) - 1).max() < 1e-4 and p.min() >= 0
    expected = [-math.fsum(v * math.log2(v) for v in row if v > 0) for row in p.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def fuzz_soften_probabilities(rng):
    p, temperature = arrays(rng, (3, 3), 0, 1), anything(rng, 0.5, 2)
    if rng.random() < 0.6 and (numbers := real(p)) is not None:
        p = np.abs(numbers) + 1e-3
        p = p / p.sum(axis=-1, keepdims=True)
    found = softening.soften_probabilities(p, temperature)
    assert is_real(temperature) and temperature > 0
    rows = [by_hand([math.log(v) if v else -1e300 for v in row], float(temperature)) for row in
            real(p).tolist()]  # fmt: skip
    np.testing.assert_allclose(found, rows, rtol=1e-6, atol=1e-9)


def divergence(teacher, student, temperature=1.0):
    """KL of one pixel, in float64."""
    log_p, log_q = (z / temperature - np.max(z / temperature) for z in (teacher, student))
    log_p, log_q = (z - np.log(np.exp(z).sum()) for z in (log_p, log_q))
    return (np.exp(log_p) * (log_p - log_q)).sum()


def fuzz_kl_divergence(rng):
    teacher = arrays(rng)
    if np.shape(teacher)[-1:] == (1,) and rng.random() < 0.7:  # one class alone is refused
        teacher = np.repeat(teacher, 2, axis=-1)
    same = rng.random() < 0.7 and isinstance(teacher, np.ndarray)
    student = arrays(rng, teacher.shape or None) if same else arrays(rng)
    temperature = anything(rng, 1.0, 3)
    with warnings.catch_warnings():
        # JAX computes in float32, and says so of a number that is too large for it.
        warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
        found = ops.convert_to_numpy(losses.kl_divergence(teacher, student, temperature))
    assert is_real(temperature) and temperature > 0
    pairs = [np.asarray(z) for z in (teacher, student)]
    assert pairs[0].shape == pairs[1].shape and pairs[0].ndim and pairs[0].shape[-1]
    assert all(z.dtype.kind in "biuf" for z in pairs)
    classes = pairs[0].shape[-1]
    rows = zip(*(z.astype(float).reshape(-1, classes) for z in pairs), found.ravel(), strict=True)
    for one, other, value in rows:
        scale = max(np.abs([one, other]).max() / temperature, 1)
        if not np.isfinite(scale) or scale > 1e4 or np.abs([one, other]).max() > 1e30:
            # Not finite in float32, or beyond what it resolves: NaN, or no smaller than 0 by much.
            assert not value < -1e-5 * scale
            continue
        expected = divergence(one, other, float(temperature))
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-5 * scale)


def fuzz_encode(rng):
    palette = rng.integers(0, 256, (4, 3)).astype(rng.choice(["u1", "u1", "u1", "i4", "f4"]))
    if rng.random() < 0.7:
        palette = np.concatenate([PALETTE, np.zeros((1, 3), np.uint8)])
        if rng.random() < 0.3:
            palette = palette.copy()
            palette[rng.integers(7), rng.integers(3)] ^= 1
    shape = tuple(rng.integers(0, 6, rng.integers(0, 4)))
    mask = palette[rng.integers(0, len(palette), shape)][..., : rng.choice([2, 3, 3, 3, 3])]
    found = data.encode(mask, where="a mask")
    known = {tuple(colour): number for number, colour in enumerate(PALETTE.tolist())}
    known[0, 0, 0] = 5
    assert mask.dtype == np.uint8 and found.shape == mask.shape[:-1]
    expected = [known[tuple(colour)] for colour in mask.reshape(-1, 3).tolist()]
    assert found.ravel().tolist() == expected


def fuzz_decode(rng):
    choices = (arrays(rng), rng.integers(-1, 7, 3), rng.integers(0, 6, (2, 2)))
    labels = choices[rng.integers(3)]
    found = data.decode(labels)
    labels = np.asarray(labels)
    assert labels.dtype.kind in "iu"
    for number, colour in zip(labels.ravel().tolist(), found.reshape(-1, 3), strict=True):
        assert 0 <= number <= 5 and colour.tolist() == PALETTE[number].tolist()


def fuzz_class_shares(rng):
    labels = arrays(rng, None, 0, 6) if rng.random() < 0.5 else rng.integers(-1, 7, (3, 3))
    found = data.class_shares(labels)
    counted = np.ravel(labels).tolist()
    assert counted and set(counted) <= set(range(6))
    assert found.tolist() == [counted.count(c) / len(counted) for c in range(6)]


def labelled(rng, low=0, high=4):
    """Draw class ids, mostly good ones."""
    if rng.random() < 0.4:
        return arrays(rng, None, low, high)
    return rng.integers(low, high, (2, 3)).astype(rng.choice(["u1", "i4", "i8", "bool"]))


def fuzz_confusion_matrix(rng):
    labels, predictions = labelled(rng, 0, 5), labelled(rng)
    n_classes, void = anything(rng, 4, 5), (None, 4, 255, "x", 2.0)[rng.integers(5)]
    weight = None if rng.random() < 0.5 else arrays(rng, (2, 3), 0, 2)
    found = metrics.confusion_matrix(
        labels, predictions, n_classes, sample_weight=weight, void_class=void
    )
    weights = np.ones(np.shape(labels)) if weight is None else np.asarray(weight, float)
    expected = np.zeros((n_classes, n_classes))
    cells = zip(*(np.ravel(a).tolist() for a in (labels, predictions, weights)), strict=True)
    for true, predicted, each in cells:
        assert each >= 0
        if true != void:
            assert true >= 0 and predicted >= 0
            expected[int(true), int(predicted)] += each
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def fuzz_scores(rng):
    size = int(rng.integers(1, 4))
    matrix = arrays(rng, (size, size) if rng.random() < 0.7 else None, 0, 9)
    found = metrics.scores(matrix)
    counts = real(matrix)
    assert counts is not None and counts.ndim == 2 and counts.shape[0] == counts.shape[1]
    assert not (counts < 0).any()
    rows = counts.tolist()
    total, right = sum(map(sum, rows)), sum(rows[i][i] for i in range(len(rows)))
    assert total and found.accuracy == pytest.approx(right / total)
    for i, row in enumerate(rows):
        union = sum(row) + sum(other[i] for other in rows) - row[i]
        expected = row[i] / union if union else np.nan
        assert found.iou[i] == pytest.approx(expected, nan_ok=True, rel=1e-9)


def fuzz_agreement(rng):
    a, b = labelled(rng), labelled(rng)
    mask = None if rng.random() < 0.5 else arrays(rng, (2, 3), 0, 2)
    found = metrics.agreement(a, b, mask)
    assert np.asarray(a).dtype.kind in "biu" and np.shape(a) == np.shape(b)
    kept = np.ones(np.shape(a), bool) if mask is None else np.asarray(mask)
    pairs = [(x, y) for x, y, m in zip(np.ravel(a), np.ravel(b), kept.ravel(), strict=True) if m]
    assert found == pytest.approx(sum(x == y for x, y in pairs) / len(pairs))


def fuzz_calibration(rng):
    labels, p = labelled(rng, 0, 3), arrays(rng, (2, 3, 3), 0, 1)
    if rng.random() < 0.6 and (numbers := real(p)) is not None and np.abs(numbers).max() < 1e100:
        p = np.abs(numbers) + 1e-3
        p = p / p.sum(axis=-1, keepdims=True)
    bins = anything(rng, 1, 15)
    found = metrics.expected_calibration_error(labels, p, bins)
    gaps = [[] for _ in range(bins)]
    for label, row in zip(np.ravel(labels).tolist(), real(p).reshape(-1, 3).tolist(), strict=True):
        sure = min(max(row), 1.0)
        place = min(max(math.ceil(sure * bins) - 1, 0), bins - 1)
        gaps[place].append((row.index(max(row)) == label) - sure)
    expected = sum(abs(math.fsum(gap)) for gap in gaps) / np.size(labels)
    assert found == pytest.approx(expected, abs=1e-6)


def fuzz_paired_difference(rng):
    n = int(rng.integers(0, 4))
    a, b = arrays(rng, (n,)), arrays(rng, (n,) if rng.random() < 0.8 else None)
    confidence = anything(rng, 0.9, 0.95)
    if not is_real(confidence):
        confidence = 0.9
    found = metrics.paired_difference(a, b, confidence)
    differences = [x - y for x, y in zip(real(a).tolist(), real(b).tolist(), strict=True)]
    assert len(differences) >= 2 and 0 < confidence < 1
    assert found.mean == pytest.approx(math.fsum(differences) / len(differences), rel=1e-6)
    assert not found.low > found.mean and not found.high < found.mean


def fuzz_image_set_and_cut(rng):
    height, width = rng.integers(0, 9, 2)
    image = rng.integers(0, 256, (height, width, rng.choice([1, 3, 3, 3, 4])))
    image = image.astype(rng.choice(["u1", "u1", "u1", "i4", "f4"]))
    labels = rng.integers(0, rng.choice([6, 6, 6, 256]), (height, width))
    labels = labels.astype(rng.choice(["u1", "u1", "u1", "i8", "f4"]))
    images = data.ImageSet("x", (image,), (labels,), np.array([1]), np.array([1]), "")
    size = anything(rng, 1, 2, 3)
    patches = data.cut(images, size)
    rows, columns = height // size, width // size
    assert len(patches) == rows * columns > 0
    for values, whole in ((patches.images, image), (patches.labels, labels)):
        joined = data.join(values, patches, 0)
        np.testing.assert_array_equal(joined, whole[: rows * size, : columns * size])


def some_patches(rng):
    kind = lambda: rng.choice(["u1", "u1", "u1", "f4"])  # noqa: E731
    count, (height, width) = int(rng.integers(0, 4)), rng.integers(1, 5, 2)
    images = rng.integers(0, 255, (count, height, width, 3)).astype(kind())
    labels = rng.integers(0, 6, (count, height, width)).astype(kind())
    where = np.arange(count)
    return Patches(images, labels, np.zeros(count, int), where, np.zeros(count, int), where)


def fuzz_join(rng):
    patches = some_patches(rng)
    values = patches.labels if rng.random() < 0.5 else arrays(rng, None)
    found = data.join(values, patches, int(rng.integers(0, 2)))
    expected = np.concatenate(list(np.asarray(values)), axis=1)
    np.testing.assert_array_equal(found, expected)


def fuzz_batches(rng):
    patches = some_patches(rng)
    options = {
        "batch_size": anything(rng, 1, 2),
        "crop": (None, 1, 2, anything(rng))[rng.integers(4)],
        "steps": (None, 2, anything(rng))[rng.integers(3)],
        "jitter": (None, 0.2, anything(rng))[rng.integers(3)],
        "augment": bool(rng.integers(2)),
    }
    usual = {"batch_size": 2, "crop": None, "steps": None, "jitter": None, "augment": False}
    name = list(options)[rng.integers(len(options))]
    value = min(options[name], 50) if is_real(options[name]) else options[name]
    x, y, weight = Batches(patches, **(usual | {name: value}))[0]
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1 and set(y.flat) <= set(range(6))
    np.testing.assert_array_equal(weight, y != 5)


def fuzz_unet(rng):
    options = {
        "filters": ((1, 1, 1, 1, 1), (1, 1, 2), "abcde", anything(rng))[rng.integers(4)],
        "n_classes": anything(rng, 2),
        "image_height": anything(rng, 16, None),
        "image_width": anything(rng, 16),
        "dropout": anything(rng, 0.1, 0),
        "normalization": (None, anything(rng))[rng.integers(2)],
    }
    usual = {"filters": (1, 1, 1, 1, 1), "n_classes": 2, "image_height": 16, "image_width": 16}
    usual |= {"dropout": 0.1, "normalization": None}
    # One odd argument at a time, so that each of them is reached.
    name = list(options)[rng.integers(len(options))]
    if is_real(options[name]) and options[name] > 64:
        options[name] = 65
    model = unets.unet(**(usual | {name: options[name]}))
    assert model.output_shape[-1] == (options[name] if name == "n_classes" else 2)


PAIR = []


def fuzz_compile(rng):
    if not PAIR:
        PAIR.extend(unets.unet((1,) * 5, 2, 16, 16) for _ in range(2))
        PAIR.append(Distiller(*PAIR))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    wrong = (
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.KLDivergence(),
        "kl_divergence",
        3,
        types,
    )
    options = {
        "alpha": anything(rng, 0, 0.1, 1.0),
        "temperature": anything(rng, 1, 3.0),
        "student_loss_fn": (loss, None, *wrong)[rng.integers(9)],
        "distillation_loss_fn": (None, losses.kl_divergence, *wrong)[rng.integers(9)],
    }
    name = list(options)[rng.integers(4)]
    PAIR[2].compile("sgd", **{name: options[name]})
    if name in ("alpha", "temperature"):
        assert getattr(PAIR[2], name) == options[name] and is_real(options[name])
        assert 0 <= options[name] <= 1 if name == "alpha" else options[name] > 0
    else:
        assert options[name] not in wrong


FUNCTIONS = [value for name, value in sorted(globals().items()) if name.startswith("fuzz_")]


def test_there_are_over_a_thousand_cases():
    assert len(FUNCTIONS) * PER_FUNCTION > 1000


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_right_or_a_message_that_helps(function):
    outcomes = {"right": 0, "refused": 0}
    for seed in range(PER_FUNCTION):
        rng = np.random.default_rng([seed, len(function.__name__)])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                function(rng)
            outcomes["right"] += 1
        except ValueError as error:
            assert helps(str(error)), f"seed {seed}: {error}"
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert min(outcomes.values()) >= 3, outcomes


def helps(message):
    """Tell whether a message is a sentence that names what came: a number, a type, a name."""
    return len(message) > 25 and re.search(r"\d|'|\b(is|are|has|have|holds?|got)\b", message)


def test_an_odd_size_of_image_names_the_next_that_fits():
    with pytest.raises(ValueError, match="image_height is 250.*multiple of 16.*Use 256"):
        unets.multi_student_unet_model(image_height=250)


def test_labels_outside_the_classes_do_not_reach_the_loss():
    city = data.synthetic.city(n_images=1, size=64)
    labels = (np.full_like(city.labels[0], 7),)
    with pytest.raises(ValueError, match="labels up to 7; expected class numbers from 0 to 5"):
        dataclasses.replace(city, labels=labels)
