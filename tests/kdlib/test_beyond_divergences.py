"""The divergences of language models, against NumPy and closed forms."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kdlib.beyond import Term, TermDistillation, forward_kl, jensen_shannon, reverse_kl, top_k
from kdlib.beyond.divergences import TAILS
from kdlib.losses import kl_divergence

CLASSES = 7


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def kl(p, q):
    return np.sum(np.where(p > 0, p * (np.log(np.where(p > 0, p, 1)) - np.log(q)), 0), axis=-1)


def logits(seed, shape=(2, 3, CLASSES), scale=2.0):
    first, second = scale * np.random.default_rng(seed).normal(size=(2, *shape))
    return first, second


def value(tensor):
    return ops.convert_to_numpy(tensor)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 1.0, 4.0]))
def test_each_divergence_is_that_of_numpy_times_the_square_of_t(seed, t):
    teacher, student = logits(seed)
    p, q = softmax(teacher / t), softmax(student / t)
    m = 0.3 * p + 0.7 * q
    expected = {
        forward_kl: kl(p, q),
        reverse_kl: kl(q, p),
        lambda *pair, **more: jensen_shannon(*pair, beta=0.3, **more): (
            0.3 * kl(p, m) + 0.7 * kl(q, m)
        ),
    }
    for function, right in expected.items():
        found = value(function(teacher, student, temperature=t))
        np.testing.assert_allclose(found, t**2 * right, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("tail", TAILS)
def test_top_k_has_the_square_of_t_and_keeps_five(tail):
    teacher, student = logits(8)
    at_4 = value(top_k(teacher, student, temperature=4.0, tail=tail))
    cooled = value(top_k(teacher / 4, student / 4, k=5, tail=tail))
    np.testing.assert_allclose(at_4, 16 * cooled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tail", ["lump", "even"])
def test_a_teacher_that_is_all_but_certain_leaves_a_tail_that_counts(tail):
    """The rest is e^-150 of the mass: its logarithm is what the formula needs, not 0."""
    teacher, student = np.array([[150.0, 0.0, -1.0]]), np.array([[0.0, 0.0, 0.0]])
    found = value(top_k(teacher, student, k=1, tail=tail))
    assert found[0] == pytest.approx(np.log(3), rel=1e-5)


def test_a_weight_counts_each_token():
    teacher, student = logits(0)
    weight = np.array([[1.0, 0.0, 2.0], [0.5, 1.0, 0.0]])
    for function in (forward_kl, reverse_kl, jensen_shannon, top_k):
        one = value(function(teacher, student))
        np.testing.assert_allclose(value(function(teacher, student, weight)), weight * one)


EACH = [forward_kl, reverse_kl, jensen_shannon, top_k]


@pytest.mark.parametrize("function", EACH)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_place_of_weight_0_may_be_anything(function, wrong):
    teacher, student = logits(9, shape=(1, 3, CLASSES))
    weight = np.array([[1.0, 0.0, 2.0]])
    right = value(function(teacher, student, weight))
    for broken in ((teacher.copy(), student), (teacher, student.copy())):
        for z in broken:
            if z is not teacher and z is not student:
                z[0, 1, 2] = wrong
        np.testing.assert_array_equal(value(function(*broken, weight)), right)
        assert not np.isfinite(value(function(*broken))).all() or wrong == -np.inf


@pytest.mark.parametrize("function", EACH)
def test_nor_does_it_reach_the_weights_of_a_student(function):
    """The gradient too is that of the places that count: 0 times NaN would be NaN."""
    teacher, student = (z.astype("float32") for z in logits(10, shape=(1, 3, 4)))
    weight, moved = np.array([[1.0, 0.0, 2.0]], "float32"), []
    for filler in (0.0, np.nan):
        teacher[0, 1] = filler
        layer = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")
        model = keras.Sequential([keras.Input((3, 4)), layer])
        options = {"k": 2} if function is top_k else {}
        model.compile("sgd", loss=Term(function, options=options))
        model.train_on_batch(student, teacher, sample_weight=weight)
        moved.append(layer.get_weights()[0])
    np.testing.assert_array_equal(*moved)
    assert np.isfinite(moved).all() and np.abs(moved[0] - np.eye(4)).max() > 1e-4


@pytest.mark.parametrize("function", EACH)
def test_a_class_that_both_rule_out_is_no_class(function):
    """A vocabulary is masked with -inf: what is left is compared as if that were all."""
    teacher, student = logits(11)
    masked = teacher.copy(), student.copy()
    for z in masked:
        z[..., 0] = -np.inf
    options = {"k": 3} if function is top_k else {}
    right = value(function(teacher[..., 1:], student[..., 1:], **options))
    np.testing.assert_allclose(value(function(*masked, **options)), right, rtol=1e-5)
    with np.errstate(over="ignore"):
        lowest = tuple(np.where(np.isinf(z), np.finfo("float32").min, z) for z in masked)
    found = value(function(*lowest, temperature=0.5, **options))
    again = value(function(*masked, temperature=0.5, **options))
    np.testing.assert_allclose(found, again, rtol=1e-5)


def test_a_class_that_one_rules_out():
    """The teacher alone: nothing is asked of the student there. The student alone: much is."""
    z, masked = np.array([[1.0, 0.0, 0.5]]), np.array([[1.0, 0.0, -np.inf]])
    p, q = softmax(z), softmax(masked)
    assert value(forward_kl(masked, z))[0] == pytest.approx(kl(q, p)[0], rel=1e-5)
    assert value(reverse_kl(z, masked))[0] == pytest.approx(kl(q, p)[0], rel=1e-5)
    m = (p + q) / 2
    both = (kl(p, m) + kl(q, m))[0] / 2
    for pair in ((z, masked), (masked, z)):
        assert value(jensen_shannon(*pair))[0] == pytest.approx(both, rel=1e-5)
    assert value(forward_kl(z, masked))[0] > 1e7 and value(reverse_kl(masked, z))[0] > 1e7


@pytest.mark.parametrize("function", EACH)
@pytest.mark.parametrize(
    ("shape", "weight"),
    [((2, 1, 4), (2, 3)), ((2, 3, 4), (1, 3)), ((2, 3, 4), (2, 2)), ((2, 3, 4), (3,)),
     ((2, 2, 2, 4), (2, 0, 0)), ((2, 2, 2, 4), (2, 2))],
)  # fmt: skip
def test_a_weight_of_another_shape_is_refused(function, shape, weight):
    with pytest.raises(ValueError, match="weight"):
        function(np.zeros(shape), np.zeros(shape), np.ones(weight))


@pytest.mark.parametrize("function", EACH)
def test_a_weight_for_each_sentence_reaches_its_words(function):
    teacher, student = logits(12)
    one = value(function(teacher, student))
    for weight in (np.array([2.0, 0.5]), np.array([[2.0], [0.5]])):
        found = value(function(teacher, student, weight))
        np.testing.assert_allclose(found, weight.reshape(2, 1) * one, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (2, 0)])
def test_logits_without_a_class_are_refused(shape):
    with pytest.raises(ValueError, match="expected (an axis of classes|at least one class)"):
        forward_kl(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("function", [forward_kl, reverse_kl, jensen_shannon])
def test_one_logit_is_that_of_yes_and_no_has_0(function):
    both = np.array([[2.0, 0.0]]), np.array([[-1.0, 0.0]])
    one = value(function(*(pair[:, :1] for pair in both)))
    np.testing.assert_allclose(one, value(function(*both)), rtol=1e-6)
    assert one > 0


def test_the_ends_of_jensen_shannon_are_the_two_divergences():
    """GKD, section 2: divided by beta, it becomes the forward one, and likewise the reverse one."""
    teacher, student = (z.astype("float64") for z in logits(1))
    near_0 = value(jensen_shannon(teacher, student, beta=1e-4)) / 1e-4
    near_1 = value(jensen_shannon(teacher, student, beta=1 - 1e-4)) / 1e-4
    np.testing.assert_allclose(near_0, value(forward_kl(teacher, student)), rtol=0.02)
    np.testing.assert_allclose(near_1, value(reverse_kl(teacher, student)), rtol=0.02)


def test_jensen_shannon_is_symmetric_and_at_most_log_2():
    teacher, student = logits(2, scale=30.0)
    found = value(jensen_shannon(teacher, student))
    np.testing.assert_allclose(found, value(jensen_shannon(student, teacher)), rtol=1e-4)
    assert (found <= np.log(2) + 1e-5).all()


def test_forward_is_the_divergence_of_the_distiller():
    teacher, student = logits(3)
    np.testing.assert_allclose(
        value(forward_kl(teacher, student, temperature=2.0)),
        4 * value(kl_divergence(teacher, student, 2.0)),
        rtol=1e-4,
    )


def kept_by_hand(p, q, k, tail):
    """The definition, one distribution at a time."""
    kept = np.argsort(-p)[:k]
    others = [c for c in range(len(p)) if c not in kept]
    rest = p[others].sum()
    if tail == "renormalise":
        return kl(p[kept] / p[kept].sum(), q[kept])
    if tail == "ignore":
        return kl(p[kept], q[kept])
    if tail == "lump":
        return kl(np.append(p[kept], rest), np.append(q[kept], q[others].sum()))
    target = p.copy()
    target[others] = rest / len(others)
    return kl(target, q)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("k", [1, 3, CLASSES - 1])
def test_top_k_is_its_definition(tail, k):
    teacher, student = logits(4)
    p, q = softmax(teacher), softmax(student)
    found = value(top_k(teacher, student, k=k, tail=tail))
    for place in np.ndindex(found.shape):
        right = kept_by_hand(p[place], q[place], k, tail)
        assert found[place] == pytest.approx(right, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("tail", TAILS)
def test_with_all_classes_kept_nothing_is_lost(tail):
    teacher, student = logits(5)
    found = value(top_k(teacher, student, k=CLASSES, tail=tail))
    np.testing.assert_allclose(found, value(forward_kl(teacher, student)), rtol=1e-4, atol=1e-5)


def test_of_equal_logits_exactly_k_are_kept():
    found = value(top_k(np.zeros((1, 4)), np.zeros((1, 4)), k=2, tail="ignore"))
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    found = value(top_k(np.zeros((1, 4)), np.zeros((1, 4)), k=2, tail="renormalise"))
    assert found[0] == pytest.approx(np.log(2), rel=1e-5)


def slope(function, teacher, student):
    """The gradient in the student's logits, by central differences in float64."""
    teacher, student = np.asarray(teacher, "float64"), np.asarray(student, "float64")
    found = np.zeros_like(student)
    for place in np.ndindex(student.shape):
        step = np.zeros_like(student)
        step[place] = 1e-5
        ends = (value(ops.sum(function(teacher, student + s))) for s in (step, -step))
        found[place] = (next(ends) - next(ends)) / 2e-5
    return found


