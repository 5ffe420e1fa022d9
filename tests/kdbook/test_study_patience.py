"""Long trainings: answers for whole patches, other labels, fused steps, and runs that were cut."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from kdbook.study import answers, arm_training, patience_plans, record, scoring
from kdbook.study.arms import Arm, Run
from kdbook.study.checkpoint import Checkpoint
from kdbook.study.fused import FusedBatchNormalization, fused
from kdbook.study.plans import find
from kdbook.study.runner import needs
from kdlib import data, recipes
from kdlib.data import N_CLASSES, VOID
from kdlib.data.batches import turned
from kdlib.recipes import Recipe
from kdlib.unet import logits_model
from tests.kdbook.tiny_study import builder
from tests.kdlib.small import network, values

TINY = Recipe(3, 2, batch_size=2, crop=16, learning_rate=1e-2, warmup_steps=1, jitter=0.2,
              normalization="batch")  # fmt: skip


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


def says(model, images):
    logits = logits_model(model)(images.astype(np.float32) / 255, training=False)
    return keras.ops.convert_to_numpy(logits)


def test_a_whole_answer_is_the_logits_and_one_of_views_their_geometric_mean(
    split, teacher, tmp_path
):
    patches = split.train.take(range(3))
    whole = answers.answers(patches, teacher, "whole", tmp_path)
    np.testing.assert_allclose(whole, says(teacher, patches.images), rtol=2e-3, atol=2e-3)
    views = np.asarray(answers.answers(patches, teacher, "views", tmp_path), np.float64)
    for place, image in enumerate(patches.images):
        product = np.ones((*image.shape[:2], N_CLASSES))
        for turn in range(8):
            p = softmax(says(teacher, turned(image, turn)[None])[0].astype(np.float64), -1)
            # Turned back by finding each pixel of the view in the image.
            where = turned(np.arange(32 * 32).reshape(32, 32), turn).ravel()
            product.reshape(-1, N_CLASSES)[where] *= p.reshape(-1, N_CLASSES)
        mean = product ** (1 / 8)
        np.testing.assert_allclose(
            softmax(views[place], -1), mean / mean.sum(-1, keepdims=True), atol=2e-3
        )


def test_answers_are_asked_for_once(split, teacher, tmp_path, monkeypatch):
    patches = split.train.take(range(2))
    first = np.array(answers.answers(patches, teacher, "whole", tmp_path))
    monkeypatch.setattr(answers, "logits_model", lambda _: pytest.fail("it was asked again"))
    np.testing.assert_array_equal(answers.answers(patches, teacher, "whole", tmp_path), first)


def test_each_crop_has_its_part_of_the_answer(split):
    patches = split.train.take(range(4))
    # The answer of a pixel is its own colour, so that whoever cuts wrongly is seen.
    answered = np.zeros((*patches.labels.shape, N_CLASSES), np.float16)
    answered[..., :3] = patches.images
    answered[..., 3] = patches.labels
    batches = answers.AnsweredBatches(answered, patches, 3, crop=16, augment=True, steps=4, seed=5)
    plain = data.Batches(patches, 3, crop=16, augment=True, steps=4, seed=5)
    for index in range(4):
        inputs, labels, weight = batches[index]
        expected = plain[index]
        np.testing.assert_allclose(inputs["teacher_logits"][..., :3] / 255, inputs["image"], 1e-3)
        np.testing.assert_array_equal(inputs["teacher_logits"][..., 3], labels)
        for a, b in zip((inputs["image"], labels, weight), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_answers_for_other_patches_are_refused(split):
    with pytest.raises(ValueError, match="one for each patch"):
        answers.AnsweredBatches(np.zeros((2, 32, 32, 6)), split.train.take(range(3)), 1)


def test_decisions_are_the_best_named_class_and_leave_void_alone():
    labels = np.array([[[0, VOID], [1, 2]]], np.uint8)
    answered = np.zeros((1, 2, 2, N_CLASSES), np.float16)
    answered[..., VOID] = 9
    answered[0, 0, 0, 3] = answered[0, 0, 1, 2] = answered[0, 1, 0, 4] = 1
    answered[0, 1, 1, 0] = 1
    patches = SimpleNamespace(labels=labels)
    assert answers.decisions(patches, answered).tolist() == [[[3, VOID], [4, 0]]]


def test_a_shuffled_answer_keeps_winner_void_and_entropy(tmp_path):
    drawn = np.random.default_rng(1).normal(size=(3, 32, 32, N_CLASSES))
    np.save(tmp_path / "kept.npy", drawn.astype(np.float16))
    kept = np.load(tmp_path / "kept.npy", mmap_mode="r")
    dealt = answers.shuffled(kept, 4, tmp_path)
    named = np.arange(N_CLASSES) != VOID
    np.testing.assert_array_equal(np.sort(dealt, -1), np.sort(kept, -1))
    np.testing.assert_array_equal(dealt[..., VOID], kept[..., VOID])
    best = np.take_along_axis(dealt[..., named], kept[..., named].argmax(-1)[..., None], -1)
    np.testing.assert_array_equal(best[..., 0], kept[..., named].max(-1))
    # Each of the four others comes to each place about as often: 3,072 pixels are dealt.
    second = np.argsort(np.asarray(kept)[..., named], -1)[..., -2]
    went = np.argsort(np.asarray(dealt)[..., named], -1)[..., -2]
    assert 0.2 < (second == went).mean() < 0.3
    assert not np.array_equal(dealt, answers.shuffled(kept, 5, tmp_path))


def test_a_simplified_mask_has_the_most_frequent_class_around():
    mask = np.zeros((1, 5, 5), np.uint8)
    mask[0, 2, 2] = 1  # alone among eight others
    mask[0, :, 4] = 3  # at the edge, where the outermost column counts twice
    mask[0, 0, 0] = VOID
    assert answers.simplified(mask, 3)[0].tolist() == [[VOID, 0, 0, 0, 3], *[[0, 0, 0, 0, 3]] * 4]


def test_labels_of_an_arm(split, teacher, tmp_path):
    patches = split.train
    answered = answers.answers(patches, teacher, "whole", tmp_path)
    decided = answers.decisions(patches, answered)
    arm = Arm("mixed", TINY, labels="mixed", answers="whole")
    mixed = arm_training.relabelled(arm, patches, answered, seed=1).labels
    theirs = (mixed == decided).all((1, 2))
    assert 0.2 < theirs.mean() < 0.8
    np.testing.assert_array_equal(mixed[~theirs], patches.labels[~theirs])
    with pytest.raises(ValueError, match="'decisions' or 'mixed' with answers"):
        arm_training.relabelled(dataclasses.replace(arm, labels="guesses"), patches, answered, 1)


@pytest.mark.parametrize("taught", [True, False])
def test_a_run_that_was_cut_goes_on_to_the_same_weights(small, split, teacher, tmp_path, taught):
    arm = Arm("distilled", TINY, "student", *(("trained", 0.0, 1.0) if taught else ()),
              answers="whole" if taught else None)  # fmt: skip

    def run(folder, *others):
        curve = scoring.ValidationCurve(split.validation.take(range(2)), teacher)
        kept = Checkpoint(tmp_path / folder, curve)
        network = arm_training.train(
            arm, split, 3, teacher, [curve, kept, *others], tmp_path, kept.epoch
        )
        return values(network.variables), curve.curve, kept

    class Cut(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 5:  # in the third epoch
                raise KeyboardInterrupt

    whole, curve, kept = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", Cut())
    assert Checkpoint(tmp_path / "cut", SimpleNamespace(curve={}, seconds=0)).epoch == 2
    again, curve_again, kept_again = run("cut")
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert curve == curve_again and len(curve["mean_iou"]) == 3
    assert kept_again.seconds > 0
    kept_again.remove()
    assert not (tmp_path / "cut").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_fused_normalisation_is_the_plain_one(precision):
    rng = np.random.default_rng(0)
    images = rng.normal(3, 2, (4, 6, 5, 8)).astype("float32")
    upstream = rng.normal(size=images.shape).astype("float32")
    found = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        import tensorflow as tf

        layer = kind(momentum=0.9, dtype=precision)
        layer.build(images.shape)
        layer.gamma.assign(rng.uniform(1, 2, 8) if not found else found[0][0])
        gamma = values([layer.gamma])[0]
        with tf.GradientTape() as tape:
            given = tf.constant(images)
            tape.watch(given)
            outputs = layer(given, training=True)
            total = tf.reduce_sum(tf.cast(outputs, "float32") * upstream)
        slopes = tape.gradient(total, [given, *layer.trainable_variables])
        idle = layer(images, training=False)
        found.append((gamma, outputs, *slopes, *layer.non_trainable_variables, idle))
    close = 1e-4 if precision == "float32" else 0.1
    for plain, other in zip(*found, strict=True):
        plain, other = (np.asarray(tensor, np.float32) for tensor in (plain, other))
        np.testing.assert_allclose(plain, other, rtol=close, atol=close)


@pytest.mark.tensorflow
def test_a_fused_network_learns_what_the_plain_one_does(small, split, monkeypatch):
    arm = Arm("scratch", TINY)
    faster = values(arm_training.train(arm, split, 3).weights)
    monkeypatch.setattr(arm_training, "fused", lambda network: network)
    plain = values(arm_training.train(arm, split, 3).weights)
    start = values(recipes.build("student", 3, TINY).weights)
    for a, b, before in zip(faster, plain, start, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)
        assert np.abs(b - before).max() > 2e-3 or np.abs(b - before).max() == 0


def test_a_score_has_the_surprise_and_a_confusion_for_each_image(split, teacher):
    patches = split.validation
    found = scoring.score(teacher, patches)
    log_p = log_softmax(says(teacher, patches.images).astype(np.float64), -1)
    named = patches.labels != VOID
    of_label = np.take_along_axis(log_p, patches.labels[..., None].astype(int), -1)[..., 0]
    assert found["nll"] == pytest.approx(-of_label[named].mean(), rel=1e-4)
    assert sorted(found["images"]) == sorted(set(patches.image_index.tolist()))
    assert np.sum(list(found["images"].values()), axis=0).tolist() == found["confusion"]
    assert sum(map(sum, found["confusion"])) == named.sum()


def test_a_network_that_has_another_layer_keeps_its_names():
    network = recipes.build("student", 0, TINY)
    assert [v.path for v in fused(network).weights] == [v.path for v in network.weights]


def test_few_labels_are_drawn_anew_by_each_seed_and_taught_by_a_teacher_of_the_same(split):
    plan = find("few-labels")
    few, taught = plan.arm("teacher-5"), plan.arm("distilled-5")
    seen = [arm_training.training_patches(few, split.train, seed).image_index for seed in (0, 1)]
    assert len(set(seen[0])) == len(set(seen[1])) and set(seen[0]) != set(seen[1])
    for arm in (few, plan.arm("labels-5")):
        same = arm_training.training_patches(arm, split.train, 1).image_index
        np.testing.assert_array_equal(same, seen[1])
    # Who learns from that teacher sees all images, and no label of those that have none.
    for arm in (taught, plan.arm("decisions-5")):
        hidden = arm_training.training_patches(arm, split.train, 1)
        known = np.isin(hidden.image_index, seen[1])
        assert (hidden.labels[~known] == arm_training.UNLABELLED).all() and not known.all()
        np.testing.assert_array_equal(hidden.labels[known], split.train.labels[known])
    for seed in (0, 4):
        assert plan.teachers_of(taught, seed) == (Run("few-labels", "teacher-5", seed),)
        assert Run("few-labels", "teacher-5", seed) in needs(
            plan, Run("few-labels", taught.name, seed)
        )
    runs = plan.runs()
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert runs[0].arm == "teacher-5"


CHOSEN = {
    "labels": {"rate": 0.001},
    "decisions": {"rate": 0.002},
    "smoothed": {"rate": 0.003},
    "distilled": {"rate": 0.004, "temperature": 0.5, "alpha": 0.25},
}


def test_the_main_comparison_has_one_budget_and_paired_seeds():
    plan = patience_plans.main(Run("some", "teacher", 0), CHOSEN)
    assert {arm.recipe.steps for arm in plan.arms} == {20_000}
    rates = {arm.name: arm.recipe.learning_rate for arm in plan.arms}
    assert rates == {name: chosen["rate"] for name, chosen in CHOSEN.items()} | {"shuffled": 0.004}
    fields = [
        {**dataclasses.asdict(arm), "name": None, "recipe": None, "seeds": None}
        for arm in map(plan.arm, ("distilled", "shuffled"))
    ]
    assert {k for k in fields[0] if fields[0][k] != fields[1][k]} == {"teacher"}
    runs = plan.runs()
    assert len(runs) == 3 * 8 + 2 * 4
    # Seed by seed, so that a comparison that is cut has pairs.
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert {run.seed for run in runs if run.arm == "shuffled"} == {0, 1, 2, 3}


def test_lengths_differ_in_nothing_else():
    teacher = Run("some", "teacher", 0)
    plan, main = patience_plans.length(teacher, CHOSEN), patience_plans.main(teacher, CHOSEN)
    for arm in plan.arms:
        family, steps = arm.name.rsplit("-", 1)
        assert arm.recipe.steps == int(steps)
        assert arm.settings() == main.arm(family).settings()
        same = dataclasses.replace(arm.recipe, epochs=main.arm(family).recipe.epochs)
        assert same == main.arm(family).recipe
        if arm.baseline:
            assert plan.arm(arm.baseline).recipe.steps == int(steps)
    assert len(plan.runs()) == 5 * 3 * 3 + 2


def test_whose_knowledge_it_is_has_the_budget_of_labels():
    plan = patience_plans.why(Run("some", "teacher", 0), CHOSEN)
    main = patience_plans.main(plan.teacher, CHOSEN)
    assert {arm.recipe for arm in plan.arms} == {main.arm("labels").recipe}
    assert [arm.labels for arm in plan.arms] == ["simplified", "mixed"]


def test_the_coarse_student_has_the_budget_and_settings_of_the_narrow_one():
    plan = patience_plans.coarse(Run("some", "teacher", 0), CHOSEN)
    main = patience_plans.main(plan.teacher, CHOSEN)
    for arm in plan.arms:
        assert arm.recipe == main.arm(arm.name).recipe
        assert arm.settings() == main.arm(arm.name).settings() | {"network": "coarse-student"}
    assert [arm.baseline for arm in plan.arms] == [None, "labels"] and len(plan.runs()) == 10


def test_the_students_of_the_city_pass_over_it_nearly_as_often_as_the_others():
    plan = find("patience-city")
    teacher, *students = plan.arms
    assert plan.teacher == Run("patience-city", teacher.name, 0) == plan.runs()[0]
    assert [arm.network for arm in students] == ["student", "student", "coarse-student"]
    old = find("city")
    patches = record.Record(record.RESULTS, old).runs()[old.teacher]["data"]["train"]
    assert plan.source == "city" and patches == 192

    def passes(recipe):
        return round(recipe.steps * recipe.batch_size * recipe.crop**2 / 256**2 / patches)

    assert {passes(arm.recipe) for arm in students} == {42} and passes(teacher.recipe) == 21
