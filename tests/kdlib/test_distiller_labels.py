"""Labels outside the classes: of no account at weight 0, and an error elsewhere."""

import keras
import numpy as np
import pytest
from keras import layers

from kdlib.beyond import METHODS, BeyondDistiller
from kdlib.distiller import Distiller
from tests.kdlib.small import values

CLASSES, SIZE = 3, 4
OUTSIDE = [(255, "uint8"), (-1, "int8"), (3, "int32"), (255, "float32"), (np.nan, "float32")]
WAYS = [({}, *each) for each in OUTSIDE]
WAYS += [({way: True}, *OUTSIDE[i]) for way in ("jit_compile", "run_eagerly") for i in (0, 4)]


def network(width, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIZE, SIZE, 2))
    x = layers.Conv2D(width, 1, activation="relu")(inputs)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, name="logits")(x))


def distiller(**options):
    model = Distiller(network(2, 1), network(3, 2))
    model.compile(keras.optimizers.SGD(0.1), **{"alpha": 0.3, "temperature": 2.0, **options})
    return model


def batch(label, dtype, spot=(0, 1, 2)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, SIZE, SIZE, 2)).astype("float32")
    y = rng.integers(0, CLASSES, (4, SIZE, SIZE)).astype(dtype)
    y[spot] = label
    weight = np.ones(y.shape, "float32")
    weight[spot] = 0
    return x, y, weight


def trained(model, x, y, weight):
    settings = {"sample_weight": weight, "batch_size": 2, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, epochs=2, **settings).history
    evaluated = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    return values(model.student.variables), [*history["loss"], *evaluated.values()]


@pytest.mark.parametrize(("way", "label", "dtype"), WAYS, ids=str)
def test_at_weight_0_any_label_trains_and_scores_as_a_class_does(way, label, dtype):
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    results = [
        trained(distiller(metrics=metrics, **way), *batch(each, dtype)) for each in (label, 1)
    ]
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-6)


@pytest.mark.parametrize(("way", "label", "dtype"), [*WAYS, ({}, 1.5, "float32")], ids=str)
def test_one_such_pixel_that_counts_is_an_error_and_spoils_no_student(way, label, dtype):
    model = distiller(**way)
    x, y, _ = batch(label, dtype)
    for step in (model.fit, model.evaluate):
        with pytest.raises(Exception, match=f"a label is.*{label:g}.*0 to 2"):
            step(x, y, batch_size=2, verbose=0)
    assert all(np.isfinite(v).all() for v in values(model.student.variables))
    # The next step, on labels that are classes, is as if nothing had been.
    assert np.isfinite(model.fit(x, np.zeros_like(y), verbose=0).history["loss"]).all()


EACH_WAY = pytest.mark.parametrize(
    "way", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=str
)


@EACH_WAY
def test_integers_of_64_bits_stay_no_classes_where_a_backend_keeps_32(way):
    model = distiller(**way)
    x, y, weight = batch(1, "int64")
    expected = model.evaluate(x, y, sample_weight=weight, verbose=0)
    for label in (-(2**63), 2**32, 2**32 + 1, 2**40):
        y[0, 1, 2] = label
        assert model.evaluate(x, y, sample_weight=weight, verbose=0) == expected
        with pytest.raises(Exception, match="a label is"):
            model.test_on_batch(x, y)
    for step in (model.evaluate, model.train_on_batch, model.fit):
        with pytest.raises(Exception, match="a label is"):
            step(x, y)


class OneBatch(keras.utils.PyDataset):
    def __init__(self, *batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def one_batch(*batch):
    yield batch


@EACH_WAY
@pytest.mark.parametrize(
    "served", [OneBatch, one_batch, "tf.data"], ids=["PyDataset", "generator", "tf.data"]
)
def test_so_they_stay_where_they_come_in_batches(way, served):
    if served == "tf.data":
        tensorflow = pytest.importorskip("tensorflow")

        def served(*batch):
            return tensorflow.data.Dataset.from_tensors(batch)

    model = distiller(**way)
    x, y, weight = batch(1, "int64")
    for label in (np.array(np.nan).astype("int64"), 2**32, -(2**32)):
        y[0, 1, 2] = label
        for step in (model.evaluate, model.fit):
            with pytest.raises(Exception, match="a label is"):
                step(served(x, y), verbose=0)
    expected = model.evaluate(x, y, sample_weight=weight, verbose=0)
    found = model.evaluate(served(x, y, weight), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@EACH_WAY
@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0])
def test_a_weight_in_a_data_set_that_is_no_number_is_an_error_and_spoils_no_student(way, number):
    model = distiller(**way)
    x, y, weight = batch(1, "int32")
    weight[0, 0, 0] = number
    with pytest.raises(
        Exception, match=f"a sample weight is.*{number:g}.*expected finite numbers from 0"
    ):
        model.fit(OneBatch(x, y, weight), verbose=0)
    assert all(np.isfinite(v).all() for v in values(model.student.variables))


