"""The Distiller on networks that are not ours: ends, labels, one logit, several inputs."""

import keras
import numpy as np
import pytest
import scipy.sparse
from keras import layers, ops

from kdlib import softening
from kdlib.beyond import METHODS, BeyondDistiller, Term, attention, hint
from kdlib.distiller import Distiller
from kdlib.losses import bernoulli_divergence
from kdlib.network_ends import class_logits, distribution, logits_and_outputs, logits_model
from tests.kdlib.small import values

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.arange(6) % 3
EAGER = {"run_eagerly": True, "optimizer": "sgd"}


def dense(*last, width=8, seed=0):
    """A classifier of four numbers whose last layers are given."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), layers.Dense(width, "relu"), *last])


def numpy_logits(model, x=X):
    return ops.convert_to_numpy(logits_model(model)(x)).astype(float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    def __init__(self, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.first, self.last = layers.Dense(8, "relu"), layers.Dense(3, activation)

    def call(self, x, training=False):
        return self.last(self.first(x))

    def get_config(self):
        return {"activation": self.activation}


class Own(layers.Layer):
    def call(self, x):
        return 1.0 * x


class Gated(layers.Layer):
    """Uses a softmax, and does not end in it."""

    def __init__(self):
        super().__init__()
        self.activation, self.dense = keras.activations.softmax, layers.Dense(3)

    def call(self, x):
        return self.dense(x) * self.activation(self.dense(x))


class Times(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


class Softer(layers.Dense):
    def call(self, x, training=None):
        return ops.softmax(super().call(x))


class Softmax(layers.Layer):
    """Has the name of a layer of Keras, and does something else."""

    def call(self, x):
        return ops.softmax(x / 4)


class Twice(keras.Sequential):
    def call(self, x, training=None, mask=None):
        return super().call(2 * x)


class SoftAfterAll(keras.Model):
    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(3)(inputs))

    def call(self, x, training=None, mask=None):
        return ops.softmax(super().call(x))


class Moody(Subclassed):
    """Gives logits in training, and probabilities otherwise."""

    def call(self, x, training=False):
        z = super().call(x)
        return z if training else ops.softmax(z)

    @classmethod
    def built(cls):
        model = cls()
        model(X)
        return model


SAID = {"outputs": "probabilities"}
HIDDEN = {
    "code of a layer": lambda: dense(Softer(3)),
    "a layer called logits": lambda: dense(layers.Dense(3), Softmax(name="logits")),
    "a function called logits": lambda: dense(
        layers.Dense(3), layers.Lambda(ops.softmax, name="logits")
    ),
    "around a layer": lambda: dense(
        layers.SpectralNormalization(layers.Dense(3, "softmax"), name="logits")
    ),
    "a layer called Softmax": lambda: dense(layers.Dense(3), Softmax()),
    "activation of keras.ops": lambda: dense(layers.Dense(3, activation=ops.softmax)),
    "call of a functional subclass": SoftAfterAll,
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_softmax_inside_is_noticed_whatever_the_layer_is_called(name):
    """Not by its name: by what its code does. The logits are then the logarithms."""
    keras.utils.set_random_seed(3)
    model = HIDDEN[name]()
    assert distribution(model) == "categorical"
    found = softening.softmax(numpy_logits(model))
    np.testing.assert_allclose(found, ops.convert_to_numpy(model(X)), atol=1e-6)


class BySum(layers.Layer):
    """A softmax that no name shows: the exponentials over their sum."""

    def call(self, x):
        grown = ops.exp(x)
        return grown / ops.sum(grown, axis=-1, keepdims=True)


def test_a_softmax_written_out_is_noticed_by_what_it_gives():
    soft, linear = (dense(layers.Dense(3), end(name="logits")) for end in (BySum, Own))
    assert distribution(soft) == "categorical" and distribution(linear) is None
    found = softening.softmax(numpy_logits(soft))
    np.testing.assert_allclose(found, ops.convert_to_numpy(soft(X)), atol=1e-6)
    np.testing.assert_array_equal(numpy_logits(linear), ops.convert_to_numpy(linear(X)))


def test_a_linear_layer_for_each_time_ends_in_logits():
    for end in (None, "softmax"):
        inputs = keras.Input((5, 4))
        model = keras.Model(inputs, layers.TimeDistributed(layers.Dense(3, end))(inputs))
        assert distribution(model) == (end and "categorical")


class Drawing(layers.Layer):
    """Draws each time that its code is followed."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seed)


def test_looking_at_a_network_changes_nothing_in_it():
    model = dense(layers.Dense(3), Drawing(name="logits"))
    before = [ops.convert_to_numpy(v).copy() for v in model.variables]
    state = ops.convert_to_numpy(model.layers[-1].seed.state).copy()
    logits_model(model)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.layers[-1].seed.state), state)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new))


