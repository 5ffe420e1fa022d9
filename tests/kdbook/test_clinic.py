"""check_distiller: finds each fault, and only it; finds those of known distillers; spares ours."""

import keras
import numpy as np
import pytest

from kdbook.clinic import check_distiller
from kdlib.distiller import Distiller
from tests.kdlib import distillers as d
from tests.kdlib.small import values

# It is made for TensorFlow: elsewhere each of its steps is compiled anew.
pytestmark = pytest.mark.tensorflow

SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def checked(kind, batch=None, networks=None, **options):
    model = kind(*(networks or d.pair()))
    model.compile(**options)
    return check_distiller(model, batch or d.batch(), quiet=True)


@pytest.mark.parametrize("options", [{}, {"norm": True, "dropout": 0.5}, {"softmax": True}])
@pytest.mark.parametrize("weighted", [True, False])
def test_ours_passes(options, weighted):
    report = checked(Distiller, d.batch(weighted=weighted), named(**options))
    assert report.failed == ()
    missing = {() if weighted else ("sample weights",)}
    if not options.get("norm"):
        missing = {("teacher's statistics", "teacher in inference mode", *next(iter(missing)))}
    assert {report.not_applicable} == missing


def named(softmax=False, **options):
    """A pair as ours wants it: the softmax, if any, in a layer of its own."""
    models = d.pair(**options)
    if not softmax:
        return models
    return [keras.Model(m.inputs[0], keras.layers.Softmax()(m.outputs[0])) for m in models]


def test_a_sound_distiller_of_another_style_passes():
    report = checked(d.Sound, networks=d.pair(norm=True, dropout=0.5))
    assert report.failed == report.not_applicable == ()


FAULTS = [
    (d.NothingLearns, "student learns", "moves 0 of 4"),
    (d.TeacherFollows, "teacher's weights", "change 4 of 4"),
    (d.TeacherInOptimizer, "teacher not in the optimizer", "4 variables of the teacher"),
    (d.FrozenByFlag, "teacher stays frozen", "unfreezes 4 weights"),
    (d.CallsTeacher, "predictions are the student's", "gives the teacher"),
    (d.OverTheHeight, "class axis", "not over the classes"),
    (d.NoSoftTargets, "class axis", "the teacher changes nothing"),
    (d.WeighedByLogit, "shift of the logits", "adding 10"),
    (d.OnProbabilities, "temperature", "divides probabilities"),
    (d.TemperatureIgnored, "temperature", "does not reach the loss"),
    (d.NoFactor, "factor T squared", "grows 1.00 times; T² would be 4: it is left out"),
    (d.Reversed, "direction of the divergence", "KL(student ‖ teacher)"),
    (d.StudentWithoutSoftmax, "least loss at the teacher", "still pulled"),
    (d.SummedOverPixels, "mean over the pixels", "summed over the 16 pixels"),
    (d.SummedOverImages, "mean over the pixels", "summed over the images, 2 times"),
    (d.DividedByClasses, "mean over the pixels", "divided by the 5 classes"),
    (d.DoubleSoftmax, "loss on the labels", "cannot fall below 0.905"),
    (d.LogitsAsProbabilities, "loss on the labels", "logits are taken for probabilities"),
    (d.AlphaTurnedRound, "alpha", "at alpha = 1 the teacher still has"),
    (d.WeightsOnLabelsAlone, "sample weights", "counts in the loss on the soft targets"),
    (d.LabelsUnseen, "labels outside the classes", "a label of 255 goes unnoticed"),
]


@pytest.mark.parametrize(("kind", "name", "says"), FAULTS, ids=lambda value: str(value))
def test_each_fault_fails_its_own_check_and_no_other(kind, name, says):
    report = checked(kind)
    assert report.failed == (name,)
    assert says in report[name].message
    assert report[name].remedy


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        (d.TeacherInTraining, {"norm": True}, "teacher's statistics"),
        (d.TeacherInTraining, {"dropout": 0.5}, "teacher in inference mode"),
        (d.SecondPass, {"norm": True}, "evaluate changes nothing"),
    ],
)
def test_faults_that_take_layers_of_their_own(kind, options, name):
    report = checked(kind, d.batch(weighted=False), d.pair(**options))
    assert report.failed == (name,)


