"""The losses beyond logits against NumPy in float64, closed forms and properties."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.ndimage import distance_transform_cdt

from kdlib import beyond, losses, softening
from tests.kdlib.test_losses import gradient

FUNCTIONS = {name: term().function for name, term in beyond.METHODS.items()}
# Functions with their settings at odds with the defaults.
OPTIONS = {"decoupled": {"temperature": 2.0}, "standardised": {"temperature": 3.0}}
rng = np.random.default_rng(5)
TEACHER, STUDENT = rng.normal(0, 2, (2, 2, 4, 6, 5)).astype("float32")
LABELS = rng.integers(0, 5, (2, 4, 6))
WEIGHT = rng.integers(0, 3, (2, 4, 6)).astype("float32")
WEIGHT[0, 0] = 0


def numbers(tensor):
    return ops.convert_to_numpy(tensor).astype(float)


def loss(name, teacher, student, weight=None, labels=LABELS, **options):
    function = FUNCTIONS[name]
    takes = {"labels": labels} if "labels" in inspect.signature(function).parameters else {}
    return ops.mean(function(teacher, student, weight=weight, **takes, **options))


# What each should be: loops over pixels, in float64, written apart from the library.
def kl(p, q):
    return float(sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True) if a > 0))


def pixels(weight):
    for place in np.ndindex(weight.shape):
        teacher, student = (z[place].astype(float) for z in (TEACHER, STUDENT))
        yield place, float(weight[place]), teacher, student


def by_squares(w):
    return np.mean([v * np.var(t - s) / 2 for _, v, t, s in pixels(w)])


def by_scores(w):
    def q(z):
        return softening.softmax((z - z.mean()) / z.std(), 3.0)

    return np.mean([9 * v * kl(q(t), q(s)) for _, v, t, s in pixels(w)])


def by_parts(w):
    found = []
    for place, v, t, s in pixels(w):
        y, (p, q) = LABELS[place], (softening.softmax(z, 2.0) for z in (t, s))
        target = kl([p[y], 1 - p[y]], [q[y], 1 - q[y]])
        p, q = (np.delete(x, y) / (1 - x[y]) for x in (p, q))
        found.append(4 * v * (target + 8 * kl(p, q)))
    return np.mean(found)


def by_channel(w):
    found = []
    for t, s, v in zip(TEACHER.astype(float), STUDENT.astype(float), w, strict=True):
        p, q = (v[..., None] * np.exp(z) for z in (t, s))
        p, q = (x / x.sum((0, 1)) for x in (p, q))
        each = [kl(p[..., c].ravel(), q[..., c].ravel()) for c in range(5)]
        found.append(v.mean() * np.mean(each))
    return np.mean(found)


def by_correlation(w):
    p, q = (softening.softmax(z).reshape(-1, 5) for z in (TEACHER, STUDENT))
    w = w.ravel()
    inter = np.mean([v * (1 - np.corrcoef(a, b)[0, 1]) for v, a, b in zip(w, p, q, strict=True)])
    apart = []
    for a, b in zip(p.T, q.T, strict=True):
        cov = np.cov(a, b, aweights=w)
        apart.append(1 - cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]))
    return inter + w.mean() * np.mean(apart)


def by_pairs(w):
    found = []
    for t, s, v in zip(TEACHER.astype(float), STUDENT.astype(float), w, strict=True):
        places = [np.s_[r : r + 2, c : c + 2] for r in (0, 2) for c in (0, 2, 4)]
        share = np.array([v[place].mean() for place in places])
        nodes = [[(z[place] * v[place][..., None]).sum((0, 1)) for place in places] for z in (t, s)]
        total = 0.0
        for i in range(6):
            for j in range(6):
                a, b = (
                    n[i] @ n[j] / max(np.linalg.norm(n[i]) * np.linalg.norm(n[j]), 1e-9)
                    for n in nodes
                )
                total += share[i] * share[j] * (a - b) ** 2
        found.append(v.mean() * total / share.sum() ** 2)
    return np.mean(found)


def by_attention(w):
    found = []
    for t, s, v in zip(TEACHER.astype(float), STUDENT.astype(float), w, strict=True):
        a, b = ((z**2).sum(-1) for z in (t, s))
        cosine = (v * a * b).sum() / np.sqrt((v * a * a).sum() * (v * b * b).sum())
        found.append(v.mean() * (1 - cosine))
    return np.mean(found)


def by_hint(w):
    return np.mean([v * np.mean((t - s) ** 2) / 2 for _, v, t, s in pixels(w)])


def boundary_map(w, reach=8, emphasis=4.0):
    found = []
    for y, v in zip(LABELS, w, strict=True):
        edge = np.zeros(y.shape, bool)
        for r, c in np.ndindex(y.shape):
            for r2, c2 in ((r + 1, c), (r, c + 1)):
                inside = r2 < y.shape[0] and c2 < y.shape[1]
                if inside and y[r, c] != y[r2, c2] and v[r, c] > 0 and v[r2, c2] > 0:
                    edge[r, c] = edge[r2, c2] = True
        distance = distance_transform_cdt(~edge, metric="chessboard")
        raw = 1 + emphasis * np.maximum(0, 1 - distance / reach)
        found.append(raw * v.sum() / (v * raw).sum())
    return np.array(found)


def by_boundary(w):
    b = boundary_map(w)
    p, q = (softening.softmax(z, 2.0) for z in (TEACHER, STUDENT))
    return np.mean(4 * w * b * softening.kl_divergence(p, q))


EXPECTED = {
    "squared-error": by_squares,
    "standardised": by_scores,
    "decoupled": by_parts,
    "channel-wise": by_channel,
    "correlation": by_correlation,
    "boundary": by_boundary,
    "attention": by_attention,
    "hint": by_hint,
    "pair-wise": by_pairs,
    "channel-wise-features": by_channel,
}


@pytest.mark.parametrize("name", beyond.METHODS)
def test_value_equals_numpy_in_float64(name):
    options = OPTIONS.get(name, {})
    for weight in (WEIGHT, np.ones_like(WEIGHT)):
        got = float(loss(name, TEACHER, STUDENT, weight, **options))
        assert got == pytest.approx(EXPECTED[name](weight), rel=2e-5)
    assert float(loss(name, TEACHER, STUDENT, **options)) == pytest.approx(got, rel=1e-5)


@pytest.mark.parametrize("name", beyond.METHODS)
def test_a_student_like_the_teacher_has_no_loss_and_void_alone_gives_zero_not_nan(name):
    assert float(loss(name, TEACHER, TEACHER, WEIGHT)) == pytest.approx(0, abs=1e-5)
    void = np.zeros_like(WEIGHT)
    assert float(loss(name, TEACHER, STUDENT, void)) == 0
    slope = gradient(lambda z: loss(name, TEACHER, z, void), STUDENT)
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("name", beyond.METHODS)
def test_void_pixels_change_nothing_and_get_no_gradient(name):
    void = WEIGHT == 0
    others = np.where(void, (LABELS + 1) % 5, LABELS)
    before = float(loss(name, TEACHER, STUDENT, WEIGHT))
    moved = [np.where(void[..., None], 7 - z[..., ::-1], z) for z in (TEACHER, STUDENT)]
    assert float(loss(name, *moved, WEIGHT, others)) == pytest.approx(before, rel=1e-5)
    slope = gradient(lambda z: loss(name, TEACHER, z, WEIGHT), STUDENT)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0
    np.testing.assert_allclose(slope[void], 0, atol=1e-9)


@pytest.mark.parametrize("name", beyond.METHODS)
def test_the_loss_of_a_batch_repeated_is_the_loss_of_the_batch(name):
    twice = [np.concatenate([a, a]) for a in (TEACHER, STUDENT, WEIGHT, LABELS)]
    once = float(loss(name, TEACHER, STUDENT, WEIGHT))
    assert float(loss(name, *twice)) == pytest.approx(once, rel=1e-5)


@pytest.mark.parametrize("name", ["squared-error", "decoupled", "standardised", "correlation"])
def test_the_loss_of_an_image_tiled_is_the_loss_of_the_image(name):
    tiled = [np.concatenate([a, a], axis=2) for a in (TEACHER, STUDENT, WEIGHT, LABELS)]
    once = float(loss(name, TEACHER, STUDENT, WEIGHT))
    assert float(loss(name, *tiled)) == pytest.approx(once, rel=1e-5)


@pytest.mark.parametrize("name", beyond.METHODS)
@given(factor=st.floats(0.1, 10), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=4)
def test_loss_is_at_least_zero_and_grows_with_the_weight(name, factor, seed):
    teacher, student = np.random.default_rng(seed).normal(0, 2, (2, *TEACHER.shape))
    teacher, student = teacher.astype("float32"), student.astype("float32")
    one = float(loss(name, teacher, student, WEIGHT))
    assert one > -1e-6
    more = float(loss(name, teacher, student, np.float32(factor) * WEIGHT))
    assert more == pytest.approx(factor * one, rel=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 10))
@settings(deadline=None, max_examples=10)
def test_the_divergence_is_tckd_plus_nckd_times_what_the_target_leaves(seed, temperature):
    draw = np.random.default_rng(seed)
    teacher, student = draw.normal(0, 2, (2, 7, 6)).astype("float32")
    labels = draw.integers(0, 6, 7)
    left = 1 - softening.softmax(teacher, temperature)[np.arange(7), labels]
    target, others = (
        numbers(beyond.decoupled(teacher, student, labels, None, temperature, *which))
        for which in ((1.0, 0.0), (0.0, 1.0))
    )
    whole = temperature**2 * numbers(losses.kl_divergence(teacher, student, temperature))
    np.testing.assert_allclose(target + left * others, whole, rtol=1e-4, atol=1e-5)


def test_squared_error_is_the_limit_of_t_squared_times_the_divergence():
    limit = numbers(beyond.squared_error(TEACHER, STUDENT))
    p, q = (softening.softmax(z, 1000.0) for z in (TEACHER, STUDENT))
    far = 1e6 * softening.kl_divergence(p, q)
    np.testing.assert_allclose(far, limit, rtol=0.01)
    raw = numbers(beyond.squared_error(TEACHER, STUDENT, centred=False))
    np.testing.assert_allclose(raw, ((TEACHER - STUDENT) ** 2).mean(-1) / 2, rtol=1e-5)


@pytest.mark.parametrize("name", ["channel-wise", "correlation", "squared-error"])
def test_dividing_by_t_and_multiplying_by_t_squared_is_the_temperature(name):
    divided = 9 * float(loss(name, TEACHER / 3, STUDENT / 3, WEIGHT))
    options = {} if name == "squared-error" else {"temperature": 3.0}
    value = float(loss(name, TEACHER, STUDENT, WEIGHT, **options))
    assert value == pytest.approx(divided, rel=1e-4)


def test_what_each_loss_does_not_see():
    scale = {"standardised": 2 * TEACHER + 3, "attention": 3 * TEACHER, "pair-wise": 3 * TEACHER}
    scale["channel-wise"] = TEACHER + np.arange(5, dtype="float32")
    for name, student in scale.items():
        assert float(loss(name, TEACHER, student)) == pytest.approx(0, abs=1e-4), name


def test_a_label_that_is_no_class_counts_as_void():
    labels = np.where(WEIGHT == 0, 255, LABELS)
    here = float(loss("decoupled", TEACHER, STUDENT, np.ones_like(WEIGHT), labels))
    assert here == pytest.approx(
        float(loss("decoupled", TEACHER, STUDENT, (WEIGHT > 0).astype("float32"))), rel=1e-5
    )


def test_the_boundary_weight_has_mean_one_in_each_image_and_is_largest_at_the_edge():
    found = numbers(beyond.boundary_weight(LABELS, WEIGHT))
    np.testing.assert_allclose(found, boundary_map(WEIGHT), rtol=1e-5)
    np.testing.assert_allclose((found * WEIGHT).sum((1, 2)), WEIGHT.sum((1, 2)), rtol=1e-5)
    halves = np.repeat([[[0] * 6 + [1] * 6]], 4, axis=1)
    row = numbers(beyond.boundary_weight(halves, reach=3, emphasis=3.0))[0, 1]
    np.testing.assert_allclose(row / row[0], [1, 1, 1, 2, 3, 4, 4, 3, 2, 1, 1, 1], rtol=1e-6)


def test_weights_of_pixels_reach_coarser_cells_as_their_mean():
    fine = np.kron(WEIGHT, np.ones((2, 2), "float32"))
    fine[:, ::2] *= 0.5
    expected = float(loss("hint", TEACHER, STUDENT, 0.75 * WEIGHT))
    assert float(loss("hint", TEACHER, STUDENT, fine)) == pytest.approx(expected, rel=1e-5)


def test_attention_and_pairs_compare_networks_of_different_widths():
    wide = np.concatenate([TEACHER, TEACHER], axis=-1)
    for name in ("attention", "pair-wise"):
        assert float(loss(name, wide, TEACHER)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["squared-error", "channel-wise", "hint", "correlation"])
def test_other_widths_are_refused_and_the_adapter_is_named(name):
    with pytest.raises(ValueError, match="adapter=True"):
        loss(name, TEACHER, STUDENT[..., :3])


@pytest.mark.parametrize("name", beyond.METHODS)
def test_other_sizes_are_refused(name):
    with pytest.raises(ValueError, match="expected the same shape"):
        loss(name, TEACHER, STUDENT[:, :2])


@pytest.mark.parametrize("name", ["channel-wise", "attention", "pair-wise", "boundary"])
def test_maps_need_four_axes(name):
    with pytest.raises(ValueError, match="height, width, channels"):
        loss(name, TEACHER[0], STUDENT[0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("standardised", {"temperature": 0}, "temperature is 0"),
        ("channel-wise", {"temperature": -1}, "temperature is -1"),
        ("correlation", {"temperature": 0}, "temperature is 0"),
        ("correlation", {"intra": -1}, "intra is -1"),
        ("decoupled", {"temperature": 0}, "temperature is 0"),
        ("decoupled", {"others": -1}, "others is -1"),
        ("decoupled", {"labels": LABELS[0]}, "expected class ids, of shape"),
        ("boundary", {"temperature": 0}, "temperature is 0"),
        ("boundary", {"reach": 0}, "reach is 0"),
        ("boundary", {"emphasis": -1}, "emphasis is -1"),
        ("boundary", {"labels": LABELS[0]}, "expected .batch, height, width"),
        ("attention", {"power": 0}, "power is 0"),
        ("pair-wise", {"node": 0}, "node is 0"),
        ("pair-wise", {"node": 4}, "nodes of 4 cells do not fit"),
        ("squared-error", {"weight": WEIGHT[0]}, "a weight for each pixel"),
        ("hint", {"weight": np.ones((2, 5, 7))}, "expected multiples"),
    ],
)
def test_bad_settings_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        loss(name, TEACHER, STUDENT, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": "attention"}, "function is 'attention'"),
        ({"function": beyond.hint, "options": {"power": 2}}, "hint has no option power"),
        ({"function": beyond.hint, "layers": ()}, "expected names of layers"),
        ({"function": beyond.hint, "layers": [("c1", "c2", "c3")]}, "expected names of layers"),
    ],
)
def test_terms_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        beyond.Term(**arguments)


def test_a_term_that_needs_labels_says_where_they_are_had():
    with pytest.raises(ValueError, match="needs the labels.*BeyondDistiller"):
        beyond.METHODS["decoupled"]()(TEACHER, STUDENT)


def test_the_options_of_a_term_cannot_be_changed_where_nobody_would_see_it():
    given = {"temperature": 2.0}
    term = beyond.METHODS["decoupled"](options=given)
    given["temperature"] = 4.0
    with pytest.raises(TypeError):
        term.options["temperature"] = 4.0
    with pytest.raises(AttributeError):
        term.options = given
    assert dict(term.options) == {"temperature": 2.0} == term.get_config()["options"]


@pytest.mark.parametrize("scale", [1e-2, 1e-4, 1e-6, 1e-12, 1e4])
def test_standardised_logits_of_any_size_have_the_same_loss(scale):
    function = FUNCTIONS["standardised"]
    expected = numbers(function(TEACHER, STUDENT))
    for teacher, student in ((TEACHER * scale, STUDENT), (TEACHER * scale, STUDENT * scale)):
        found = numbers(function(teacher.astype("float32"), student.astype("float32")))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    alike = np.ones_like(TEACHER)
    assert np.isfinite(numbers(function(alike, scale * STUDENT))).all()
    slope = gradient(lambda z: ops.sum(function(TEACHER, z)), np.zeros_like(STUDENT))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ["attention", "pair-wise"])
@pytest.mark.parametrize("scale", [1e-2, 1e-3, 1e-5])
def test_features_of_any_size_have_the_same_loss(name, scale):
    function = FUNCTIONS[name]
    expected = numbers(function(TEACHER, STUDENT, WEIGHT))
    small = np.float32(scale)
    for teacher, student in ((TEACHER * small, STUDENT), (TEACHER * small, STUDENT * small)):
        found = numbers(function(teacher, student, WEIGHT))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    slopes = [
        gradient(lambda z: ops.sum(function(TEACHER, z, WEIGHT)), student)
        for student in (STUDENT, STUDENT * small)
    ]
    np.testing.assert_allclose(slopes[1] * small, slopes[0], rtol=1e-3, atol=1e-6)
    nothing = np.zeros_like(STUDENT)
    assert np.isfinite(gradient(lambda z: ops.sum(function(TEACHER, z)), nothing)).all()


def test_a_class_that_is_rare_everywhere_correlates_as_others_do():
    teacher, student = (z.copy() for z in (TEACHER, STUDENT))
    for logits in (teacher, student):
        logits[..., 0] -= 18  # probabilities near 1e-9
    p, q = (softening.softmax(z.astype(float)).reshape(-1, 5) for z in (teacher, student))
    expected = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    found = float(loss("correlation", teacher, student, inter=0.0))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("level", [0.1, 1.3, 77.7])
def test_a_class_that_does_not_vary_has_correlation_0_whatever_rounding_leaves(level):
    alike = np.full((1, 30, 41, 5), level, "float32")
    alike[..., 0] -= np.float32(0.7)
    found = float(loss("correlation", alike, alike, inter=0.0, labels=None))
    assert found == pytest.approx(1, abs=1e-6)