def test_what_a_subclass_does_with_its_layers_counts():
    model = Twice([keras.Input((4,)), layers.Dense(3)])
    np.testing.assert_allclose(numpy_logits(model), ops.convert_to_numpy(model(X)), atol=1e-6)
    distiller = Distiller(model, dense(layers.Dense(3), seed=1))
    distiller.compile(**EAGER, alpha=1.0)
    z = ops.convert_to_numpy(model(X)).astype(float)
    hard = -softening.log_softmax(z)[np.arange(6), Y].mean()
    assert distiller.evaluate(X, Y, verbose=0, return_dict=True)["loss"] == pytest.approx(hard)


@pytest.mark.tensorflow
def test_a_quantised_network_is_distilled():
    model = dense(layers.Dense(3, "softmax"))
    model.quantize("int8")
    z = numpy_logits(model)
    np.testing.assert_allclose(softening.softmax(z), ops.convert_to_numpy(model(X)), atol=1e-5)


def channels_first(*last):
    image = keras.Input((3, 8, 8))
    layer = layers.Conv2D(4, 1, data_format="channels_first")
    return keras.Model(image, last[0](image) if last else layer(image))


def subclassed(activation):
    model = Subclassed(activation)
    model(X)
    return model


def with_operation(function):
    inputs = keras.Input((4,))
    return keras.Model(inputs, function(layers.Dense(3)(inputs)))


ENDS = {
    "linear": lambda: dense(layers.Dense(3, name="any")),
    "softmax inside": lambda: dense(layers.Dense(3, "softmax")),
    "softmax in a layer called logits": lambda: dense(layers.Dense(3, "softmax", name="logits")),
    "softmax layer": lambda: dense(layers.Dense(3), layers.Softmax()),
    "activation layer": lambda: dense(layers.Dense(3), layers.Activation("softmax")),
    "float32 after it": lambda: dense(
        layers.Dense(3, "softmax"), layers.Activation("linear", dtype="float32")
    ),
    "operation": lambda: with_operation(ops.softmax),
    "nested": lambda: dense(keras.Sequential([layers.Input((8,)), layers.Dense(3, "softmax")])),
    "subclassed, linear": lambda: subclassed(None),
    "subclassed, softmax": lambda: subclassed("softmax"),
    "sigmoid inside": lambda: dense(layers.Dense(3, "sigmoid")),
    "sigmoid operation": lambda: with_operation(ops.sigmoid),
    "subclassed, sigmoid": lambda: subclassed("sigmoid"),
    "one logit": lambda: dense(layers.Dense(1)),
}


@pytest.mark.parametrize("name", ENDS)
def test_logits_are_what_comes_before_the_end_and_no_weight_is_copied(name):
    model = ENDS[name]()
    both = logits_and_outputs(model)
    z, outputs = (ops.convert_to_numpy(each) for each in both(X))
    ends = {"softmax": softening.softmax, "sigmoid": sigmoid}
    function = next((f for kind, f in ends.items() if kind in name), softening.softmax)
    expected = z if "linear" in name or "one" in name else function(z)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    np.testing.assert_allclose(outputs, ops.convert_to_numpy(model(X)), atol=1e-6)
    assert {id(v) for v in both.variables} == {id(v) for v in model.variables}
    kind = "bernoulli" if "sigmoid" in name or "one" in name else "categorical"
    assert distribution(model) == (None if "linear" in name else kind)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNet", "EfficientNetB0"])
def test_networks_of_keras_applications(name):
    network = getattr(keras.applications, name)
    model = network(weights=None, input_shape=(32, 32, 3), classes=5)
    x = np.random.default_rng(1).random((2, 32, 32, 3)).astype("float32")
    z = numpy_logits(model, x)
    np.testing.assert_allclose(softening.softmax(z), ops.convert_to_numpy(model(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: dense(layers.Dense(3, "softmax", name="logits"), layers.Softmax()), {}, "already"),
        (lambda: dense(layers.Dense(1, "softmax")), {}, "always 1"),
        (lambda: dense(layers.Dense(3), Own()), {}, "Say outputs='logits' or"),
        (lambda: dense(layers.Dense(3, "tanh")), {}, "Say outputs='logits' or"),
        (lambda: dense(layers.Dense(3, "softmax")), {"outputs": "logits"}, "ends in a softmax"),
        (lambda: dense(layers.Dense(3)), {"outputs": "probabilities"}, "gives no probabilities"),
        (lambda: dense(layers.Dense(3)), {"outputs": "scores"}, "outputs is 'scores'"),
        (lambda: Subclassed(), {}, "not built"),
        (lambda: dense(Gated()), {}, "Say outputs='logits' or"),
        (Moody.built, {}, "ends otherwise in training than in use"),
        (lambda: dense(layers.Dense(3, "log_softmax")), SAID, "with logsoftmax; that gives no"),
        (lambda: dense(layers.Dense(3), layers.ReLU()), SAID, "with relu; that gives no prob"),
        (lambda: dense(layers.Dense(3), Own(dtype="float16")), SAID, "probabilities in float16"),
        (lambda: dense(layers.Dense(3), Own(dtype="bfloat16")), SAID, "in bfloat16, where small"),
        (
            lambda: dense(layers.Dense(3), Own()),
            SAID,
            "gives values from .* expected probabilities",
        ),
        (
            lambda: dense(layers.Dense(3, "softmax"), Times(100.0)),
            SAID,
            "expected probabilities, as",
        ),
        (
            lambda: keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, activation="softmax")]),
            {},
            "Say outputs='logits' or",
        ),
        (lambda: channels_first(layers.Softmax(axis=1)), {}, "classes in axis 1; expected them"),
        (channels_first, {}, "classes in axis 1; expected them in the last"),
    ],
)
def test_ends_that_are_none(model, options, message):
    with pytest.raises(ValueError, match=message):
        logits_model(model(), **options)