def test_labels_that_keras_takes_under_a_compiler():
    report = checked(d.LabelsOfKeras, jit_compile=True)
    assert report.failed == ("labels outside the classes",)
    assert report["labels outside the classes"].message == (
        "a label of 255 gives a student of NaN; "
        "a label of 255 gives a student of NaN even where its weight is 0"
    )
    # Without one, TensorFlow refuses the label: at weight 0 as well, which is no silent fault.
    assert checked(d.LabelsOfKeras, jit_compile=False).failed == ()


@pytest.mark.parametrize("compiled", [True, False])
def test_ours_refuses_labels_outside_compiled_or_not(compiled):
    found = checked(Distiller, jit_compile=compiled)["labels outside the classes"]
    assert found.outcome == "passed"
    assert found.message == "a label of 255 is an error, and of no account where its weight is 0"


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (lambda y: y.astype("int8"), "int8 holds no 255"),
        (lambda y: y == 1, "no class ids"),
        (lambda y: np.eye(d.CLASSES, dtype="float32")[y], "no class ids"),
    ],
)
def test_labels_that_cannot_be_outside(labels, why):
    x, y = d.batch(weighted=False)
    found = checked(Distiller, (x, labels(y)))["labels outside the classes"]
    assert found.outcome == "not applicable" and why in found.message


def binary(shape=(), weighted=True):
    x, y, weight = d.batch(shape=shape)
    return (x, y % 2, weight) if weighted else (x, y % 2)


def one_logit(shape=(3,), end=None):
    models = d.pair(classes=1, shape=shape)
    if end is None:
        return models
    return [keras.Model(m.inputs[0], keras.layers.Activation(end)(m.outputs[0])) for m in models]


@pytest.mark.parametrize("shape", [(), (d.SIZE, d.SIZE)])
@pytest.mark.parametrize("end", [None, "sigmoid"])
def test_ours_passes_with_one_logit(shape, end):
    report = checked(Distiller, binary(shape), one_logit((*shape, 3), end))
    assert report.failed == ()
    assert report.not_applicable[-1:] == ("shift of the logits",)
    judged = {"class axis", "temperature", "factor T squared", "direction of the divergence"}
    assert judged | {"loss on the labels", "labels outside the classes"} <= set(report.passed)


@pytest.mark.parametrize("form", [np.int32, np.float32])
def test_one_logit_and_labels_with_an_axis_of_their_own(form):
    x, y, weight = binary()
    assert checked(Distiller, (x, y[:, None].astype(form), weight), one_logit()).failed == ()


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        (d.OneLogit, ()),
        (d.OneLogitWithoutFactor, ("factor T squared",)),
        (d.OneLogitReversed, ("direction of the divergence",)),
        (d.OneLogitSoftmax, ("class axis",)),
    ],
)
def test_faults_with_one_logit(kind, failed):
    assert checked(kind, binary(weighted=False), one_logit()).failed == failed


class BinaryOfKeras(d.OneLogit):
    fit = keras.Model.fit

    def hard(self, y, z):
        return keras.losses.binary_crossentropy(y[..., None], z, from_logits=True)


@pytest.mark.parametrize("compiled", [True, False])
def test_labels_of_one_logit_that_keras_does_not_check(compiled):
    report = checked(BinaryOfKeras, binary(), one_logit(), jit_compile=compiled)
    found = report["labels outside the classes"]
    assert report.failed == ("labels outside the classes",)
    assert found.message == "a label of 255 goes unnoticed"
    assert found.remedy == (
        "a binary cross-entropy takes any number for a label, compiled or not: put 0 or 1 where "
        "the weight is 0, and look at the range of all other labels before the loss."
    )


def test_a_batch_of_one_class_and_one_logit():
    x, y = binary(weighted=False)
    assert checked(Distiller, (x, np.zeros_like(y)), one_logit()).failed == ()


@pytest.mark.parametrize("weighted", [True, False])
def test_ours_passes_as_a_classifier(weighted):
    report = checked(Distiller, d.batch(weighted=weighted, shape=()), d.pair(shape=(3,)))
    assert report.failed == ()
    assert {"class axis", "temperature", "loss on the labels"} <= set(report.passed)