@EACH_WAY
@pytest.mark.parametrize(
    ("shares", "said"),
    [((0, 0, 0), "0"), ((1, 1, 0), "2"), ((-1, 1, 1), "-1"), ((1, 0, 255), "255")],
)
def test_shares_that_are_none_are_named_by_what_is_wrong_with_them(way, shares, said):
    x, y, weight = batch(1, "int32")
    y = np.eye(CLASSES, dtype="float32")[y]
    y[0, 1, 2] = shares
    model = distiller(**way)
    # TensorFlow puts brackets around the parts of a message.
    said = rf"a sum of shares, of[\] \[]*{said}[\] \[]*instead of 0 to 1"
    with pytest.raises(Exception, match=said):
        model.evaluate(x, y, verbose=0)
    model.evaluate(x, y, sample_weight=weight, verbose=0)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one step there")
def test_several_steps_at_once_notice_it_too():
    model = distiller(steps_per_execution=2)
    x, y, _ = batch(7, "int32", spot=(3, 3, 3))
    with pytest.raises(Exception, match="a label is.*7"):
        model.fit(x, y, batch_size=1, verbose=0)
    with pytest.raises(Exception, match="a label is.*7"):
        model.train_on_batch(x, y)


@pytest.mark.parametrize(("label", "dtype"), OUTSIDE[:4])
def test_ignore_class_is_weight_0(label, dtype):
    x, y, weight = batch(label, dtype)
    ignoring = distiller(ignore_class=label)
    found = ignoring.evaluate(x, y, verbose=0, return_dict=True)
    expected = distiller().evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_loss_of_keras_that_ignores_a_label_may_see_it():
    x, y, _ = batch(255, "int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model = distiller(student_loss_fn=loss, alpha=1.0)
    z = keras.ops.convert_to_numpy(model.student(x)).astype(float)
    log_q = z - np.log(np.exp(z).sum(-1, keepdims=True))
    seen = y != 255
    each = -np.take_along_axis(log_q, np.where(seen, y, 0)[..., None], -1)[..., 0]
    found = model.evaluate(x, y, verbose=0, return_dict=True)["student_loss"]
    assert found == pytest.approx(each[seen].mean(), rel=1e-5)


def test_a_weight_per_image_and_an_axis_of_one_are_no_obstacle():
    x, y, _ = batch(255, "int32")
    weight = np.float32([0, 1, 1, 1])
    first = distiller().evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    y[0] = 0
    other = distiller().evaluate(x, y[..., None], sample_weight=weight, verbose=0, return_dict=True)
    assert first == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("way", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_labels_of_another_size_and_none_at_all_are_named_without_a_trace(way):
    model, (x, y, _) = distiller(**way), batch(1, "int32")
    with pytest.raises(ValueError, match=r"^the labels have shape \(.*, 4, 2\), the student's"):
        model.fit(x, y[..., :2], verbose=0)
    with pytest.raises(ValueError, match=r"^the labels have shape \(.*, 2, 4, 3\), the student"):
        model.fit(x, np.eye(CLASSES)[y[:, :2]], verbose=0)
    with pytest.raises(ValueError, match=r"^the batch has no labels, and alpha is 0.3"):
        model.fit(x, verbose=0)


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8"])
def test_a_mask_of_whole_numbers_or_truth_values_is_a_weight(dtype):
    x, y, weight = batch(255, "int32")
    expected = distiller().evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    given = weight.astype(dtype)
    found = distiller().evaluate(x, y, sample_weight=given, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_term_beyond_logits_does_not_see_it_either():
    results = []
    for label in (255, 1):
        x, y, weight = batch(label, "int32")
        model = BeyondDistiller(network(2, 1), network(3, 2), METHODS["decoupled"]())
        model.compile("sgd", alpha=0.5)
        results.append(model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True))
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    with pytest.raises(Exception, match="a label is.*255"):
        model.evaluate(*batch(255, "int32")[:2], verbose=0)