def to_float32(x):
    return ops.cast(x, "float32")


class Cast(keras.Model):
    """Casts the probabilities of its last layer, which says (0, -20, -25) of everything."""

    def __init__(self, policy, cast):
        super().__init__()
        bias = keras.initializers.Constant([0.0, -20.0, -25.0])
        self.last = layers.Dense(3, "softmax", dtype=policy, bias_initializer=bias)
        self.cast = cast

    def call(self, x):
        return self.cast(self.last(x))

    @classmethod
    def built(cls, policy, cast):
        model = cls(policy, cast)
        model(X)
        model.last.kernel.assign(np.zeros((4, 3)))
        return model


class Clipped(layers.Layer):
    def call(self, x):
        return ops.clip(x, 1e-7, 1 - 1e-7)


def half(*last, policy="mixed_float16", classes=3, end="softmax"):
    """A classifier of half precision, and what follows it in float32."""
    return dense(layers.Dense(classes, end, dtype=policy), *last)


CAST_TOO_LATE = {
    "subclass, activation": (
        lambda: Cast.built("mixed_float16", layers.Activation("linear", dtype="float32")),
        "float16",
    ),
    "subclass, operation": (lambda: Cast.built("mixed_float16", to_float32), "float16"),
    "subclass, bfloat16": (lambda: Cast.built("mixed_bfloat16", to_float32), "bfloat16"),
    "lambda": (lambda: half(layers.Lambda(to_float32)), "float16"),
    "mean": (lambda: half(layers.Reshape((1, 3)), layers.GlobalAveragePooling1D()), "float16"),
    # Not to be seen in the graph: by what they give.
    "code of one's own": (lambda: half(Own(dtype="float32")), "float16"),
    "bfloat16": (lambda: half(Own(dtype="float32"), policy="mixed_bfloat16"), "bfloat16"),
    "clipped": (lambda: half(Clipped(dtype="float32")), "float16"),
    "one sigmoid": (lambda: half(Own(dtype="float32"), classes=1, end="sigmoid"), "float16"),
}


@pytest.mark.parametrize("name", CAST_TOO_LATE)
def test_probabilities_of_half_precision_are_refused_though_they_are_cast(name):
    model, dtype = CAST_TOO_LATE[name]
    with pytest.raises(ValueError, match=f"gives probabilities in {dtype}, where .* too late"):
        logits_model(model(), **SAID)


class OneHot(layers.Layer):
    def call(self, x):
        return ops.one_hot(ops.argmax(x, axis=-1), 3)


class Votes(layers.Layer):
    """Counts what each of 256 votes for: shares that float16 holds too."""

    def call(self, x):
        return ops.round(256 * x) / 256


@pytest.mark.parametrize(
    "model",
    [
        lambda: dense(layers.Dense(3, "softmax"), Own()),
        lambda: dense(layers.Dense(4, "softmax", kernel_initializer="zeros"), Own()),
        lambda: dense(layers.Dense(1, "sigmoid", kernel_initializer="zeros"), Own()),
        lambda: dense(layers.Dense(3, "softmax"), Clipped()),
        lambda: dense(layers.Dense(3), OneHot()),
        lambda: dense(layers.Dense(3, "softmax"), Votes()),
        lambda: Cast.built("float32", to_float32),
    ],
)
def test_round_probabilities_of_float32_are_not_taken_for_half_precision(model):
    model = model()
    z = ops.convert_to_numpy(logits_model(model, **SAID)(X)).astype(float)
    p = ops.convert_to_numpy(model(X))
    found = softening.softmax(z) if p.shape[-1] > 1 else sigmoid(z)
    np.testing.assert_allclose(found, p, atol=1e-6)


