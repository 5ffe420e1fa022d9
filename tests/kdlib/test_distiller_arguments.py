"""What fit is given for networks that are not ours: weights, labels of several outputs, none."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kdlib import softening
from kdlib.beyond import METHODS, BeyondDistiller, Term, forward_kl
from kdlib.distiller import Distiller
from kdlib.losses import SoftTargetKLDivergence, kl_divergence
from kdlib.network_ends import class_logits, distribution, logits_model

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.arange(6) % 3
WEIGHT = np.float32([1, 2, 0, 1, 0.5, 3])
EAGER = {"run_eagerly": True, "optimizer": "sgd"}


def network(classes=3, seed=0, end=None, shape=(4,)):
    """A network whose logits are a Dense or 1 × 1 convolution of numbers or images."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(shape), layers.Dense(classes, end)])


def pair(classes=3, shape=(4,), **options):
    ends = {"student": options.pop("student", None), "teacher": options.pop("teacher", None)}
    made = [network(classes, seed, ends[role], shape) for seed, role in enumerate(ends)]
    return Distiller(*made, **options)


def evaluated(model, x, y, weight=None):
    return model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)


@pytest.mark.parametrize("classes", [1, 3, 6])
def test_a_weight_may_have_an_axis_of_one(classes):
    model = pair(classes)
    model.compile(**EAGER, alpha=0.3)
    y = Y % max(2, classes) if classes > 1 else Y % 2
    expected = evaluated(model, X, y, WEIGHT)
    for labels in (y, y[:, None]):
        found = evaluated(model, X, labels, WEIGHT[:, None])
        assert found == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"weights have shape \(6, 2\); expected \(6,\), a weight"):
        evaluated(model, X, y, np.ones((6, 2), "float32"))


def test_a_weight_of_a_pixel_may_have_an_axis_of_one():
    x = np.random.default_rng(1).normal(size=(4, 4, 4, 2)).astype("float32")
    y, weight = (np.random.default_rng(2).integers(0, 3, (4, 4, 4)) for _ in range(2))
    model = pair(shape=(4, 4, 2))
    model.compile(**EAGER)
    expected = evaluated(model, x, y, weight)
    assert evaluated(model, x, y[..., None], weight[..., None]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "y", "weights", "message"),
    [
        (lambda: pair(shape=(5, 4)), np.zeros((6, 5)), {"class_weight": {0: 2}}, "one class"),
        (lambda: pair(student="sigmoid"), np.ones((6, 3)), {"class_weight": {0: 2}}, "one class"),
        (pair, None, {"class_weight": {0: 2}}, "weights without labels"),
        (pair, None, {"sample_weight": WEIGHT}, "weights without labels"),
        (pair, Y, {"sample_weight": WEIGHT * np.nan}, "sample_weight holds nan"),
        (pair, Y, {"class_weight": {"0": 2.0}}, "class_weight is for '0', which is no class"),
        (pair, Y, {"class_weight": {0: 2.0, 7: 1.0}}, "class_weight is for 7, .* expected 0 to 2"),
        (pair, Y, {"validation_data": (X, list(Y))}, "the labels hold .*0.*; expected an array"),
        (pair, Y, {"validation_data": [X, Y, WEIGHT * np.nan]}, "sample_weight holds nan"),
        (pair, list(Y), {}, "the labels hold .*0.*; expected an array"),
        (pair, np.array(list("catcat")), {}, "the labels hold .*c.*; expected an array of real"),
        (pair, Y.astype("complex64"), {}, "the labels hold .*0j.*; expected an array of real"),
    ],
)
def test_what_keras_would_lose_or_misread_is_refused(model, y, weights, message):
    model = model()
    model.compile(**EAGER, alpha=0.0)
    x = np.broadcast_to(X[:, None], (6, 5, 4)) if np.ndim(y) == 2 and y.shape[1] == 5 else X
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0, **weights)


@pytest.mark.parametrize("eager", [False, True])
def test_without_labels_nothing_is_reported_that_needs_them(eager):
    model = pair()
    model.compile(keras.optimizers.SGD(0.1), ["accuracy"], alpha=0.0, run_eagerly=eager)
    soft = {"loss", "distillation_loss"}
    assert set(model.evaluate(X, verbose=0, return_dict=True)) == soft
    # Learned from without labels, judged by those that there are.
    for _ in range(2):
        history = model.fit(X, validation_data=(X, Y), epochs=2, verbose=0).history
        judged = {f"val_{name}" for name in (*soft, "student_loss", "accuracy")}
        assert set(history) == soft | judged
    right = (ops.convert_to_numpy(model.student(X)).argmax(-1) == Y).mean()
    assert history["val_accuracy"][-1] == pytest.approx(right)