def test_swapped_networks():
    assert checked(d.Sound, networks=d.pair()[::-1]).failed == ("two networks",)


def test_one_network_twice():
    model = d.network(1)
    report = checked(d.Sound, networks=(model, model))
    assert "learns from itself" in report["two networks"].message


def keras_example(kind=d.KerasExample, batch=None, alpha=0.1, loss=SPARSE, **networks):
    model = kind(*d.pair(**networks))
    model.compile("adam", ["accuracy"], loss, keras.losses.KLDivergence(), alpha, 3)
    return check_distiller(model, batch or d.batch(weighted=False), quiet=True)


def test_a_distiller_in_the_style_of_the_keras_example():
    report = keras_example()
    trained = ("teacher's weights", "teacher not in the optimizer")
    assert report.failed == (*trained, "class axis")
    # On a vector of logits an image, axis 1 is that of the classes.
    flat = keras_example(batch=d.batch(weighted=False, shape=()), shape=(3,))
    assert flat.failed == trained
    assert keras_example(batch=d.batch()).failed == (*report.failed, "sample weights")


def test_the_training_step_of_the_source_project():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the training step is TensorFlow's")
    plain = keras.losses.SparseCategoricalCrossentropy()
    report = keras_example(d.SourceProject, loss=plain, softmax=True)
    assert report.failed == ("temperature", "factor T squared")
    assert "softmax(p / T) is nearly uniform" in report["temperature"].message
    weighted = keras_example(d.SourceProject, d.batch(), loss=plain, softmax=True)
    assert "too many values to unpack" in weighted["sample weights"].message


def keras_distillation(**options):
    module = pytest.importorskip("keras.distillation")
    student, teacher = d.pair(dropout=0.5)
    logits = module.LogitsDistillation(temperature=3.0, **options)
    model = module.Distiller(teacher, student, logits)
    model.compile("adam", loss=SPARSE)
    return check_distiller(model, d.batch(), quiet=True)


def test_the_loss_of_keras_distillation_as_it_is_by_default():
    """Fails on the day that Keras mends it: then rewrite the chapter that shows it."""
    report = keras_distillation()
    wrong = {"shift of the logits", "temperature", "factor T squared", "least loss at the teacher"}
    assert wrong <= set(report.failed), (
        f"Keras {keras.__version__} passes {sorted(wrong - set(report.failed))}: the default loss "
        "of keras.distillation has changed. Look at it again, and at what the book says of it."
    )
    assert "loss=keras.losses.KLDivergence()" in report["shift of the logits"].remedy


def test_keras_distillation_with_a_loss_object_is_right_but_for_two_things():
    report = keras_distillation(loss=keras.losses.KLDivergence())
    assert report.failed == ("teacher stays frozen", "sample weights")


def test_keras_distillation_with_our_term_is_right_but_for_the_same_two():
    pytest.importorskip("keras.distillation")
    from kdlib.beyond import SoftTargetDistillation

    student, teacher = d.pair(dropout=0.5)
    term = SoftTargetDistillation(temperature=3.0)
    model = keras.distillation.Distiller(teacher, student, term)
    model.compile("adam", loss=SPARSE)
    report = check_distiller(model, d.batch(), quiet=True)
    assert report.failed == ("teacher stays frozen", "sample weights")
    assert "temperature" in report.passed and term.temperature == 3.0


