"""The Distiller with one more term, other teachers, and keras.distillation."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kdlib import beyond, softening
from kdlib.beyond import METHODS, BeyondDistiller, Term, TermDistillation, forward_kl
from kdlib.distiller import Distiller
from kdlib.network_ends import logits_model
from tests.kdlib.small import CLASSES, SIZE, batch, network, pair, values

X, Y, WEIGHT = batch()
SETTINGS = {"sample_weight": WEIGHT, "batch_size": 4, "verbose": 0}


# Most tests run step by step: compiling would take most of their time.
EAGER = {"run_eagerly": True}


def build(term, alpha=0.3, weight=0.5, optimizer=None, run_eagerly=True, **options):
    model = BeyondDistiller(*pair(dropout=0.0, **options), term)
    optimizer = optimizer or keras.optimizers.SGD(0.1)
    how = {"alpha": alpha, "temperature": 2.0, "run_eagerly": run_eagerly}
    model.compile(optimizer, weight=weight, **how)
    return model


def maps(model, name, x=X):
    inner = keras.Model(model.inputs[0], model.get_layer(name).output)
    return ops.convert_to_numpy(inner(x, training=False))


def evaluate(model):
    return model.evaluate(X, Y, return_dict=True, **SETTINGS)


@pytest.fixture(scope="module")
def adapted():
    term = METHODS["hint"](layers=[("c2", "c2"), "c1"])
    adam = keras.optimizers.Adam(0.01)
    return build(term, normalization="batch", optimizer=adam, run_eagerly=False)


def test_the_loss_is_the_distillers_plus_the_weighted_term_on_logits_with_labels():
    model = build(METHODS["decoupled"]())
    plain = Distiller(model.student, model.teacher)
    plain.compile("sgd", alpha=0.3, temperature=2.0, **EAGER)
    base, found = evaluate(plain), evaluate(model)
    z_t, z_s = (maps(m, "logits") for m in (model.teacher, model.student))
    term = float(ops.mean(beyond.decoupled(z_t, z_s, Y, WEIGHT)))
    assert found["term"] == pytest.approx(term, rel=1e-4)
    assert found["loss"] == pytest.approx(base["loss"] + 0.5 * term, rel=1e-4)
    for key in ("student_loss", "distillation_loss"):
        assert found[key] == pytest.approx(base[key], rel=1e-5)


def test_with_weight_zero_it_trains_like_the_distiller():
    model = build(METHODS["correlation"](), weight=0.0, normalization="batch")
    plain = Distiller(*pair(dropout=0.0, normalization="batch"))
    plain.compile(keras.optimizers.SGD(0.1), alpha=0.3, temperature=2.0, **EAGER)
    histories = [m.fit(X, Y, epochs=3, **SETTINGS).history for m in (model, plain)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    for a, b in zip(values(model.student.variables), values(plain.student.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_term_over_logits_is_a_loss_of_the_plain_distiller():
    model = Distiller(*pair(dropout=0.0))
    term = METHODS["channel-wise"]()
    model.compile("sgd", distillation_loss_fn=term, alpha=0.0, temperature=2.0, **EAGER)
    z_t, z_s = (maps(m, "logits") for m in (model.teacher, model.student))
    expected = float(ops.mean(beyond.channel_wise(z_t, z_s, WEIGHT, temperature=2.0)))
    assert evaluate(model)["loss"] == pytest.approx(expected, rel=1e-4)


def test_features_are_those_of_the_named_layers_and_several_are_added():
    model = build(METHODS["attention"](layers=["c1", ("u9", "u9")]), alpha=1.0)
    expected = sum(
        float(
            ops.mean(
                beyond.attention(*(maps(m, name) for m in (model.teacher, model.student)), WEIGHT)
            )
        )
        for name in ("c1", "u9")
    )
    found = evaluate(model)
    assert found["term"] == pytest.approx(expected, rel=1e-4)
    assert found["loss"] == pytest.approx(found["student_loss"] + 0.5 * expected, rel=1e-4)


def test_adapters_are_trained_with_the_student_and_are_no_part_of_it(adapted):
    model = adapted
    before, student = values(model.trainable_variables), len(model.student.trainable_variables)
    assert len(before) == student + 4 and len(model.trainable_weights) == student + 4
    teacher = values(model.teacher.variables)
    history = model.fit(X, Y, epochs=4, **SETTINGS).history
    assert history["term"][-1] < history["term"][0]
    moved = [(a != b).any() for a, b in zip(before, values(model.trainable_variables), strict=True)]
    assert all(moved[student:])
    for a, b in zip(teacher, values(model.teacher.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    model.trainable = False
    assert model.trainable_variables == []
    model.trainable = True


def test_evaluate_changes_no_variable_and_the_student_runs_once(adapted):
    before = values(adapted.variables)
    evaluate(adapted)
    for a, b in zip(before, values(adapted.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    # One pass in training moves a batch statistic once: 0.9 of the old, 0.1 of the batch.
    still = build(
        Term(beyond.attention, ["c1"]), optimizer=keras.optimizers.SGD(0.0), normalization="batch"
    )
    activations = maps(still.student, "c1_first_conv")
    still.fit(X, Y, **SETTINGS)
    mean = ops.convert_to_numpy(still.student.get_layer("c1_first_norm").moving_mean)
    np.testing.assert_allclose(mean, 0.1 * activations.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)


def test_save_load_fit_goes_on_where_it_stopped(adapted, tmp_path):
    adapted.save(tmp_path / "beyond.keras")
    again = keras.models.load_model(tmp_path / "beyond.keras")
    assert again.weight == 0.5 and again.term.layers == adapted.term.layers
    assert evaluate(again) == pytest.approx(evaluate(adapted), rel=1e-5)
    for model in (adapted, again):
        model.fit(X, Y, **SETTINGS)
    for a, b in zip(values(adapted.variables), values(again.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_batch_of_void_alone_has_no_loss_and_moves_nothing():
    model = build(METHODS["pair-wise"](layers=["c3"]))
    before = values(model.student.trainable_variables)
    history = model.fit(X, Y, sample_weight=0 * WEIGHT, batch_size=4, verbose=0).history
    assert history["loss"] == [0.0]
    for a, b in zip(before, values(model.student.trainable_variables), strict=True):
        np.testing.assert_array_equal(a, b)


def test_cached_logits_stand_for_the_teacher_and_for_logits_only():
    model = build(METHODS["squared-error"]())
    expected = evaluate(model)
    x = {"image": X, "teacher_logits": maps(model.teacher, "logits")}
    found = model.evaluate(x, Y, return_dict=True, **SETTINGS)
    assert found == pytest.approx(expected, rel=1e-5)
    features = build(Term(beyond.attention, ["c1"]))
    with pytest.raises(ValueError, match="a cache holds logits only"):
        features.evaluate(x, Y, **SETTINGS)


def test_a_weight_per_image_reaches_the_term():
    model = build(METHODS["squared-error"]())
    per_image = np.float32([1, 0, 2, 0.5])
    full = np.broadcast_to(per_image[:, None, None], Y.shape).copy()
    settings = {"batch_size": 4, "verbose": 0, "return_dict": True}
    first, second = (model.evaluate(X, Y, sample_weight=w, **settings) for w in (per_image, full))
    assert first == pytest.approx(second, rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_every_term_is_saved_whole(name):
    term = METHODS[name]()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(term))
    assert again.get_config() == term.get_config() and again.function is term.function


def test_what_cannot_be_distilled_is_refused():
    student, teacher = pair()
    with pytest.raises(ValueError, match="no layer 'c9'; it has image, c1_first, .*logits"):
        BeyondDistiller(student, teacher, METHODS["attention"](layers=["c9"]))
    with pytest.raises(ValueError, match="the term is 'attention'"):
        BeyondDistiller(student, teacher, "attention")
    model = BeyondDistiller(student, teacher, METHODS["hint"](layers=["c1"], adapter=False))
    for weight in (-1, float("nan"), "1"):
        with pytest.raises(ValueError, match="expected a number of at least 0"):
            model.compile("sgd", weight=weight)
    with pytest.raises(ValueError, match="temperature is 0"):
        model.compile("sgd", temperature=0)
    model.compile("sgd", **EAGER)
    with pytest.raises(ValueError, match="adapter=True"):
        model.evaluate(X, Y, **SETTINGS)


def test_an_ensemble_gives_the_mean_of_soft_targets_and_teaches():
    members = [network(3, seed) for seed in (4, 5)]
    teacher = beyond.ensemble(members, temperature=2.0)
    mean = np.mean([softening.softmax(maps(m, "logits"), 2.0) for m in members], axis=0)
    z = ops.convert_to_numpy(logits_model(teacher)(X))
    np.testing.assert_allclose(softening.softmax(z, 2.0), mean, atol=1e-5)
    model = Distiller(network(2, 1), teacher)
    model.compile("sgd", temperature=2.0, **EAGER)
    before = values(teacher.variables)
    model.fit(X, Y, **SETTINGS)
    for a, b in zip(before, values(teacher.variables), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("last", "exclusive"),
    [
        (lambda: layers.Dense(3, "sigmoid"), None),
        (lambda: layers.Dense(3), False),
        (lambda: layers.Dense(1), None),
        (lambda: layers.Dense(1, "sigmoid"), None),
    ],
    ids=["sigmoids", "said", "one logit", "one sigmoid"],
)
def test_an_ensemble_of_yes_or_no_gives_the_mean_of_sigmoids(last, exclusive):
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    members = [keras.Sequential([keras.Input((4,)), layers.Dense(n), last()]) for n in (3, 5)]
    teacher = beyond.ensemble(members, temperature=2.0, exclusive=exclusive)
    logits = [ops.convert_to_numpy(logits_model(m, exclusive=exclusive)(x)) for m in members]
    mean = np.mean([1 / (1 + np.exp(-z.astype(float) / 2)) for z in logits], axis=0)
    found = ops.convert_to_numpy(logits_model(teacher)(x)).astype(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-found / 2)), mean, atol=1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(teacher(x)), 1 / (1 + np.exp(-found)), atol=1e-6
    )
    student = keras.Sequential([keras.Input((4,)), layers.Dense(mean.shape[-1])])
    assert not Distiller(student, teacher).exclusive


def test_members_of_two_kinds_are_no_ensemble():
    soft, yes_or_no = (
        keras.Sequential([keras.Input((4,)), layers.Dense(3, name)])
        for name in ("softmax", "sigmoid")
    )
    with pytest.raises(ValueError, match="some of the teachers end in a softmax, others in a sig"):
        beyond.ensemble([soft, yes_or_no])


def test_what_a_mask_leaves_out_weighs_nothing_in_the_term():
    ids = np.random.default_rng(0).integers(1, 20, (6, 5))
    ids[:, 3:] = 0
    inputs = keras.Input((5,), dtype="int32")
    student, teacher = (
        keras.Model(
            inputs, layers.Dense(3)(layers.Embedding(20, n, "normal", mask_zero=True)(inputs))
        )
        for n in (3, 5)
    )
    model = BeyondDistiller(student, teacher, Term(forward_kl))
    model.compile(keras.optimizers.SGD(0.0), alpha=0.0, temperature=1.0)
    found = model.evaluate(ids, verbose=0, return_dict=True)
    z_t, z_s = (ops.convert_to_numpy(m(ids)).astype(float) for m in (teacher, student))
    each = softening.kl_divergence(softening.softmax(z_t), softening.softmax(z_s))
    expected = (each * (ids > 0)).sum() / each.size
    assert found["term"] == pytest.approx(expected, rel=1e-4)
    assert found["distillation_loss"] == pytest.approx(expected, rel=1e-4)


def test_ensembles_that_are_none_are_refused():
    one = network(3, 4)
    for members, message in (
        ([one], "at least two"),
        ([one, one], "came twice"),
        ([one, network(classes=5)], "differ in inputs or classes"),
    ):
        with pytest.raises(ValueError, match=message):
            beyond.ensemble(members)
    with pytest.raises(ValueError, match="temperature is 0"):
        beyond.ensemble([one, network(3, 5)], temperature=0)


def small(width, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(width, 3, padding="same", name="features")(inputs)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, name="logits")(x))


CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    "term",
    [METHODS["correlation"](), METHODS["channel-wise"](), Term(beyond.attention, ["features"])],
    ids=lambda term: term.name,
)
def test_in_keras_distillation_a_term_has_our_value(term):
    student, teacher = small(2, 1), small(3, 2)
    ours = BeyondDistiller(student, teacher, term)
    ours.compile("sgd", **EAGER)
    expected = ours.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True)["term"]
    theirs = keras.distillation.Distiller(
        teacher, student, distillation_losses=[TermDistillation(term)], student_loss_weight=0.5
    )
    theirs.compile("sgd", loss=CROSS_ENTROPY, **EAGER)
    found = theirs.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True)
    assert found["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(theirs.fit(X, Y, batch_size=4, verbose=0).history["loss"]).all()
    config = keras.saving.serialize_keras_object(TermDistillation(term))
    again = keras.saving.deserialize_keras_object(config)
    assert again.term.get_config() == term.get_config()


def test_both_distillers_agree_on_soft_targets():
    student, teacher = small(2, 1), small(3, 2)
    ours = BeyondDistiller(student, teacher, METHODS["squared-error"]())
    ours.compile("sgd", alpha=0.3, temperature=2.0, weight=0.0, **EAGER)
    soft = keras.distillation.LogitsDistillation(2.0, loss=keras.losses.KLDivergence())
    theirs = keras.distillation.Distiller(
        teacher, student, distillation_losses=[soft], student_loss_weight=0.3
    )
    theirs.compile("sgd", loss=CROSS_ENTROPY, **EAGER)
    first, second = (
        m.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True) for m in (ours, theirs)
    )
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (METHODS["decoupled"](), "needs labels"),
        (METHODS["hint"](), "needs an adapter"),
        (METHODS["attention"](), "needs several layers"),
        ("hint", "the term is 'hint'"),
    ],
)
def test_terms_that_keras_distillation_cannot_feed(term, message):
    with pytest.raises(ValueError, match=message):
        TermDistillation(term)