@pytest.mark.tensorflow
def test_a_compiled_step_says_what_is_wrong_with_a_label_and_no_more():
    model = pair()
    model.compile("sgd")
    for step in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"^a label is 3 and no class; expected 0 to 2, or"):
            step(X, Y + 1, verbose=0)
    import tensorflow as tf

    batches = ((X, Y) for _ in range(2))
    shapeless = tf.data.Dataset.from_generator(
        lambda: batches, output_types=(tf.float32, tf.int32), output_shapes=((6, 4), None)
    )
    with pytest.raises(ValueError, match="how many axes its labels have; give it its shapes"):
        model.fit(shapeless, verbose=0)
    model = pair()
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"A dataset gives batches: dataset.batch\(32\)"):
        model.fit(tf.data.Dataset.from_tensor_slices((X, Y)), verbose=0)


def two_heads(kind, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    heads = {name: layers.Dense(n, name=name)(inputs) for name, n in (("mask", 3), ("edge", 2))}
    return keras.Model(inputs, heads if kind is dict else list(heads.values()))


@pytest.mark.parametrize("kind", [dict, list])
def test_labels_and_weights_may_come_for_every_output(kind):
    model = Distiller(two_heads(kind, 1), two_heads(kind, 2), output_name="mask")
    model.compile(**EAGER, metrics=["accuracy"], alpha=0.3)
    expected = evaluated(model, X, Y, WEIGHT)
    y, weight = {"mask": Y, "edge": Y % 2}, {"mask": WEIGHT, "edge": 2 * WEIGHT}
    if kind is list:
        y, weight = list(y.values()), list(weight.values())
    assert evaluated(model, X, y, weight) == pytest.approx(expected, rel=1e-6)
    model.fit(X, y, sample_weight=weight, verbose=0)
    with pytest.raises(ValueError, match="the labels are 'depth', 'edge'; expected one array"):
        evaluated(model, X, {"depth": Y, "edge": Y})


def test_a_list_of_labels_has_no_order_where_outputs_have_names():
    model = Distiller(two_heads(dict, 1), two_heads(dict, 2), output_name="mask")
    model.compile(**EAGER)
    with pytest.raises(ValueError, match="the labels are a list, .* a dictionary of edge, mask"):
        model.fit(X, [Y, Y % 2], verbose=0)


class Unlabelled(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (X,)


def test_weights_by_class_are_not_lost_where_batches_have_no_labels():
    model = pair()
    model.compile("sgd", alpha=0.0)
    model.fit(Unlabelled(), verbose=0)
    with pytest.raises(ValueError, match="class_weight without labels, which Keras leaves aside"):
        model.fit(Unlabelled(), class_weight={0: 1.0, 1: 2.0, 2: 0.0}, verbose=0)
    model.fit(Unlabelled(), verbose=0)
    model.fit(X, Y, class_weight={0: 1.0, 1: 2.0, 2: 0.0}, verbose=0)


def test_several_labels_at_once_without_a_sigmoid_to_show_it():
    y = np.random.default_rng(3).integers(0, 2, (6, 3))
    model = pair()
    model.compile(**EAGER)
    with pytest.raises(ValueError, match=r"say Distiller\(..., exclusive=False\)"):
        evaluated(model, X, np.ones((6, 3)))
    model = pair(exclusive=False)
    seen = pair(student="sigmoid", teacher="sigmoid")
    found = []
    for each in (model, seen):
        each.compile(**EAGER, alpha=0.3, temperature=2.0)
        found.append(evaluated(each, X, y))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert Distiller.from_config(model.get_config()).exclusive is False


def test_probabilities_that_do_not_exclude_each_other():
    inputs = keras.Input((4,))
    sigmoids = [layers.Dense(1, "sigmoid")(inputs) for _ in range(3)]
    model = keras.Model(inputs, layers.Concatenate()(sigmoids))
    options = {"outputs": "probabilities", "exclusive": False}
    z = ops.convert_to_numpy(logits_model(model, **options)(X)).astype(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-z)), ops.convert_to_numpy(model(X)), atol=1e-6)
    assert distribution(model, **options) == "bernoulli"
    assert distribution(network(), exclusive=True) == "categorical"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student": "softmax", "exclusive": False}, "ends in a softmax, so its classes exclude"),
        ({"student": "sigmoid", "exclusive": True}, "a sigmoid for each class, and exclusive is T"),
        ({"classes": 1, "exclusive": True}, "one logit, which is yes or no, and exclusive is True"),
        ({"exclusive": "no"}, "exclusive is 'no'; expected None, True or False"),
        ({"outputs": {"pupil": "logits"}}, "outputs is for 'pupil'; expected 'student' or"),
        ({"teacher_input": 255}, "teacher_input is 255; expected a function"),
        ({"output_name": "mask"}, "has one output; leave output_name out, which is 'mask'"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        pair(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": keras.losses.MeanSquaredError()}, "expected a list. A loss on the labels is"),
        ({"metrics": "accuracy"}, "metrics is 'accuracy'; expected a list"),
        ({"loss_weights": [1.0]}, "takes no loss_weights; expected alpha"),
        ({"ignore_class": [254, 255]}, "expected a number, such as 255"),
        ({"steps_per_execution": 0}, "steps_per_execution is 0; expected an integer of 1 or more"),
        ({"jit_compile": "yes"}, "jit_compile is 'yes'; expected True, False or 'auto'"),
        ({"student_loss_fn": keras.losses.Dice()}, "Dice, which takes probabilities, and the Dis"),
        ({"student_loss_fn": keras.losses.Tversky()}, "Leave it out: the default is the cross-en"),
        ({"student_loss_fn": keras.losses.poisson}, "poisson, which takes probabilities"),
        *(
            ({"distillation_loss_fn": loss(from_logits=True)}, "which compares labels with a pred")
            for loss in (
                keras.losses.CategoricalCrossentropy,
                keras.losses.BinaryCrossentropy,
                keras.losses.CategoricalFocalCrossentropy,
                keras.losses.SparseCategoricalCrossentropy,
            )
        ),
    ],
)
def test_compile_says_what_it_takes_instead(options, message):
    with pytest.raises(ValueError, match=message):
        pair().compile(**options)