@pytest.mark.parametrize("cast", [to_float32, layers.Activation("linear", dtype="float32")])
def test_the_logits_before_a_cast_are_not_lost(cast):
    inputs = keras.Input((4,))
    inner = Cast.built("mixed_float16", cast).last
    teacher = keras.Model(inputs, cast(inner(inputs)))
    np.testing.assert_array_equal(numpy_logits(teacher), np.tile([0, -20, -25], (6, 1)))
    model = Distiller(dense(layers.Dense(3, kernel_initializer="zeros")), teacher)
    model.compile(**EAGER, alpha=0.0, temperature=8.0)
    loss = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    p = softening.softmax(np.array([0.0, -20.0, -25.0]), 8.0)
    expected = 64 * (p * np.log(3 * p)).sum()  # 43.25; of logarithms of the probabilities 70.28
    assert loss == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_seen_can_be_said():
    linear, soft = dense(layers.Dense(3), Own()), dense(layers.Dense(3, "softmax"), Own())
    z = ops.convert_to_numpy(logits_model(linear, outputs="logits")(X))
    np.testing.assert_array_equal(z, ops.convert_to_numpy(linear(X)))
    z = ops.convert_to_numpy(logits_model(soft, outputs="probabilities")(X))
    np.testing.assert_allclose(softening.softmax(z), ops.convert_to_numpy(soft(X)), atol=1e-6)


def by_hand(model, y, alpha, temperature):
    """Loss in float64, for categorical logits and labels of any form."""
    z_s, z_t = numpy_logits(model.student), numpy_logits(model.teacher)
    shares = np.eye(z_s.shape[-1])[y] if np.ndim(y) == 1 else y
    hard = -(shares * softening.log_softmax(z_s)).sum(-1).mean()
    p, q = softening.softmax(z_t, temperature), softening.softmax(z_s, temperature)
    soft = softening.kl_divergence(p, q).mean()
    return alpha * hard + (1 - alpha) * temperature**2 * soft


SOFT = np.random.default_rng(2).dirichlet(np.ones(3), 6).astype("float32")