@pytest.mark.tensorflow
def test_ignoring_the_tail_is_renormalising_with_the_kept_mass_as_weight():
    teacher, student = logits(6, shape=(1, CLASSES))
    mass = np.sort(softmax(teacher))[0, -2:].sum()
    first, second = (
        slope(lambda t, s, tail=tail: top_k(t, s, k=2, tail=tail), teacher, student)
        for tail in ("ignore", "renormalise")
    )
    np.testing.assert_allclose(first, mass * second, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("wrong", [0, 8, 2.0, True, "5"])
def test_a_k_that_is_no_number_of_classes_is_refused(wrong):
    with pytest.raises(ValueError, match="expected a whole number from 1 to 7"):
        top_k(*logits(0), k=wrong)


def test_other_settings_are_refused_with_what_was_expected():
    with pytest.raises(ValueError, match="expected one of 'renormalise'"):
        top_k(*logits(0), tail="drop")
    for wrong in (0, 1, -0.1, None):
        with pytest.raises(ValueError, match="beta is"):
            jensen_shannon(*logits(0), beta=wrong)
    for wrong in (0, 1e200, 1e-40):
        with pytest.raises(ValueError, match="expected a positive number"):
            reverse_kl(*logits(0), temperature=wrong)
    with pytest.raises(ValueError, match="expected the same"):
        forward_kl(np.zeros((2, 3)), np.zeros((2, 4)))


@pytest.mark.parametrize("function", [forward_kl, reverse_kl, jensen_shannon, top_k])
def test_each_is_a_loss_of_keras_distillation_too(function):
    teacher, student = logits(7)
    options = {"k": 2, "tail": "lump"} if function is top_k else {}
    loss = TermDistillation(Term(function, options=options))
    right = value(function(teacher, student, **options)).mean()
    assert float(loss.compute_loss(teacher, student)) == pytest.approx(right, rel=1e-5)
    other = TermDistillation(loss.term)
    other.temperature = 3.0  # of its own, and of no other that was made of the same term
    assert (other.temperature, loss.temperature) == (3.0, 1.0)
    again = Term.from_config(Term(function, options=options).get_config())
    assert float(again(teacher, student)) == pytest.approx(right, rel=1e-5)
    assert keras.saving.get_registered_name(function).startswith("kdlib>")