def of_inputs(names, kind=list):
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4,), name=name) for name in names}
    summed = sum((n + 1) * inputs[name] for n, name in enumerate(sorted(names)))
    given = inputs if kind is dict else list(inputs.values())
    return keras.Model(given, layers.Dense(3)(summed))


def test_one_batch_reaches_the_inputs_of_both_by_the_same_names():
    with pytest.raises(
        ValueError, match="student are a, b, of the teacher b, a; expected the same"
    ):
        Distiller(of_inputs("ab"), of_inputs("ba"))
    with pytest.raises(ValueError, match="takes a dictionary of a, which the teacher does not"):
        Distiller(of_inputs("a", dict), network())
    model = Distiller(of_inputs("ab", dict), of_inputs("ba", dict))
    model.compile(**EAGER)
    # The two are the same function of a and b.
    found = evaluated(model, {"a": X, "b": 2 * X}, Y)["distillation_loss"]
    assert found == pytest.approx(0, abs=1e-6)


class OfDictionary(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs["a"] - inputs["b"])


class OfTwo(OfDictionary):
    def call(self, a, b):
        return self.dense(a - b)


@pytest.mark.filterwarnings("error")
def test_subclassed_networks_of_several_inputs():
    model, x = OfDictionary(), {"a": X, "b": 2 * X}
    model(x)
    found = ops.convert_to_numpy(logits_model(model)(x))
    np.testing.assert_array_equal(found, ops.convert_to_numpy(model(x)))
    model = OfTwo()
    model(X, X)
    with pytest.raises(ValueError, match="cannot be called with one argument"):
        logits_model(model)


def test_one_logit_beside_two_classes():
    with pytest.raises(ValueError, match="1 classes and the teacher 2.*class_logits makes the two"):
        Distiller(network(1), network(2, 1))


def test_the_divergence_of_one_logit_is_no_softmax():
    model = pair(1)
    model.compile(**EAGER, alpha=0.0, temperature=1.0)
    z_s, z_t = (ops.convert_to_numpy(m(X)).astype(float) for m in (model.student, model.teacher))
    p, q = (softening.softmax(np.concatenate([0 * z, z], -1)) for z in (z_t, z_s))
    expected = softening.kl_divergence(p, q).mean()
    assert evaluated(model, X, Y % 2)["loss"] == pytest.approx(expected, rel=1e-4)


ONE = {"squared-error", "standardised", "decoupled", "correlation"}