def test_nothing_of_the_distiller_is_changed():
    models = []
    for _ in range(2):
        model = Distiller(*d.pair(norm=True, dropout=0.5))
        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        model.compile(keras.optimizers.Adam(0.01), metrics, alpha=1, temperature=1)
        model.student.layers[1].trainable = False
        model.fit(*d.batch()[:2], verbose=0)
        models.append(model)
    model, twin = models
    state = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before, optimizer, history = values(state), model.optimizer, model.history
    flags = [layer.trainable for layer in (*model.student.layers, *model.teacher.layers)]
    check_distiller(model, d.batch(), quiet=True)
    for a, b in zip(before, values(state), strict=True):
        np.testing.assert_array_equal(a, b)
    assert flags == [layer.trainable for layer in (*model.student.layers, *model.teacher.layers)]
    assert (model.optimizer, model.history) == (optimizer, history)
    assert (model.alpha, model.temperature, model.run_eagerly) == (1, 1, False)
    for each in models:
        each.fit(*d.batch()[:2], epochs=2, verbose=0)
    for a, b in zip(values(model.variables), values(twin.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_step_that_raises_leaves_everything_as_it_was():
    class Raises(d.Sound):
        def compute_loss(self, *args, **kwargs):
            raise RuntimeError("a fault of its own")

    model = Raises(*d.pair())
    model.compile()
    before, optimizer = values(model.variables), model.optimizer
    with pytest.raises(RuntimeError, match="a fault of its own"):
        check_distiller(model, d.batch(weighted=False))
    for a, b in zip(before, values(model.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer is optimizer and (model.alpha, model.temperature) == (0.3, 2.0)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 8.0])
def test_faults_are_seen_at_any_alpha_and_temperature(alpha, temperature):
    options = {"alpha": alpha, "temperature": temperature}
    assert checked(d.Sound, **options).failed == ()
    assert checked(d.NoFactor, **options).failed == ("factor T squared",)


def test_one_hot_labels_and_a_single_image():
    class OneHot(d.Sound):
        def hard(self, y, z):
            return keras.losses.categorical_crossentropy(y, z, from_logits=True)

    x, y = d.batch(1, weighted=False)
    report = checked(OneHot, (x, np.eye(d.CLASSES, dtype="float32")[y]))
    assert report.failed == ()


def test_logits_that_cannot_be_set_are_said_to_be_so():
    def headless(seed):
        keras.utils.set_random_seed(seed)
        dense = keras.layers.Dense(d.CLASSES, use_bias=False)
        return keras.Sequential([keras.Input((4, 4, 3)), dense])

    report = checked(d.Sound, d.batch(), [headless(1), headless(2)])
    assert "class axis" in report.not_applicable
    assert "kernel and bias" in report["class axis"].message
    assert "teacher's weights" in report.passed


def test_squared_difference_of_logits_is_no_fault():
    class Squared(d.Sound):
        def soft(self, taught, z):
            return keras.ops.sum(keras.ops.square(taught - z), axis=-1)

    report = checked(Squared)
    assert report.failed == ()
    assert {"shift of the logits", "temperature", "factor T squared"} <= set(report.not_applicable)


def test_it_prints_what_it_returns(capsys):
    model = d.Reversed(*d.pair())
    model.compile()
    report = check_distiller(model, d.batch())
    printed = capsys.readouterr().out
    assert printed == f"{report}\n"
    assert "✗ direction of the divergence: KL(student ‖ teacher)" in printed
    assert "    Mend: give the teacher first" in printed
    assert printed.splitlines()[0] == "Reversed with T = 2, alpha = 0.3"
    assert printed.splitlines()[-1] == "17 passed, 1 failed, 2 not applicable"
    with pytest.raises(KeyError, match="no check is named 'tempo'"):
        report["tempo"]


def test_what_is_no_distiller_or_no_batch():
    model = d.Sound(*d.pair())
    with pytest.raises(ValueError, match="Sound has no optimizer: compile it first"):
        check_distiller(model, d.batch())
    model.compile()
    with pytest.raises(ValueError, match="no model as its attribute 'student'"):
        check_distiller(model.student, d.batch())
    with pytest.raises(ValueError, match="batch is ndarray; expected a tuple"):
        check_distiller(model, d.batch()[0])
    with pytest.raises(ValueError, match=r"labels have shape \(0, 4, 4\)"):
        check_distiller(model, tuple(part[:0] for part in d.batch()))
    with pytest.raises(ValueError, match=r"are 2 labels, and inputs of \[1\] images"):
        check_distiller(model, (d.batch(2)[0][:1], *d.batch(2)[1:]))


class SeveralLabels(d.Sound):
    """Each class is a yes or no; the losses are the mean over them, as in kdlib."""

    over = staticmethod(keras.ops.mean)

    def hard(self, y, z):
        return self.over(keras.ops.binary_crossentropy(y, z, from_logits=True), axis=-1)

    def soft(self, taught, z):
        taught, z = (keras.ops.stack([0 * each, each], axis=-1) for each in (taught, z))
        return self.over(super().soft(taught, z), axis=-1)


class SummedOverLabels(SeveralLabels):
    over = staticmethod(keras.ops.sum)


def several(kind, end=None, labels=((1, 1, 0), (0, 0, 1)), **options):
    """Check a distiller of three classes that may hold at once."""

    def network(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, end)])

    model = kind(network(1), network(2), **options)
    model.compile(alpha=0.3, temperature=2.0)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    batch = (x, np.array(labels, "float32"), np.float32([1, 0.5]))
    return check_distiller(model, batch, quiet=True)