@pytest.mark.parametrize(
    "y",
    [Y, Y[:, None], np.eye(3, dtype="float32")[Y], SOFT],
    ids=["ids", "axis", "one-hot", "soft"],
)
def test_labels_of_any_form_on_networks_of_two_kinds(y):
    model = Distiller(subclassed("softmax"), dense(layers.Dense(3, name="head"), seed=3))
    model.compile(**EAGER, alpha=0.3, temperature=2.0)
    plain = y[:, 0] if y.shape == (6, 1) else y
    loss = model.evaluate(X, y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(by_hand(model, plain, 0.3, 2.0), rel=1e-5)
    before = values(model.student.variables)
    model.fit(X, y, verbose=0)
    assert any((a != b).any() for a, b in zip(before, values(model.student.variables), strict=True))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has no sparse tensors there")
def test_sparse_labels_count_as_they_would_if_dense():
    one_hot = np.eye(3, dtype="float32")[Y]
    for alpha in (0.0, 0.3):
        model = Distiller(dense(layers.Dense(3)), dense(layers.Dense(3), seed=3))
        model.compile("sgd", alpha=alpha, temperature=2.0, metrics=["accuracy"])
        dense_labels = model.evaluate(X, one_hot, verbose=0, return_dict=True)
        sparse = model.evaluate(X, scipy.sparse.csr_matrix(one_hot), verbose=0, return_dict=True)
        assert sparse == pytest.approx(dense_labels)
        model.fit(X, scipy.sparse.csr_matrix(one_hot), verbose=0)


def test_networks_of_float64_are_distilled():
    def network(seed):
        keras.utils.set_random_seed(seed)
        head = layers.Dense(3, dtype="float64", kernel_regularizer="l2")
        return keras.Sequential([keras.Input((4,), dtype="float64"), head])

    model = Distiller(network(0), network(1))
    model.compile("sgd", alpha=0.3, temperature=2.0)
    loss = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    added = 0.01 * (values(model.student.weights)[0] ** 2).sum()
    assert loss == pytest.approx(by_hand(model, Y, 0.3, 2.0) + added, rel=1e-5)
    before = values(model.student.weights)
    model.fit(X, Y, verbose=0)
    assert all((a != b).any() for a, b in zip(before, values(model.student.weights), strict=True))


def test_labels_that_the_loss_does_not_take_are_refused():
    model = Distiller(dense(layers.Dense(3)), dense(layers.Dense(3)))
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(**EAGER, student_loss_fn=sparse)
    with pytest.raises(ValueError, match="one-hot, and the student_loss_fn takes class ids"):
        model.evaluate(X, SOFT, verbose=0)
    model.compile(**EAGER)
    with pytest.raises(ValueError, match="expected class ids, or a share of each"):
        model.evaluate(X, np.zeros((6, 7)), verbose=0)
    several = Distiller(dense(layers.Dense(3, "sigmoid")), dense(layers.Dense(3, "sigmoid")))
    several.compile(**EAGER)
    with pytest.raises(ValueError, match="expected 0 to 1 for each label"):
        several.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("classes", [1, 3])
def test_one_logit_and_several_labels_are_yes_or_no(classes):
    alpha, T = 0.3, 3.0
    student = dense(layers.Dense(classes, "sigmoid"), seed=1)
    model = Distiller(student, dense(layers.Dense(classes), seed=2))
    model.compile(**EAGER, alpha=alpha, temperature=T)
    y = np.random.default_rng(1).integers(0, 2, (6, classes))
    z_s, z_t = numpy_logits(model.student), numpy_logits(model.teacher)
    q1 = sigmoid(z_s)
    hard = -(y * np.log(q1) + (1 - y) * np.log(1 - q1)).mean()
    p, q = sigmoid(z_t / T), sigmoid(z_s / T)
    soft = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    expected = alpha * hard + (1 - alpha) * T**2 * soft
    for labels in (y, y[:, 0]) if classes == 1 else (y,):
        found = model.evaluate(X, labels, verbose=0, return_dict=True)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["distillation_loss"] > 0
    # Far apart, so that float32 has digits enough.
    p, q = sigmoid(9 * z_t / T), sigmoid(9 * z_s / T)
    soft = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    value = ops.convert_to_numpy(bernoulli_divergence(9 * z_t, 9 * z_s, T)).mean()
    assert value == pytest.approx(soft, rel=1e-5)


def test_what_the_student_adds_to_the_loss_itself_stays():
    options = {"activity_regularizer": "l2", "kernel_regularizer": "l2"}
    student = dense(layers.Dense(5, **options), layers.Dense(3, "softmax", **options))
    model = Distiller(student, dense(layers.Dense(3), seed=2))
    model.compile(keras.optimizers.SGD(0.0), alpha=0.3, temperature=2.0, run_eagerly=True)
    student(X)
    added = float(sum(student.losses))
    for _ in range(2):  # nothing is left of the step before
        found = model.fit(X, Y, batch_size=6, verbose=0).history["loss"][0]
        assert found == pytest.approx(by_hand(model, Y, 0.3, 2.0) + added, rel=1e-4)


def test_a_softmax_cannot_teach_sigmoids():
    with pytest.raises(ValueError, match="a softmax, the other in a sigmoid"):
        Distiller(dense(layers.Dense(3, "sigmoid")), dense(layers.Dense(3, "softmax")))


@pytest.mark.parametrize("eager", [False, True])
def test_without_labels_at_alpha_0(eager):
    models = []
    for y in (None, Y):
        keras.utils.set_random_seed(5)
        model = Distiller(dense(layers.Dense(3), seed=1), dense(layers.Dense(3), seed=2))
        model.compile(keras.optimizers.SGD(0.1), alpha=0.0, run_eagerly=eager)
        history = model.fit(X, y, epochs=2, verbose=0, shuffle=False).history
        evaluated = model.evaluate(X, y, verbose=0, return_dict=True)
        models.append((values(model.student.variables), history["loss"], evaluated["loss"]))
    for a, b in zip(models[0][0], models[1][0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(models[0][1], models[1][1], rtol=1e-5)
    model.alpha = 0.5
    with pytest.raises(ValueError, match="the batch has no labels, and alpha is 0.5"):
        model.fit(X, verbose=0)


def test_sample_weights_and_class_weights_count_in_both_losses():
    model = Distiller(dense(layers.Dense(3), seed=1), dense(layers.Dense(3), seed=2))
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True, alpha=0.3)
    by_class = {0: 0.5, 1: 2.0, 2: 0.0}
    weight = np.array([by_class[y] for y in Y], "float32")
    found = model.fit(X, Y, class_weight=by_class, verbose=0).history
    expected = model.evaluate(X, Y, sample_weight=weight, verbose=0, return_dict=True)
    for key, value in expected.items():
        assert found[key][0] == pytest.approx(value, rel=1e-5)


def two_inputs(names, seed):
    keras.utils.set_random_seed(seed)
    inputs = {name: keras.Input((4,), name=name) for name in names}
    both = layers.Concatenate()([inputs["b"], inputs["a"]])
    return keras.Model(inputs, {"mask": layers.Dense(3)(both), "edge": layers.Dense(2)(both)})


def test_several_inputs_and_a_chosen_output():
    student, teacher = two_inputs("ab", 1), two_inputs("ba", 2)
    with pytest.raises(ValueError, match="has the outputs 'edge', 'mask'|has the outputs 'mask'"):
        Distiller(student, teacher)
    model = Distiller(student, teacher, output_name="mask")
    model.compile(**EAGER, alpha=0.0, temperature=2.0)
    x = {"a": X, "b": 2 * X}
    z_s, z_t = (ops.convert_to_numpy(each(x)["mask"]).astype(float) for each in (student, teacher))
    p, q = softening.softmax(z_t, 2.0), softening.softmax(z_s, 2.0)
    loss = model.evaluate(x, Y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(4 * softening.kl_divergence(p, q).mean(), rel=1e-5)


def test_the_teacher_may_see_another_input():
    teacher = dense(layers.Dense(3), seed=2)
    model = Distiller(dense(layers.Dense(3), seed=1), teacher, teacher_input=lambda x: 10 * x)
    model.compile(**EAGER, alpha=0.0, temperature=1.0)
    p = softening.softmax(numpy_logits(teacher, 10 * X))
    q = softening.softmax(numpy_logits(model.student))
    loss = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(softening.kl_divergence(p, q).mean(), rel=1e-5)


class MoodyLayer(layers.Dense):
    def call(self, x, training=False):
        z = super().call(x)
        return z if training else ops.softmax(z)


def test_a_layer_that_ends_otherwise_in_training_is_refused():
    with pytest.raises(ValueError, match="layer 'moody.*' ends otherwise in training than in use"):
        logits_model(dense(MoodyLayer(3, name="moody")))


def test_a_distiller_is_no_teacher():
    model = Distiller(dense(layers.Dense(3)), dense(layers.Dense(3)))
    with pytest.raises(ValueError, match="teacher is a Distiller; expected .* its student"):
        Distiller(dense(layers.Dense(3)), model)


@pytest.mark.parametrize(
    ("seen", "given"),
    [
        (lambda x: x[:, :3], r"\(\w+, 3\)"),
        (lambda x: x[:, 0], r"\(\w+,\)"),
        (lambda x: {"image": x}, r"\{'image': \(\w+, 4\)\}"),
        (lambda x: None, "None"),
    ],
    ids=["narrower", "no axis", "dictionary", "nothing"],
)
def test_an_input_that_the_teacher_does_not_take_is_named(seen, given):
    pair = dense(layers.Dense(3)), dense(layers.Dense(3))
    for model in (
        Distiller(*pair, teacher_input=seen),
        BeyondDistiller(*pair, METHODS["squared-error"](), teacher_input=seen),
    ):
        model.compile(**EAGER)
        with pytest.raises(ValueError, match=f"teacher_input gives {given}; .*: \\(None, 4\\)"):
            model.fit(X, Y, verbose=0)


class LooksUp(keras.Model):
    """Looks ids up, and is called on them, so that Keras does not know their type."""

    def __init__(self, width, first=None):
        super().__init__()
        self.first, self.embedding = (
            first,
            layers.Embedding(5000, width, keras.initializers.RandomNormal(stddev=1.0)),
        )
        self.mean, self.dense = layers.GlobalAveragePooling1D(), layers.Dense(3, dtype="float32")

    def call(self, x):
        return self.dense(self.mean(self.embedding(x if self.first is None else self.first(x))))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_ids_reach_a_subclassed_network_as_they_are(policy):
    # In bfloat16 there is no 4999, and in float32 no 2 ** 24 + 1.
    last = layers.Lambda(lambda x: x - 2**24) if policy == "float32" else None
    ids = np.arange(4980, 5000).reshape(4, 5).astype("int32") + (2**24 if last else 0)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        networks = [LooksUp(width, last) for width in (2, 3)]
        outputs = [ops.convert_to_numpy(network(ids)) for network in networks]
        model = Distiller(*networks)
        model.compile(keras.optimizers.SGD(0.0), alpha=0.0, temperature=1.0)
        loss = model.evaluate(ids, verbose=0, return_dict=True)["loss"]
        found = model.predict(ids, verbose=0)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(found, outputs[0], atol=1e-6)
    q, p = (softening.softmax(z.astype(float)) for z in outputs)
    assert loss == pytest.approx(softening.kl_divergence(p, q).mean(), rel=1e-4)


@pytest.mark.tensorflow
def test_words_reach_a_subclassed_network_as_they_are():
    import tensorflow as tf

    words = tf.constant([["river", "park"], ["road", "road"]])
    networks = [LooksUp(n, layers.StringLookup(vocabulary=["park", "road"])) for n in (2, 3)]
    expected = [ops.convert_to_numpy(network(words)) for network in networks]
    model = Distiller(*networks)
    model.compile("sgd", alpha=0.5)
    model.fit(words, np.array([0, 2]), verbose=0)
    np.testing.assert_allclose(ops.convert_to_numpy(model.ask_teacher(words)), expected[1])


def test_words_to_look_up_are_no_reason_to_doubt_what_is_said():
    # Its inputs are ids: numbers drawn at random tell nothing of it.
    looked_up = keras.Sequential(
        [keras.Input((4,), dtype="int32"), layers.Embedding(9, 3), Own(), Softmax(name="shares")]
    )
    z = ops.convert_to_numpy(logits_model(looked_up, **SAID)(np.arange(8).reshape(2, 4)))
    np.testing.assert_allclose(np.exp(z).sum(-1), 1, atol=1e-6)


def test_a_distiller_of_other_networks_is_saved_whole(tmp_path):
    student = dense(layers.Dense(3, "softmax"), seed=1)
    model = Distiller(student, subclassed(None), outputs={"teacher": "logits"})
    model.compile("adam", alpha=0.3)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "distiller.keras")
    again = keras.models.load_model(tmp_path / "distiller.keras")
    for a, b in zip(values(model.variables), values(again.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    expected = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert again.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_callbacks_watch_the_students_loss(tmp_path):
    model = Distiller(dense(layers.Dense(3), seed=1), dense(layers.Dense(3), seed=2))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    stop = keras.callbacks.EarlyStopping("val_student_loss", patience=1, mode="min")
    path = str(tmp_path / "best.weights.h5")
    keep = keras.callbacks.ModelCheckpoint(
        path, "val_student_loss", mode="min", save_best_only=True, save_weights_only=True
    )
    history = model.fit(
        X, Y, validation_data=(X, Y), epochs=5, verbose=0, callbacks=[stop, keep]
    ).history
    assert len(history["val_student_loss"]) == 2  # no better in the second epoch
    before = values(model.student.variables)
    for variable in model.student.variables:
        variable.assign(0 * variable)
    model.load_weights(path)
    for a, b in zip(before, values(model.student.variables), strict=True):
        np.testing.assert_array_equal(a, b)


def test_features_of_such_networks_two_axes_too():
    student, teacher = dense(layers.Dense(3, "softmax"), width=5), dense(layers.Dense(3), width=8)
    names = (teacher.layers[0].name, student.layers[0].name)
    model = BeyondDistiller(student, teacher, Term(hint, [names], adapter=True))
    model.compile(**EAGER, alpha=0.5, temperature=2.0, weight=2.0)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    taught = ops.convert_to_numpy(teacher.layers[0](X))
    learned = ops.convert_to_numpy(model.adapters[0](student.layers[0](X)))
    term = ((taught - learned) ** 2).mean() / 2
    assert found["term"] == pytest.approx(term, rel=1e-5)
    assert found["loss"] == pytest.approx(by_hand(model, Y, 0.5, 2.0) + 2 * term, rel=1e-5)
    before = values(model.adapters[0].variables)
    model.fit(X, Y, verbose=0)
    assert (before[0] != values(model.adapters[0].variables)[0]).any()
    logits = BeyondDistiller(student, teacher, METHODS["standardised"]())
    logits.compile(**EAGER)
    assert logits.evaluate(X, Y, verbose=0, return_dict=True)["term"] > 0
    maps = BeyondDistiller(student, teacher, Term(attention, [names]))
    maps.compile(**EAGER)
    with pytest.raises(ValueError, match="expected .batch, height, width, channels. of both"):
        maps.evaluate(X, Y, verbose=0)


def with_backbone(width, seed):
    """A network whose features are those of a network inside, as in transfer learning."""
    keras.utils.set_random_seed(seed)
    body = [keras.Input((4,)), layers.Dense(width, "relu", name="first")]
    body += [layers.BatchNormalization(name="norm"), layers.Dense(width, "relu", name="last")]
    backbone, inputs = keras.Sequential(body, name="backbone"), keras.Input((4,))
    features = layers.Dropout(0.0, name="dropout")(backbone(2 * inputs))
    outputs = layers.Dense(3, "softmax", name="head")(features)
    return keras.Model(inputs, outputs, name=f"network{seed}")


def inside(model, name):
    return model.get_layer("backbone").get_layer(name)


def test_features_of_a_network_inside_a_sequential_one():
    def network(seed):
        keras.utils.set_random_seed(seed)
        body = keras.Sequential([keras.Input((4,)), layers.Dense(5, name="first")], name="backbone")
        return keras.Sequential([keras.Input((4,)), body, layers.Dense(3)])

    student, teacher = network(1), network(2)
    model = BeyondDistiller(student, teacher, Term(hint, ["backbone/first"]))
    model.compile(**EAGER, alpha=0.5, temperature=2.0)
    gap = ops.convert_to_numpy(inside(teacher, "first")(X) - inside(student, "first")(X))
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found["term"] == pytest.approx((gap**2).mean() / 2, rel=1e-5)


def test_features_inside_a_network_inside_in_one_pass():
    student, teacher = with_backbone(5, 1), with_backbone(8, 2)
    names = [("backbone/first", "backbone/first"), ("dropout", "dropout")]
    model = BeyondDistiller(student, teacher, Term(hint, names, adapter=True))
    model.compile(**EAGER, alpha=0.5, temperature=2.0, weight=2.0)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    terms = []
    for adapter, path in zip(model.adapters, (["first"], ["first", "norm", "last"]), strict=True):
        taught, learned = 2 * X, 2 * X
        for name in path:
            taught, learned = inside(teacher, name)(taught), inside(student, name)(learned)
        terms.append(float(ops.mean((taught - adapter(learned)) ** 2)) / 2)
    assert found["term"] == pytest.approx(sum(terms), rel=1e-5)
    assert found["loss"] == pytest.approx(by_hand(model, Y, 0.5, 2.0) + 2 * sum(terms), rel=1e-5)
    batch_mean = ops.convert_to_numpy(inside(student, "first")(2 * X)).mean(axis=0)
    model.fit(X, Y, verbose=0)
    moved = ops.convert_to_numpy(inside(student, "norm").moving_mean)
    np.testing.assert_allclose(moved, 0.01 * batch_mean, rtol=1e-4)  # once, at momentum 0.99
    with pytest.raises(ValueError, match="'backbone' has no layer 'second'; it has first, norm"):
        BeyondDistiller(student, teacher, Term(hint, ["backbone/second"]))
    with pytest.raises(ValueError, match="A layer of a network inside is called inner/layer"):
        BeyondDistiller(student, teacher, Term(hint, ["first"]))


def nested(seed, levels):
    """A network that is all inside another one, which doubles its input; or inside that of one."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    hidden = layers.Dense(5, "relu", name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(hidden), name="inner")
    for name in ("middle", "outer")[:levels]:
        inputs = keras.Input((4,))
        doubled = layers.Rescaling(2.0, name=f"{name}_twice")(inputs)
        model = keras.Model(inputs, model(doubled), name=name)
    return model


@pytest.mark.parametrize(("levels", "path"), [(1, "inner/hidden"), (2, "middle/inner/hidden")])
def test_features_of_a_network_that_is_the_last_thing_in_another(levels, path):
    student, teacher = nested(1, levels), nested(2, levels)
    model = BeyondDistiller(student, teacher, Term(hint, [path, f"{teacher.name}_twice"]))
    model.compile(**EAGER, alpha=0.5, temperature=2.0, weight=2.0)
    hidden = []
    for network in (student, teacher):
        for inner in path.split("/")[:-1]:
            network = network.get_layer(inner)
        hidden.append(network.get_layer("hidden")(2.0**levels * X))
    term = float(ops.mean((hidden[0] - hidden[1]) ** 2)) / 2
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found["term"] == pytest.approx(term, rel=1e-5)
    assert found["loss"] == pytest.approx(by_hand(model, Y, 0.5, 2.0) + 2 * term, rel=1e-5)


@pytest.mark.parametrize("classes", [1, 3])
def test_class_logits_have_a_number_a_class(classes):
    model = dense(layers.Dense(classes, "sigmoid" if classes == 1 else "softmax"))
    q = softening.softmax(ops.convert_to_numpy(class_logits(model)(X)).astype(float))
    found = ops.convert_to_numpy(model(X))
    np.testing.assert_allclose(q[:, 1:] if classes == 1 else q, found, atol=1e-6)


class Halves(keras.utils.PyDataset):
    """The batch in two halves, with weights."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        half = slice(3 * index, 3 * index + 3)
        return X[half], Y[half], WEIGHT[half]


WEIGHT = np.float32([1, 2, 0, 1, 0.5, 3])


def as_dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT)).batch(3)


@pytest.mark.parametrize(
    "batches",
    [Halves, as_dataset, lambda: (Halves()[index] for index in range(2))],
    ids=["PyDataset", "tf.data", "generator"],
)
def test_batches_may_come_from_anywhere(batches):
    models = []
    for given in (True, False):
        keras.utils.set_random_seed(0)  # before layers are made, which draw their seeds then
        model = Distiller(dense(layers.Dense(3), seed=1), dense(layers.Dense(3), seed=2))
        model.compile(keras.optimizers.SGD(0.1), alpha=0.3, run_eagerly=True)
        if given:
            history = model.fit(X, Y, 3, sample_weight=WEIGHT, shuffle=False, verbose=0).history
        else:
            history = model.fit(batches(), shuffle=False, verbose=0).history
        models.append((values(model.student.variables), history))
    (one, history), (other, again) = models
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for key, (value,) in history.items():
        assert again[key][0] == pytest.approx(value, rel=1e-5), key