@pytest.mark.parametrize("name", sorted(ONE))
def test_a_method_over_one_logit_is_that_over_no_and_yes(name):
    found = []
    for both in (False, True):
        student, teacher = network(1, 1), network(1, 2)
        if both:
            student, teacher = class_logits(student), class_logits(teacher)
        model = BeyondDistiller(student, teacher, METHODS[name]())
        model.compile(**EAGER)
        found.append(evaluated(model, X, Y % 2)["term"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] > 1e-3
    # Nor is a softmax taken of labels that may hold together.
    with pytest.raises(ValueError, match="these do not exclude each other; expected a term over"):
        BeyondDistiller(network(), network(seed=1), METHODS[name](), exclusive=False)


@pytest.mark.parametrize(
    "loss",
    [SoftTargetKLDivergence(), Term(forward_kl), forward_kl, METHODS["squared-error"]()],
    ids=["soft targets", "term", "function", "squared error"],
)
def test_classes_that_may_hold_together_get_no_loss_that_sets_them_against_each_other(loss):
    model = Distiller(network(), network(seed=1), exclusive=False)
    with pytest.raises(ValueError, match="do not exclude each other. Leave it out"):
        model.compile(distillation_loss_fn=loss)
    model.compile()
    with pytest.raises(ValueError, match="do not exclude each other. Leave it out"):
        model.distillation_loss_fn = loss
    Distiller(network(), network(seed=1)).compile(distillation_loss_fn=loss)


@pytest.mark.parametrize("form", ["one-hot", "shares"])
@pytest.mark.parametrize("ignored", [0, 1, 2])
def test_of_shares_the_class_of_the_largest_is_ignored(form, ignored):
    shares = np.eye(3)[Y] if form == "one-hot" else 0.7 * np.eye(3)[Y] + 0.1
    model = pair()
    model.compile(**EAGER, alpha=0.3, ignore_class=ignored)
    found = evaluated(model, X, shares.astype("float32"))
    again = pair()
    again.compile(**EAGER, alpha=0.3)
    weight = (ignored != Y).astype("float32")
    assert found == pytest.approx(evaluated(again, X, shares.astype("float32"), weight), rel=1e-6)
    assert found["loss"] > 0.1


def test_of_labels_that_may_hold_together_none_is_the_ignored_one():
    model = pair(exclusive=False)
    model.compile(**EAGER, ignore_class=1)
    with pytest.raises(ValueError, match="ignore_class is 1, and each class is a yes or no"):
        model.fit(X, np.eye(3, dtype="float32")[Y], verbose=0)


def test_labels_of_another_output_are_not_taken_for_its_own():
    def two(seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((4,))
        ends = {name: layers.Dense(3, name=name)(inputs) for name in ("mask", "edge")}
        return keras.Model(inputs, ends)

    model = Distiller(two(0), two(1), output_name="mask")
    model.compile(**EAGER)
    model.fit(X, {"mask": Y}, verbose=0)
    with pytest.raises(ValueError, match="the labels are 'edge'; expected one array, .* 'mask'"):
        model.fit(X, {"edge": Y}, verbose=0)


def test_a_list_of_inputs_and_a_dictionary_are_no_pair():
    """Keras reads a list for a dictionary in the order of its sorted keys, or refuses it."""

    def network(seed, names, as_dict):
        keras.utils.set_random_seed(seed)
        inputs = {name: keras.Input((2,), name=name) for name in names}
        z = layers.Dense(3)(layers.Concatenate()([inputs["a"], inputs["b"]]))
        return keras.Model(inputs if as_dict else list(inputs.values()), z)

    given = network(0, "ba", False), network(1, "ab", True)
    with pytest.raises(ValueError, match="a list of inputs and the teacher a dictionary of a, b"):
        Distiller(*given)
    a, b = X[:, :2], X[:, 2:]
    model = Distiller(*given, teacher_input=lambda x: {"b": x[0], "a": x[1]})
    model.compile(**EAGER, alpha=0.0, temperature=1.0)
    p = softening.softmax(ops.convert_to_numpy(logits_model(given[1])({"a": a, "b": b})))
    q = softening.softmax(ops.convert_to_numpy(logits_model(given[0])([b, a])))
    found = evaluated(model, [b, a], Y)["distillation_loss"]
    assert found == pytest.approx(softening.kl_divergence(p, q).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"sample_weight": [1.0] * 6}, "sample_weight is a list of numbers; expected an array"),
        ({"class_weight": [1.0, 2.0, 1.0]}, "expected a dictionary"),
    ],
)
def test_weights_that_are_lists_are_refused(weights, message):
    model = pair()
    model.compile(**EAGER)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, verbose=0, **weights)


class OwnSoftmax(layers.Layer):
    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, x):
        return ops.softmax(x)


ENDS = {
    "logits": lambda: [layers.Dense(5, name="logits")],
    "softmax inside": lambda: [layers.Dense(5, "softmax"), layers.Dropout(0.0)],
    "softmax out of reach": lambda: [layers.Dense(5), OwnSoftmax()],
}


