"""Distillers in several styles, sound and broken, for the tests of check_distiller."""

import keras
import numpy as np
from keras import layers, ops

SIZE, CLASSES = 4, 5


def network(
    seed, width=4, norm=False, dropout=0.0, softmax=False, shape=(SIZE, SIZE, 3), classes=CLASSES
):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(shape)
    x = layers.Dense(width, activation="tanh")(x)
    x = layers.BatchNormalization(momentum=0.5)(x) if norm else x
    x = layers.Dropout(dropout)(x) if dropout else x
    x = layers.Dense(classes, name="logits", activation="softmax" if softmax else None)(x)
    return keras.Model(inputs, x)


def pair(**options):
    return network(1, 3, **options), network(2, 4, **options)


def batch(count=3, weighted=True, shape=(SIZE, SIZE)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, *shape, 3)).astype("float32")
    y = rng.integers(0, CLASSES, (count, *shape)).astype("int32")
    return (x, y, rng.integers(0, 2, y.shape).astype("float32")) if weighted else (x, y)


class Sound(keras.Model):
    """A right distiller, of parts that a subclass breaks one by one."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student, self.teacher = student, teacher

    @property
    def trainable_variables(self):
        return self.student.trainable_variables

    @property
    def trainable_weights(self):
        return self.student.trainable_weights

    @property
    def non_trainable_variables(self):
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    def compile(self, optimizer="sgd", alpha=0.3, temperature=2.0, **options):
        super().compile(optimizer=optimizer, **options)
        self.alpha, self.temperature = alpha, temperature

    def call(self, inputs, training=False):
        return self.student(inputs, training=training)

    def fit(self, x, y, sample_weight=None, **options):
        """Look at the labels before anything is compiled; those of weight 0 become a class."""
        y = y if sample_weight is None else np.where(sample_weight > 0, y, 0)
        if y.max() >= CLASSES:
            raise ValueError(f"a label is {y.max()}")
        return super().fit(x, y, sample_weight=sample_weight, **options)

    def ask(self, x, training):
        return ops.stop_gradient(self.teacher(x, training=False))

    def hard(self, y, z):
        return -ops.sum(ops.one_hot(y, CLASSES) * ops.log_softmax(z), axis=-1)

    def soft(self, taught, z):
        return self.temperature**2 * kl(taught / self.temperature, z / self.temperature)

    def mean(self, each, weight):
        return ops.mean(each if weight is None else each * weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        hard = self.mean(self.hard(y, y_pred), sample_weight)
        soft = self.soft(self.ask(x, training), y_pred)
        return self.total(hard, self.mean(soft, sample_weight))

    def total(self, hard, soft):
        return self.alpha * hard + (1 - self.alpha) * soft


def kl(taught, z, axis=-1):
    log_p, log_q = ops.log_softmax(taught, axis=axis), ops.log_softmax(z, axis=axis)
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


class NothingLearns(Sound):
    def compute_loss(self, *args, **kwargs):
        return 0 * super().compute_loss(*args, **kwargs)


class TeacherFollows(Sound):
    def compute_loss(self, *args, training=True, **kwargs):
        loss = super().compute_loss(*args, training=training, **kwargs)
        for v in self.teacher.weights if training else ():
            v.assign(v + 0.1)
        return loss


class TeacherInTraining(Sound):
    def ask(self, x, training):
        return ops.stop_gradient(self.teacher(x, training=training))


class TeacherInOptimizer(Sound):
    trainable_variables = keras.Model.trainable_variables
    trainable_weights = keras.Model.trainable_weights
    non_trainable_variables = keras.Model.non_trainable_variables


class FrozenByFlag(TeacherInOptimizer):
    def __init__(self, student, teacher):
        super().__init__(student, teacher)
        teacher.trainable = False


class SecondPass(Sound):
    def compute_loss(self, x=None, *args, **kwargs):
        self.student(x, training=True)
        return super().compute_loss(x, *args, **kwargs)


class CallsTeacher(Sound):
    def call(self, inputs, training=False):
        return (self.student if training else self.teacher)(inputs, training=training)


class OverTheHeight(Sound):
    def soft(self, taught, z):
        return self.temperature**2 * kl(taught / self.temperature, z / self.temperature, axis=1)


class NoSoftTargets(Sound):
    def soft(self, taught, z):
        return 0 * super().soft(taught, z)


class WeighedByLogit(Sound):
    def soft(self, taught, z):
        return ops.max(taught, axis=-1) * super().soft(taught, z)


class OnProbabilities(Sound):
    def soft(self, taught, z):
        return super().soft(ops.softmax(taught), ops.softmax(z))


class TemperatureIgnored(Sound):
    def soft(self, taught, z):
        return self.temperature**2 * kl(taught, z)


class NoFactor(Sound):
    def soft(self, taught, z):
        return super().soft(taught, z) / self.temperature**2


class Reversed(Sound):
    def soft(self, taught, z):
        return super().soft(z, taught)


class StudentWithoutSoftmax(Sound):
    def soft(self, taught, z):
        p = ops.softmax(taught / self.temperature)
        return -self.temperature * ops.sum(p * z, axis=-1)


class SummedOverPixels(Sound):
    def soft(self, taught, z):
        return SIZE**2 * super().soft(taught, z)


class SummedOverImages(Sound):
    def mean(self, each, weight):
        return ops.cast(ops.shape(each)[0], "float32") * super().mean(each, weight)


class DividedByClasses(Sound):
    def soft(self, taught, z):
        return super().soft(taught, z) / CLASSES


class DoubleSoftmax(Sound):
    def hard(self, y, z):
        return super().hard(y, ops.softmax(z))


class LogitsAsProbabilities(Sound):
    def hard(self, y, z):
        return keras.losses.sparse_categorical_crossentropy(y, z)


class AlphaTurnedRound(Sound):
    def total(self, hard, soft):
        return super().total(soft, hard)


class WeightsOnLabelsAlone(Sound):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        soft = self.mean(self.soft(self.ask(x, training), y_pred), None)
        return self.total(self.mean(self.hard(y, y_pred), sample_weight), soft)


class LabelsUnseen(Sound):
    fit = keras.Model.fit


class LabelsOfKeras(LabelsUnseen):
    def hard(self, y, z):
        return keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True)


class OneLogit(Sound):
    """Yes or no: the softmax of a logit and of 0."""

    def hard(self, y, z):
        return -ops.sum(ops.one_hot(y, 2) * ops.log_softmax(both(z)), axis=-1)

    def soft(self, taught, z):
        return super().soft(both(taught), both(z))

    def fit(self, x, y, sample_weight=None, **options):
        if y.max() > 1 and sample_weight is None:
            raise ValueError(f"a label is {y.max()}")
        return super().fit(x, y, sample_weight=sample_weight, **options)


class OneLogitWithoutFactor(OneLogit):
    def soft(self, taught, z):
        return super().soft(taught, z) / self.temperature**2


class OneLogitReversed(OneLogit):
    def soft(self, taught, z):
        return super().soft(z, taught)


class OneLogitSoftmax(OneLogit):
    """The softmax over one class is 1, whatever the logit."""

    def soft(self, taught, z):
        return Sound.soft(self, taught, z)


def both(z):
    return ops.concatenate([ops.zeros_like(z), z], axis=-1)


class KerasExample(keras.Model):
    """In the style of the distillation example of the Keras site: its loss, in our own words."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student, self.teacher = student, teacher

    def compile(self, optimizer, metrics, student_loss, distillation_loss, alpha, temperature):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn, self.distillation_loss_fn = student_loss, distillation_loss
        self.alpha, self.temperature = alpha, temperature

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
        taught = self.teacher(x, training=False)
        soft = self.distillation_loss_fn(
            ops.softmax(taught / self.temperature, axis=1),
            ops.softmax(y_pred / self.temperature, axis=1),
        )
        hard = self.student_loss_fn(y, y_pred)
        return self.alpha * hard + (1 - self.alpha) * soft * self.temperature**2


class SourceProject(KerasExample):
    """In the style of the project that the book starts from: softmax outputs, divided by T."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        taught = self.teacher(x, training=False)
        with tf.GradientTape() as tape:
            said = self.student(x, training=True)
            soft = self.distillation_loss_fn(
                tf.nn.softmax(taught / self.temperature), tf.nn.softmax(said / self.temperature)
            )
            loss = self.alpha * self.student_loss_fn(y, said) + (1 - self.alpha) * soft
        variables = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}

    def test_step(self, data):
        x, y = data
        return {"student_loss": self.student_loss_fn(y, self.student(x, training=False))}
