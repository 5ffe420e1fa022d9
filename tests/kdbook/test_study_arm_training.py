"""Training an arm, and what is recorded of it: pairs, hidden labels, curves, scores."""

import dataclasses

import keras
import numpy as np
import pytest

from kdbook.study import arm_training, controls, method_plans, scoring
from kdbook.study.arm_training import UNLABELLED, SeenLabels, labelled_images, training_patches
from kdbook.study.arms import Arm
from kdbook.study.kept_logits import KeptBatches
from kdlib import data, metrics, recipes
from kdlib.beyond import METHODS
from kdlib.data import N_CLASSES, VOID
from kdlib.distiller import Distiller
from kdlib.recipes import Recipe
from kdlib.unet import logits_model
from tests.kdbook.tiny_study import builder
from tests.kdlib.small import network, values

TINY = Recipe(2, 2, batch_size=2, crop=16, learning_rate=1e-2, warmup_steps=1)


@pytest.fixture(scope="module")
def split():
    images = data.synthetic.city(n_images=18, size=64)
    return data.split(data.cut(images, 32), images)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(recipes.fitting, "BUILDERS", {"teacher": builder, "student": builder})


@pytest.fixture(scope="module")
def teacher():
    return network(3, seed=2, classes=N_CLASSES, size=None)


def trained(arm, split, teacher=None, seed=3):
    return values(arm_training.train(arm, split, seed, teacher).trainable_variables)


def test_arms_of_one_seed_start_alike(small, split, teacher):
    still = dataclasses.replace(TINY, learning_rate=0.0)
    arms = [Arm("scratch", still), Arm("t", still, "student", "trained", 0.1, 2.0)]
    for a, b in zip(*(trained(arm, split, teacher) for arm in arms), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_makes_a_difference_but_not_at_alpha_one(small, split, teacher):
    scratch = trained(Arm("scratch", TINY), split)
    idle = trained(Arm("idle", TINY, "student", "shuffled", alpha=1.0), split, teacher)
    for a, b in zip(scratch, idle, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    taught = trained(Arm("taught", TINY, "student", "trained", 0.1, 2.0), split, teacher)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(scratch, taught, strict=True))


def test_kept_logits_teach_what_the_teacher_does(small, split, teacher, tmp_path, monkeypatch):
    arm = Arm("taught", TINY, "student", "trained", 0.1, 2.0)
    online = trained(arm, split, teacher)
    for time in ("written", "read"):
        kept = values(arm_training.train(arm, split, 3, teacher, keep=tmp_path).trainable_variables)
        for a, b in zip(online, kept, strict=True):
            # Float16 logits, and Adam, which divides by small gradients.
            np.testing.assert_allclose(a, b, rtol=0.02, atol=2e-3, err_msg=time)
        monkeypatch.setattr("kdbook.study.kept_logits._write", None)  # the second time it is there
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("method", ["squared-error", "channel-wise-features"])
def test_a_method_teaches_with_its_weight(method, small, split, teacher, tmp_path):
    def arm(weight):
        return Arm("m", TINY, "student", "trained", 1.0, 1.0, method=method, weight=weight)

    scratch = trained(Arm("scratch", TINY), split)
    for a, b in zip(scratch, trained(arm(0.0), split, teacher), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    taught = trained(arm(1e3), split, teacher)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(scratch, taught, strict=True))


def test_a_method_needs_all_labels(small, split, teacher):
    arm = Arm("m", TINY, "student", "trained", method="hint", weight=1.0, labelled=0.5)
    with pytest.raises(ValueError, match="needs the labels of all images"):
        trained(arm, split, teacher)


def test_a_transfer_set_is_other_images_by_soft_targets_alone(small, split, teacher):
    arm = Arm("t", TINY, "student", "trained", 0.0, 2.0, transfer="city")
    found = arm_training.transfer_set(arm, split.train)
    assert found.images.shape == split.train.images.shape
    assert (found.labels == UNLABELLED).all()
    assert not (found.images == split.train.images).all(axis=(1, 2, 3)).any()
    a, b = (trained(arm, split, t) for t in (teacher, network(3, 5, N_CLASSES, None)))
    assert any(np.abs(x - y).max() > 1e-3 for x, y in zip(a, b, strict=True))
    assert all(np.isfinite(value).all() for value in a)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alpha": 0.1}, "it needs a teacher, α = 0 and no method"),
        ({"teacher": None}, "it needs a teacher"),
        ({"method": "hint"}, "it needs a teacher, α = 0 and no method"),
        ({"transfer": "moon"}, "wants the transfer set 'moon'; there are city"),
    ],
)
def test_a_transfer_set_has_no_labels(small, split, teacher, changed, message):
    arm = Arm("t", TINY, "student", "trained", 0.0, 2.0, transfer="city")
    with pytest.raises(ValueError, match=message):
        trained(dataclasses.replace(arm, **changed), split, teacher)


def test_each_method_has_a_weight_to_begin_with():
    assert set(method_plans.EQUAL) <= set(METHODS)