def tagger(seed, mask_zero, end):
    keras.utils.set_random_seed(seed)
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=mask_zero)(tokens)
    for layer in ENDS[end]():
        x = layer(x)
    return keras.Model(tokens, x)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("loss", [None, Term(forward_kl)], ids=["own", "term"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_a_keras_mask_leaves_out_weighs_nothing_in_either_loss(loss, weighted, end):
    """As a weight of 0 there: not one thing in the loss on labels and another beside it."""
    rng, found, after = np.random.default_rng(0), [], []
    tokens, y = rng.integers(1, 9, (4, 6)), rng.integers(0, 5, (4, 6))
    tokens[:, 4:] = 0
    given = rng.uniform(0.5, 2, (4, 6)) if weighted else np.ones((4, 6))
    for mask in (True, False):
        student, teacher = tagger(0, mask, end), tagger(1, mask, end)
        model = Distiller(student, teacher)
        model.compile("sgd", alpha=0.5, temperature=2.0, distillation_loss_fn=loss)
        weight = given if mask else given * (tokens != 0)
        options = {"sample_weight": weight} if weighted or not mask else {}
        found.append(model.evaluate(tokens, y, **options, verbose=0, return_dict=True))
        model.fit(tokens, y, **options, verbose=0)
        after.append(student.get_weights())
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    for first, second in zip(*after, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-7)


def test_a_softmax_over_one_value_says_nothing_and_is_refused():
    with pytest.raises(ValueError, match="over one value, and so always 1; for a yes or no take"):
        kl_divergence([[2.0]], [[0.0]])
    model = BeyondDistiller(network(), network(seed=1), METHODS["decoupled"]())
    model.compile(**EAGER, alpha=0.0)
    with pytest.raises(ValueError, match="decoupled needs the labels, and there are none"):
        model.fit(X, verbose=0)


def test_losses_of_keras_over_numbers_may_compare_logits():
    model = pair()
    model.compile(**EAGER, alpha=0.0, distillation_loss_fn=keras.losses.MeanSquaredError())
    gap = ops.convert_to_numpy(model.teacher(X) - model.student(X)) / 3
    assert evaluated(model, X, Y)["distillation_loss"] == pytest.approx((gap**2).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["student_loss_fn", "distillation_loss_fn"])
def test_a_function_that_has_taken_its_mean_already_is_refused(name):
    """Weights would multiply the mean of all, those of weight 0 among them."""
    model = pair()
    model.compile(**EAGER, **{name: lambda y, z: ops.mean(z)})
    with pytest.raises(ValueError, match=f"{name} returns one number for the batch; expected one"):
        evaluated(model, X, Y, WEIGHT)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CategoricalCrossentropy(from_logits=True),
        keras.losses.CategoricalFocalCrossentropy(from_logits=True),
        keras.losses.MeanSquaredError(),
    ],
)
def test_a_loss_of_keras_over_one_hot_labels_says_so_of_class_ids(loss):
    model = pair()
    model.compile(**EAGER, student_loss_fn=loss)
    for labels in (Y, Y[:, None]):
        with pytest.raises(
            ValueError, match="class ids, and the student_loss_fn, .*takes a number"
        ):
            evaluated(model, X, labels)
    assert np.isfinite(evaluated(model, X, np.eye(3)[Y])["student_loss"])


@pytest.mark.parametrize("classes", [1, 3])
def test_labels_may_come_in_another_form_each_time(classes):
    """Compiled for some forms, TensorFlow would no longer tell how many axes the next has."""
    model, y = pair(classes), Y % 2 if classes == 1 else Y
    model.compile("sgd")
    forms = [y, y[:, None], y] if classes == 1 else [y, np.eye(3)[y], y, y[:, None], np.eye(3)[y]]
    found = [evaluated(model, X, form)["loss"] for form in forms]
    assert found == pytest.approx([found[0]] * len(forms), rel=1e-5)
    for form in forms:
        model.fit(X, form, validation_data=(X, y), verbose=0)


def test_logits_without_an_axis_of_classes_are_refused():
    def squeezed(seed):
        return keras.Sequential([network(1, seed), layers.Reshape(())])

    with pytest.raises(
        ValueError, match=r"logits of shape \(None,\); expected \(batch, ..., class"
    ):
        Distiller(squeezed(0), squeezed(1), outputs="logits")


def test_what_the_networks_say_cannot_be_set_later():
    model = pair()
    for name in ("exclusive", "classes"):
        with pytest.raises(
            ValueError, match=f"{name} is how the networks end; say it in Distiller"
        ):
            setattr(model, name, 1)


def test_classes_that_a_softmax_leaves_out_are_not_distilled():
    allowed = np.tile([True, True, False], (6, 1))

    def masked(seed):
        keras.utils.set_random_seed(seed)
        x, mask = keras.Input((4,)), keras.Input((3,), dtype="bool")
        return keras.Model([x, mask], layers.Softmax()(layers.Dense(3)(x), mask=mask))

    model = Distiller(masked(0), masked(1))
    model.compile(**EAGER, alpha=0.0, temperature=2.0)
    p, q = (
        softening.softmax(ops.convert_to_numpy(end(X))[:, :2], 2.0)
        for each in (model.teacher, model.student)
        for end in each.layers
        if isinstance(end, layers.Dense)
    )
    found = evaluated(model, [X, allowed], Y)["distillation_loss"]
    assert found == pytest.approx(softening.kl_divergence(p, q).mean(), rel=1e-5)