@pytest.mark.parametrize(
    ("kind", "end", "options"),
    [
        (SeveralLabels, None, {}),
        (SummedOverLabels, None, {}),
        (Distiller, "sigmoid", {}),
        (Distiller, None, {"exclusive": False}),
    ],
)
def test_labels_that_may_hold_together(kind, end, options):
    report = several(kind, end, **options)
    assert report.failed == ()
    assert report.not_applicable[-2:] == ("shift of the logits", "labels outside the classes")
    assert len(report.not_applicable) == 4  # no normalisation, no dropout
    assert "sigmoid(z / T)" in report["temperature"].message
    for scale in report["mean over the pixels"].measured.values():
        assert scale == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("style", [SeveralLabels, SummedOverLabels])
@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        (d.NoFactor, "factor T squared", "grows 1.00 times; T² would be 4: it is left out"),
        (d.Reversed, "direction of the divergence", "KL(student ‖ teacher)"),
        (d.AlphaTurnedRound, "alpha", "at alpha = 1 the teacher still has"),
        (d.WeightsOnLabelsAlone, "sample weights", "counts in the loss on the soft targets"),
        (d.NoSoftTargets, "class axis", "the teacher changes nothing"),
        (d.SummedOverImages, "mean over the pixels", "twice the images|summed over the images"),
    ],
)
def test_faults_with_labels_that_may_hold_together(kind, name, says, style):
    report = several(type(kind.__name__, (kind, style), {}))
    assert report.failed == (name,)
    assert any(each in report[name].message for each in says.split("|"))


class SeveralAtOne(SeveralLabels):
    def soft(self, taught, z):
        return super().soft(taught * self.temperature, z * self.temperature)


class SeveralTimesT(SeveralLabels):
    def soft(self, taught, z):
        return super().soft(taught * self.temperature**2, z * self.temperature**2)


@pytest.mark.parametrize(
    ("kind", "says"),
    [(SeveralAtOne, "does not reach the loss"), (SeveralTimesT, "multiplies the logits")],
)
def test_a_wrong_temperature_of_labels_that_may_hold_together(kind, says):
    report = several(kind)
    assert report.failed == ("temperature",)
    assert says in report["temperature"].message
    assert "sigmoid(logits / T)" in report["temperature"].remedy


class OverTheLabels(SeveralLabels):
    """Softens labels that may hold together as if they excluded each other."""

    soft = d.Sound.soft


class OfIds(SeveralLabels):
    def hard(self, y, z):
        return super().hard(keras.ops.one_hot(keras.ops.cast(y, "int32"), 3), z)


def test_what_is_unknown_of_labels_that_may_hold_together_is_not_judged():
    report = several(OverTheLabels)
    assert report.failed == ()
    assert "none of those that these checks know" in report["temperature"].message
    report = several(OfIds, "sigmoid", labels=(0, 2))
    assert report.failed == ()
    assert "the labels are not one number for each" in report["temperature"].message


def test_labels_without_any_effect_are_a_fault():
    class Deaf(d.Sound):
        def hard(self, y, z):
            return 0 * super().hard(y, z)

    report = checked(Deaf)
    assert report.failed == ("loss on the labels",)
    assert "change nothing in the gradient, though alpha is 0.3" in str(report)


def test_a_temperature_that_can_only_be_read():
    class Fixed(d.Sound):
        def __setattr__(self, name, value):
            if name == "temperature" and hasattr(self, name):
                raise AttributeError(name)
            super().__setattr__(name, value)

    report = checked(Fixed)
    assert report.failed == ()
    assert "no attribute temperature holds a number" in report["temperature"].message
