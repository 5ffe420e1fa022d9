"""The Keras metrics against the NumPy scores, and predictions, on every backend."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kdlib import metrics

ALL = {"accuracy": metrics.Accuracy, "mean_iou": metrics.MeanIoU}


def batch(seed, classes=4, shape=(2, 3, 3)):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, shape)
    return labels, rng.normal(size=(*shape, classes)), rng.uniform(0.1, 2, shape)


def value(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("void", [None, 3, 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_equal_to_the_scores_over_batches(name, void, weighted):
    # With a power of two, classes and predictions would not mix even if they were not added up.
    metric = ALL[name](5, void_class=void)
    assert metric.name == name
    matrix = np.zeros((5, 5))
    for seed in range(5):
        labels, logits, weight = batch(seed, classes=5)
        weight = weight if weighted else None
        metric.update_state(labels, logits, sample_weight=weight)
        matrix += metrics.confusion_matrix(
            labels, logits.argmax(axis=-1), 5, sample_weight=weight, void_class=void
        )
        assert value(metric) == pytest.approx(getattr(metrics.scores(matrix, void), name), rel=1e-5)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    metric = metrics.MeanIoU(3)
    metric.update_state([[0, 0]], [[[2.0, 1.0, 0.0], [1.0, 2.0, 0.0]]])
    assert value(metric) == 0.25  # IoU of 1/2 and of 0; the third is 0/0


@pytest.mark.parametrize("name", ALL)
def test_before_the_first_batch_and_after_a_reset_it_is_nan(name):
    metric = ALL[name](4)
    assert np.isnan(value(metric))
    metric.update_state(*batch(0)[:2])
    assert not np.isnan(value(metric))
    metric.reset_state()
    assert np.isnan(value(metric))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("fault", [4, -1, 2**32, -(2**32), 1.5, np.nan, "prediction NaN"])
def test_faulty_input_turns_the_score_into_nan_unless_its_weight_is_0(name, fault):
    labels, logits, weight = batch(0)
    weight[0, 0, 0] = 0
    expected = ALL[name](4)
    expected.update_state(labels, logits, sample_weight=weight)
    if fault == "prediction NaN":
        logits[0, 0, 0, 1] = np.nan
    else:
        labels = labels.astype(type(fault))
        labels[0, 0, 0] = fault
    metric = ALL[name](4)
    metric.update_state(labels, logits, sample_weight=weight)
    assert value(metric) == value(expected)
    metric.update_state(labels, logits)
    assert np.isnan(value(metric))


def test_one_hot_labels_are_refused():
    labels, logits, _ = batch(0)
    with pytest.raises(ValueError, match="one-hot.* mean_iou takes class ids: np.argmax"):
        metrics.MeanIoU(4).update_state(np.eye(4)[labels], logits)


def test_faults_on_void_pixels_do_no_harm():
    labels, logits, _ = batch(0)
    expected = metrics.MeanIoU(4, void_class=255)
    labels[0, 0, 0] = 255
    expected.update_state(labels, logits)
    logits[0, 0, 0] = np.nan
    metric = metrics.MeanIoU(4, void_class=255)
    metric.update_state(labels, logits)
    assert value(metric) == value(expected) > 0


def test_labels_may_have_a_last_axis_and_weights_may_be_per_image():
    labels, logits, _ = batch(0)
    plain, other = metrics.MeanIoU(4), metrics.MeanIoU(4)
    plain.update_state(labels, logits, sample_weight=np.broadcast_to([[[1]], [[3]]], labels.shape))
    other.update_state(labels[..., None].astype("float32"), logits, sample_weight=[1.0, 3.0])
    assert value(plain) == value(other)


def test_probabilities_and_logits_give_the_same():
    labels, logits, _ = batch(0)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = [metrics.MeanIoU(4), metrics.MeanIoU(4)]
    found[0].update_state(labels, logits)
    found[1].update_state(labels, probabilities)
    assert value(found[0]) == value(found[1])


def test_counts_stay_whole_over_many_pixels():
    labels = np.zeros((16, 256, 256), dtype=np.int32)
    logits = np.broadcast_to(np.float32([1, 0]), (*labels.shape, 2))
    metric = metrics.Accuracy(2)
    for _ in range(20):
        metric.update_state(labels, logits)
    counts = keras.ops.convert_to_numpy(metric.matrix)
    np.testing.assert_array_equal(counts, [[20 * labels.size, 0], [0, 0]])


@pytest.mark.parametrize("name", ALL)
def test_saved_and_loaded_it_is_the_same(name):
    metric = ALL[name](4, void_class=3)
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is ALL[name]
    assert again.get_config() == metric.get_config()


@pytest.mark.parametrize("n_classes", [1, 2.0, True, None])
def test_a_number_of_classes_that_is_none_is_refused(n_classes):
    with pytest.raises(ValueError, match="n_classes is"):
        metrics.MeanIoU(n_classes)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("void", ["b", 1.0, True])
def test_a_void_class_that_is_no_number_is_refused_before_the_first_batch(name, void):
    with pytest.raises(ValueError, match="void_class is .*; expected a class id or None"):
        ALL[name](2, void_class=void)
    assert type(ALL[name](2, void_class=np.uint8(255)).get_config()["void_class"]) is int


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Conv2D(4, 1, activation="softmax"),
    ]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        images=rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8),
        labels=rng.integers(0, 4, (5, 16, 16), dtype=np.uint8),
    )


def test_in_a_compiled_model_they_equal_the_scores_of_its_predictions(model, patches):
    model.compile(
        loss="sparse_categorical_crossentropy",
        weighted_metrics=[each(4, void_class=3) for each in ALL.values()],
    )
    weight = (patches.labels != 1).astype("float32")
    inputs = patches.images * np.float32(1 / 255)
    logs = model.evaluate(
        inputs, patches.labels, sample_weight=weight, batch_size=2, verbose=0, return_dict=True
    )
    predictions = metrics.predict_labels(model, patches, batch_size=2)
    matrix = metrics.confusion_matrix(
        patches.labels, predictions, 4, sample_weight=weight, void_class=3
    )
    found = metrics.scores(matrix, void_class=3)
    for name in ALL:
        assert logs[name] == pytest.approx(getattr(found, name), rel=1e-5)


def test_predictions_are_those_of_the_model_in_inference_mode(model, patches):
    inputs = patches.images.astype("float32") / 255
    expected = keras.ops.convert_to_numpy(model(inputs, training=False))
    probabilities = metrics.predict_probabilities(model, patches, batch_size=2)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    labels = metrics.predict_labels(model, patches, batch_size=3)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=-1))


def test_predictions_refuse_what_is_no_patch(model, patches):
    floats = SimpleNamespace(images=patches.images / 255)
    with pytest.raises(ValueError, match="images of type float64"):
        metrics.predict_labels(model, floats)
    with pytest.raises(ValueError, match="0 images"):
        metrics.predict_labels(model, SimpleNamespace(images=patches.images[:0]))


@pytest.mark.parametrize("names", [("mask", "edge"), (0, 1)])
def test_a_model_of_several_outputs_is_refused_even_if_they_have_one_shape(names, patches):
    image = keras.Input((16, 16, 3))
    heads = {name: keras.layers.Conv2D(4, 1)(image) for name in names}
    model = keras.Model(image, heads if names[0] else list(heads.values()))
    with pytest.raises(ValueError, match="network returns 2 arrays.*Make a keras.Model that ends"):
        metrics.predict_labels(model, patches)
    alone = keras.Model(image, {"mask": heads[names[0]]})
    expected = keras.ops.convert_to_numpy(alone(patches.images / np.float32(255))["mask"])
    found = metrics.predict_probabilities(alone, patches)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_diverged_model_is_noticed(patches):
    layers = [keras.Input((16, 16, 3)), keras.layers.Lambda(lambda x: x / 0)]
    diverged = keras.Sequential(layers, name="wild")
    with pytest.raises(ValueError, match="the model 'wild' returns NaN: its training diverged"):
        metrics.predict_probabilities(diverged, SimpleNamespace(images=patches.images * 0))