@pytest.mark.parametrize(("name", "argument"), [("export", "folder"), ("quantize", "int8")])
def test_what_is_for_the_student_leaves_the_teacher_as_it_is(name, argument):
    model = pair()
    before = ops.convert_to_numpy(model.teacher(X))
    with pytest.raises(ValueError, match=rf"for the student.* distiller\.student\.{name}"):
        getattr(model, name)(argument)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.teacher(X)), before)


def test_one_batch_is_checked_as_fit_checks():
    model = pair(student="sigmoid")
    model.compile(**EAGER)
    for given in ({"class_weight": {0: 10.0}}, {"sample_weight": WEIGHT * np.nan}):
        with pytest.raises(ValueError, match="one class|holds nan"):
            model.train_on_batch(X, np.eye(3, dtype="float32")[Y], **given)
    with pytest.raises(ValueError, match="holds nan"):
        model.test_on_batch(X, np.eye(3, dtype="float32")[Y], sample_weight=WEIGHT * np.nan)
    model = pair()
    model.compile(keras.optimizers.SGD(0.0), alpha=1.0, run_eagerly=True)
    log_q = softening.log_softmax(ops.convert_to_numpy(model.student(X)).astype(float))
    losses = -log_q[np.arange(6), Y]
    found = model.train_on_batch(X, Y, class_weight={1: 3.0}, return_dict=True)["loss"]
    assert found == pytest.approx((losses * np.where(Y == 1, 3, 1)).mean(), rel=1e-5)
    found = model.test_on_batch(X, Y, sample_weight=WEIGHT, return_dict=True)["loss"]
    assert found == pytest.approx((losses * WEIGHT).mean(), rel=1e-5)


def test_a_metric_that_was_chosen_for_class_ids_takes_no_one_hot_labels():
    model = pair()
    model.compile(keras.optimizers.SGD(0.0), ["accuracy"], alpha=1.0)
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y[:, None], verbose=0)
    for call in (model.fit, model.evaluate):
        with pytest.raises(
            ValueError, match="one-hot now, or the reverse, and 'accuracy' was chos"
        ):
            call(X, np.eye(3)[Y], verbose=0)
    model.compile(keras.optimizers.SGD(0.0), ["accuracy"], alpha=0.0)
    model.evaluate(X, verbose=0)  # without labels there is no form
    found = model.evaluate(X, np.eye(3)[Y], verbose=0, return_dict=True)["accuracy"]
    right = ops.convert_to_numpy(model.student(X)).argmax(-1) == Y
    assert found == pytest.approx(right.mean())


METRICS = keras.metrics


@pytest.mark.parametrize(
    ("y", "end", "metric", "message"),
    [
        (Y, None, METRICS.CategoricalAccuracy(), "class ids, and the metric categoricalaccuracy"),
        (Y, None, METRICS.MeanMetricWrapper(METRICS.categorical_accuracy), "are class ids, and"),
        (Y, None, "binary_accuracy", "are class ids, and the metric binaryaccuracy"),
        (Y, None, METRICS.Precision(), "are class ids, and the metric precision"),
        (Y, None, METRICS.OneHotMeanIoU(3), "are class ids, and the metric onehotmeaniou"),
        (Y, None, METRICS.MeanIoU(3), "say sparse_y_pred=False"),
        (Y, None, "sparse_categorical_crossentropy", "takes probabilities, and the student return"),
        (
            Y,
            "softmax",
            METRICS.SparseCategoricalCrossentropy(from_logits=True),
            "takes logits, and",
        ),
        (
            np.eye(3)[Y],
            None,
            METRICS.SparseCategoricalAccuracy(),
            "takes class ids. 'accuracy' tak",
        ),
        (
            np.eye(3)[Y],
            None,
            METRICS.sparse_categorical_accuracy,
            "takes class ids. 'accuracy' tak",
        ),
        (np.eye(3)[Y], None, METRICS.MeanIoU(3, sparse_y_pred=False), "takes class ids. 'accurac"),
    ],
)
def test_a_metric_that_would_report_a_wrong_number_is_refused(y, end, metric, message):
    for eager in (True, False):
        model = pair(student=end)
        model.compile("sgd", [metric], run_eagerly=eager)
        for step in (model.evaluate, model.fit):
            with pytest.raises(ValueError, match=message):
                step(X, y, verbose=0)


ONE_NUMBER = "says yes or no, and the metric .* compares classes; .*BinaryAccuracy"
AT_HALF = "0.5 as the line .* returns logits: say "