def test_logits_are_kept_for_one_seed_teacher_and_length(split, teacher, tmp_path):
    KeptBatches(TINY.batches(split.train, 0), teacher, 2, tmp_path)
    KeptBatches(TINY.batches(split.train, 1), teacher, 2, tmp_path)
    KeptBatches(TINY.batches(split.train, 0), teacher, 1, tmp_path)
    KeptBatches(TINY.batches(split.train, 0), network(3, 5, N_CLASSES, None), 2, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_kept_logits_follow_the_epoch(split, teacher, tmp_path):
    batches = KeptBatches(TINY.batches(split.train, 0), teacher, 2, tmp_path)
    for batches.epoch in (1, 0):
        inputs, *_ = batches[1]
        said = values([logits_model(teacher)(inputs["image"], training=False)])[0]
        np.testing.assert_allclose(inputs["teacher_logits"], said, rtol=1e-3, atol=1e-3)


def test_kept_logits_are_written_as_they_come(split, teacher, tmp_path, monkeypatch):
    """All at once, those of a long training took three times the size of the file in memory."""
    asked, at_each_part = [], []

    def said(model, images):
        asked.append(0)
        return values([model(images, training=False)])[0]

    def put(path, parts):
        with path.open("wb") as file:
            for part in parts:
                at_each_part.append(len(asked))
                file.write(part)

    monkeypatch.setattr("kdbook.study.kept_logits._said", said)
    monkeypatch.setattr("kdbook.study.kept_logits.put", put)
    batches = KeptBatches(TINY.batches(split.train, 0), teacher, 2, tmp_path)
    answers = 2 * len(batches)
    # A header, which needs the shape of the first answer, and then each answer by itself.
    assert at_each_part == [1, *range(1, answers + 1)]
    (path,) = tmp_path.iterdir()
    assert np.load(path).shape[0] == answers and np.load(path).dtype == np.float16


def test_kept_logits_that_are_not_the_teachers_are_refused(split, teacher, tmp_path):
    KeptBatches(TINY.batches(split.train, 0), teacher, 2, tmp_path)
    (path,) = tmp_path.iterdir()
    np.save(path, np.load(path) + 1)
    with pytest.raises(ValueError, match="does not hold what this teacher says"):
        KeptBatches(TINY.batches(split.train, 0), teacher, 2, tmp_path)


def test_logits_of_a_teacher_that_draws_at_random_are_kept(split, teacher, tmp_path):
    for _ in range(2):  # written, then found
        shuffled = controls.shuffled(teacher, seed=3)
        batches = KeptBatches(TINY.batches(split.train, 0), shuffled, 2, tmp_path)
    fresh = logits_model(controls.shuffled(teacher, seed=3))
    inputs, *_ = batches[0]
    said = values([fresh(inputs["image"], training=False)])[0]
    np.testing.assert_allclose(inputs["teacher_logits"], said, rtol=1e-3, atol=1e-3)


def test_an_unknown_teacher_is_an_error(small, split, teacher):
    with pytest.raises(ValueError, match="wants a teacher 'assistant'; expected one of trained"):
        trained(Arm("x", TINY, teacher="assistant"), split, teacher)


def test_an_arm_without_its_teacher_is_an_error(small, split):
    with pytest.raises(ValueError, match="arm x learns from a teacher; got None"):
        trained(Arm("x", TINY, teacher="trained"), split)


def test_images_are_labelled_whole_nested_and_from_all_tiles(split):
    patches = split.train
    masks = {share: labelled_images(patches, share) for share in (0.1, 0.25, 0.5, 1.0)}
    images = {share: set(patches.image_index[mask]) for share, mask in masks.items()}
    assert [len(images[share]) for share in masks] == [1, 3, 6, 12]
    assert images[0.1] < images[0.25] < images[0.5] < images[1.0]
    for share, mask in masks.items():
        np.testing.assert_array_equal(mask, np.isin(patches.image_index, list(images[share])))
    assert set(patches.tile[masks[0.25]]) == {1, 2}


@pytest.mark.parametrize("share", [0, -0.5, 1.1])
def test_no_other_share_can_be_labelled(split, share):
    with pytest.raises(ValueError, match="expected above 0, up to 1"):
        labelled_images(split.train, share)


def test_the_unlabelled_are_left_out_or_left_to_the_teacher(split):
    patches, seen = split.train, labelled_images(split.train, 0.25)
    alone = training_patches(Arm("x", TINY, labelled=0.25), patches)
    np.testing.assert_array_equal(alone.labels, patches.labels[seen])
    taught = training_patches(Arm("x", TINY, teacher="trained", labelled=0.25), patches)
    np.testing.assert_array_equal(taught.labels[seen], patches.labels[seen])
    assert (taught.labels[~seen] == UNLABELLED).all()
    np.testing.assert_array_equal(taught.images, patches.images)


def test_all_labelled_is_the_same_for_both(split):
    for teacher in (None, "trained"):
        same = training_patches(Arm("x", TINY, teacher=teacher), split.train)
        np.testing.assert_array_equal(same.labels, split.train.labels)


def objectives(loss, labels, z_t, z_s, weight):
    distiller = Distiller(network(2, 1, N_CLASSES, 16), network(3, 2, N_CLASSES, 16))
    distiller.compile("sgd", alpha=0.3, temperature=2.0, student_loss_fn=loss)
    labels, weight = distiller.checked_labels(labels, weight)
    return [float(part) for part in distiller.objectives(labels, z_t, z_s, weight)]


def test_hidden_labels_leave_the_soft_targets_and_keep_the_scale():
    rng = np.random.default_rng(0)
    z_t, z_s = rng.normal(size=(2, 4, 16, 16, N_CLASSES)).astype("float32")
    labels = rng.integers(0, 5, (4, 16, 16))
    weight = rng.integers(0, 2, labels.shape).astype("float32")
    whole = objectives(None, labels, z_t, z_s, weight)
    assert objectives(SeenLabels(1.0), labels, z_t, z_s, weight) == pytest.approx(whole)
    hidden = labels.copy()
    hidden[1:] = UNLABELLED
    student, distillation = objectives(SeenLabels(0.25), hidden, z_t, z_s, weight)
    assert distillation == pytest.approx(whole[1])
    q = np.exp(z_s[0]) / np.exp(z_s[0]).sum(-1, keepdims=True)
    cross_entropy = -np.log(np.take_along_axis(q, labels[0][..., None], -1)[..., 0])
    assert student == pytest.approx((weight[0] * cross_entropy).mean(), rel=1e-5)


def test_a_student_of_few_labels_learns_on_every_backend(small, split, teacher):
    arm = Arm("few", TINY, "student", "trained", 0.5, 2.0, labelled=0.25)
    assert all(np.isfinite(value).all() for value in trained(arm, split, teacher))


def test_the_curve_is_that_of_fair_curves(small, split, teacher):
    patches = split.validation
    student = recipes.build("student", 1)
    distiller = Distiller(student, teacher)
    distiller.compile(TINY.optimizer(), alpha=0.1, temperature=2.0)
    fair = recipes.FairCurves({"validation": patches})
    ours = scoring.ValidationCurve(patches, teacher, temperature=2.0)
    recipes.fit(distiller, split.train, TINY, callbacks=[fair, ours])
    for name in ("student_loss", "distillation_loss"):
        expected = [epoch[name] for epoch in fair.curves["validation"]]
        np.testing.assert_allclose(ours.curve[name], expected, rtol=1e-4, atol=1e-5)
    predicted = metrics.predict_labels(student, patches)
    matrix = metrics.confusion_matrix(patches.labels, predicted, N_CLASSES, void_class=VOID)
    last = metrics.scores(matrix, VOID).mean_iou
    assert ours.curve["mean_iou"][-1] == pytest.approx(last, abs=1e-6)
    assert ours.seconds > 0


def test_without_a_teacher_there_is_no_distillation_loss(small, split):
    curve = scoring.ValidationCurve(split.validation)
    arm_training.train(Arm("scratch", TINY), split, 0, callbacks=[curve])
    assert {name: len(values) for name, values in curve.curve.items()} == {
        "student_loss": 2,
        "mean_iou": 2,
    }


def test_scores_in_batches_are_those_of_all_at_once(split, teacher):
    model, patches = network(2, 5, N_CLASSES, None), split.test
    teacher_labels = metrics.predict_labels(teacher, patches)
    entry = scoring.score(model, patches, teacher_labels, batch_size=3)
    probabilities = metrics.predict_probabilities(model, patches)
    predicted, named = probabilities.argmax(-1), patches.labels != VOID
    expected = np.zeros((N_CLASSES, N_CLASSES), int)
    np.add.at(expected, (patches.labels[named], predicted[named]), 1)
    assert entry["confusion"] == expected.tolist()
    whole = metrics.expected_calibration_error(patches.labels, probabilities, void_class=VOID)
    assert entry["ece"] == pytest.approx(whole, abs=1e-6)
    same = predicted == teacher_labels
    assert entry["agreement"] == pytest.approx(same[named].mean())
    wrong = named & (teacher_labels != patches.labels)
    assert entry["agreement_where_teacher_wrong"] == pytest.approx(same[wrong].mean())


def test_agreement_needs_a_teacher_and_its_mistakes(split):
    model = network(2, 5, N_CLASSES, None)
    alone = scoring.score(model, split.test)
    assert alone["agreement"] is alone["agreement_where_teacher_wrong"] is None
    with_the_truth = scoring.score(model, split.test, split.test.labels)
    assert with_the_truth["agreement_where_teacher_wrong"] is None
    right = np.trace(alone["confusion"]) / np.sum(alone["confusion"])
    assert with_the_truth["agreement"] == pytest.approx(right)


def test_a_network_that_diverged_is_named(split):
    model = network(2, 5, N_CLASSES, None)
    model.get_layer("logits").set_weights(
        [np.full_like(w, np.nan) for w in model.get_layer("logits").get_weights()]
    )
    with pytest.raises(ValueError, match="training diverged"):
        scoring.score(model, split.test)
    assert keras.ops.shape(model.output)[-1] == N_CLASSES