@pytest.mark.parametrize(
    ("end", "metric", "message"),
    [
        (None, "accuracy", AT_HALF + "threshold=0 .*BinaryAccuracy"),
        (None, "binary_accuracy", AT_HALF + "threshold=0"),
        (None, METRICS.Precision(), AT_HALF + "thresholds=0"),
        (None, METRICS.FalseNegatives(), AT_HALF + "thresholds=0"),
        (None, METRICS.BinaryIoU(), AT_HALF + "threshold=0"),
        (None, "bce", "takes probabilities, and the student returns logits: say from_logits=True"),
        (None, METRICS.AUC(), "takes probabilities, .*: say from_logits=True"),
        (None, METRICS.PrecisionAtRecall(0.5), "probabilities, .*: score a network of the stud"),
        (None, METRICS.F1Score(threshold=0.5), "probabilities, .*: score a network of the stud"),
        ("sigmoid", METRICS.AUC(from_logits=True), "takes logits, .*: say from_logits=False"),
        (None, "categorical_accuracy", ONE_NUMBER),
        (None, METRICS.MeanIoU(2, sparse_y_pred=False), ONE_NUMBER),
        ("sigmoid", "sparse_categorical_accuracy", ONE_NUMBER),
        ("sigmoid", METRICS.F1Score(), ONE_NUMBER),
        ("sigmoid", "kl_divergence", ONE_NUMBER),
    ],
)
def test_a_metric_that_would_be_wrong_of_one_logit_is_refused(end, metric, message):
    model = pair(1, student=end)
    model.compile("sgd", [metric])
    for step in (model.evaluate, model.fit):
        with pytest.raises(ValueError, match=message):
            step(X, Y % 2, verbose=0)


def test_where_several_classes_may_hold_no_metric_looks_for_the_largest():
    for metric in ("accuracy", "categorical_accuracy", METRICS.F1Score(), "kl_divergence"):
        model = pair(student="sigmoid")
        model.compile("sgd", [metric])
        with pytest.raises(ValueError, match="yes or no of each class, and the metric"):
            model.evaluate(X, np.eye(3)[Y], verbose=0)


def test_metrics_of_one_logit_report_what_numpy_finds():
    y = Y % 2
    for end, line in ((None, 0.0), ("sigmoid", 0.5)):
        model = pair(1, student=end)
        model.compile(
            "sgd",
            [
                METRICS.BinaryAccuracy(threshold=line, name="accuracy"),
                METRICS.Precision(thresholds=line, name="precision"),
                METRICS.AUC(from_logits=end is None, num_thresholds=5000, name="auc"),
            ],
        )
        found, said = evaluated(model, X, y), ops.convert_to_numpy(model.student(X))[:, 0]
        assert found["accuracy"] == pytest.approx(((said > line) == y).mean())
        hits = y[said > line]
        assert found["precision"] == pytest.approx(hits.mean() if len(hits) else 0)
        pairs = [one > other for one in said[y == 1] for other in said[y == 0]]
        assert found["auc"] == pytest.approx(np.mean(pairs), abs=1e-3)


def test_a_metric_that_fits_reports_what_numpy_finds():
    for y, metric in (
        (Y, METRICS.SparseCategoricalAccuracy(name="found")),
        (np.eye(3)[Y], METRICS.CategoricalAccuracy(name="found")),
        (
            Y,
            METRICS.MeanMetricWrapper(
                lambda y, z: ops.argmax(z, -1) == ops.cast(y, "int32"), name="found"
            ),
        ),
    ):
        model = pair()
        model.compile("sgd", [metric])
        right = ops.convert_to_numpy(model.student(X)).argmax(-1) == Y
        assert evaluated(model, X, y)["found"] == pytest.approx(right.mean())
    model = pair()
    model.compile(
        "sgd",
        [
            METRICS.SparseCategoricalCrossentropy(from_logits=True, name="entropy"),
            METRICS.MeanIoU(3, sparse_y_pred=False, name="iou"),
        ],
    )
    found = evaluated(model, X, Y)
    assert found["entropy"] == pytest.approx(found["student_loss"], rel=1e-5)
    said = ops.convert_to_numpy(model.student(X)).argmax(-1)
    each = [np.sum((said == c) & (c == Y)) / np.sum((said == c) | (c == Y)) for c in range(3)]
    assert found["iou"] == pytest.approx(np.mean(each))


def test_weights_may_come_in_another_form_each_time():
    """As labels may: compiled for two forms, TensorFlow no longer tells how many axes there are."""

    def of_pixels(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((2, 2, 3)), layers.Conv2D(3, 1)])

    images = np.random.default_rng(0).normal(size=(6, 2, 2, 3)).astype("float32")
    labels, each = np.tile(Y[:, None, None], (1, 2, 2)), np.arange(6.0) + 1
    model = Distiller(of_pixels(0), of_pixels(1))
    model.compile("sgd", alpha=0.3)
    forms = [each, np.tile(each[:, None, None], (1, 2, 2)), each, None, each]
    found = [
        model.evaluate(images, labels, sample_weight=form, verbose=0, return_dict=True)["loss"]
        for form in forms
    ]
    assert found[:3] + found[4:] == pytest.approx([found[0]] * 4, rel=1e-5)
    assert found[3] != pytest.approx(found[0], rel=1e-3)
    for form in forms:
        model.fit(images, labels, sample_weight=form, verbose=0)


def test_before_compile_it_says_so():
    for step in (pair().fit, pair().evaluate):
        with pytest.raises(ValueError, match="call `compile"):
            step(X, Y, verbose=0)


def test_a_negative_weight_is_refused():
    model = pair()
    model.compile("sgd")
    for given in (
        {"sample_weight": -WEIGHT - 1},
        {"sample_weight": np.array([1, 1, -2, 1, 1, 1])},
        {"class_weight": {0: 1.0, 1: -0.5}},
        {"class_weight": {2: np.nan}},
    ):
        with pytest.raises(ValueError, match="_weight holds (-|nan).*expected finite numbers fro"):
            model.fit(X, Y, verbose=0, **given)


def test_metrics_are_of_the_output_that_is_distilled():
    right = ops.convert_to_numpy(two_heads(dict, 1)(X)["mask"]).argmax(-1) == Y
    for metrics in (["accuracy"], {"mask": ["accuracy"]}, {"mask": "accuracy"}):
        model = Distiller(two_heads(dict, 1), two_heads(dict, 2), output_name="mask")
        model.compile("sgd", metrics)
        assert evaluated(model, X, {"mask": Y, "edge": Y})["accuracy"] == pytest.approx(
            right.mean()
        )
    for wrong in (
        {"edge": ["accuracy"]},
        {"mask": ["accuracy"], "edge": ["accuracy"]},
        {"typo": []},
    ):
        with pytest.raises(
            ValueError, match=f"metrics is for '{[*wrong][0]}'.*dictionary for 'mas"
        ):
            model.compile("sgd", wrong)
        with pytest.raises(ValueError, match=f"metrics is for '{[*wrong][0]}'"):
            pair().compile("sgd", wrong)


def test_where_keras_counts_in_float64_the_losses_are_what_they_were():
    model = pair()
    model.compile("sgd", alpha=0.3)
    expected = evaluated(model, X, Y)
    weights = [*model.student.get_weights(), *model.teacher.get_weights()]
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model = pair()
        model.compile("sgd", alpha=0.3)
        model.student.set_weights(weights[:2])
        model.teacher.set_weights(weights[2:])
        assert evaluated(model, X, Y) == pytest.approx(expected, rel=1e-5)
        assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(policy)


def test_a_student_in_float16_has_its_loss_scaled_whatever_the_policy_is_now():
    # Unscaled, gradients this small are 0 in float16.
    keras.utils.set_random_seed(0)
    student = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, dtype="mixed_float16"),
            layers.Dense(3, dtype="float32"),
        ]
    )
    student.layers[1].set_weights([1e-6 * np.ones((3, 3), "float32"), np.zeros(3, "float32")])
    before = student.layers[0].get_weights()[0]
    model = Distiller(student, network(seed=1))
    model.compile(keras.optimizers.Adam(1e-3, epsilon=1e-12), alpha=0.0, temperature=1.0)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    model.fit(X, epochs=3, verbose=0)
    assert abs(student.layers[0].get_weights()[0] - before).max() > 1e-4
    model.compile("sgd", auto_scale_loss=False)
    assert not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize(
    "around",
    [
        lambda layer: keras.Sequential([keras.Input((4,)), layer]),
        lambda layer: keras.Sequential([keras.Sequential([keras.Input((4,)), layer])]),
        lambda layer: layers.SpectralNormalization(layer),
    ],
    ids=["a network", "two networks", "a layer"],
)
def test_layers_in_float16_are_found_however_deep(around):
    inner = around(layers.Dense(3, dtype="mixed_float16"))
    student = keras.Sequential([keras.Input((4,)), inner, layers.Dense(3, dtype="float32")])
    model = Distiller(student, network(seed=1))
    model.compile("sgd")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    model = pair()
    model.compile("sgd")
    assert not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_inputs_of_two_shapes_have_a_remedy():
    with pytest.raises(ValueError, match=r"inputs .* \(None, 4\), .* or teacher_input, a function"):
        Distiller(network(), network(shape=(5,)))
    with pytest.raises(ValueError, match=r"logits .* both see the same batch\.$"):
        Distiller(
            network(shape=(5, 4)),
            keras.Sequential([keras.Input((5, 4)), layers.Flatten(), layers.Dense(3)]),
        )
