"""The steps that are timed: kdlib's, and what others would write.

All get the same batch: images, labels, and the weight of each pixel, here 1, since
``keras.distillation`` leaves weights out.
"""

import keras
import numpy as np
from keras import ops

from kdlib.distiller import Distiller
from kdlib.models import pretrained
from kdlib.unet import logits_model, multi_student_unet_model, multi_teacher_unet_model

ALPHA, TEMPERATURE, CLASSES = 0.1, 3.0, 6


def networks(size, precision="float32"):
    """Return copies of the trained student and teacher of the city: the same at each call.

    Trained, since the divergence of logits that are nearly alike is computed in another way.

    - ``size``: height and width of an image, divisible by 16.
    - ``precision``: {"float32", "mixed_bfloat16"}.

    >>> [network.name for network in networks(16)]
    ['student', 'teacher']
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        found = [
            build(CLASSES, size, size, dropout=0.0, normalization="batch")
            for build in (multi_student_unet_model, multi_teacher_unet_model)
        ]
    finally:
        keras.config.set_dtype_policy(before)
    for network in found:
        network.set_weights(pretrained(network.name, "city").get_weights())
    return found


def contender(name, student, teacher, batch=8, xla=False):
    """Return a function that does one step on a fixed random batch, and waits for the loss.

    - ``name``: one of :data:`CONTENDERS`.
    - ``student``, ``teacher``: as :func:`networks` returns them. The student is trained.
    - ``batch``: images a step.
    - ``xla``: whether to compile the whole step with XLA.
    - Returns callable: returns the loss of the step; of the teacher's forward pass, one logit.
    - ``ValueError`` if there is no such contender on this backend.

    >>> step = contender("student alone", *networks(16), batch=1)
    >>> step() > 0
    True
    """
    if name not in ways():
        raise ValueError(
            f"contender is {name!r}; expected one of {', '.join(ways())} on Keras with "
            f"{keras.backend.backend()}."
        )
    rng = np.random.default_rng(0)
    x = rng.random((batch, *student.input_shape[1:]), dtype=np.float32)
    y = rng.integers(0, student.output_shape[-1], x.shape[:3]).astype(np.int32)
    data = x, y, np.ones(y.shape, np.float32)
    return CONTENDERS[name](student, teacher, data, {"jit_compile": xla})


def ways():
    """Return the names of the contenders that this backend can run.

    The loop by hand needs TensorFlow's tape.

    >>> ways()[0]
    'student alone'
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return [name for name in CONTENDERS if on_tensorflow or name != "two passes"]


def _cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _step(model, data):
    return lambda: float(model.train_on_batch(*data, return_dict=True)["loss"])


def _alone(student, teacher, data, options):
    model = logits_model(student)
    model.compile("adam", _cross_entropy(), **options)
    return _step(model, data)


def _teacher_training(student, teacher, data, options):
    return _alone(teacher, student, data, options)


def _teacher_forward(student, teacher, data, options):
    model = logits_model(teacher)
    model.compile(**options)
    return lambda: float(model.predict_on_batch(data[0])[0, 0, 0, 0])


def _online(student, teacher, data, options):
    model = Distiller(student, teacher)
    model.compile("adam", alpha=ALPHA, temperature=TEMPERATURE, **options)
    return _step(model, data)


def _cached(student, teacher, data, options):
    x, *rest = data
    ask = logits_model(teacher)
    # One image at a time: the peak of the memory is to be that of the steps.
    logits = [ops.convert_to_numpy(ask(image[None], training=False))[0] for image in x]
    logits = np.float16(logits)
    return _online(student, teacher, ({"image": x, "teacher_logits": logits}, *rest), options)


def _softened_kl():
    kl = keras.losses.KLDivergence()

    def loss(taught, logits, weight):
        """Return what the Keras site's example means: the classes are on the last axis."""
        pair = (ops.softmax(z / TEMPERATURE, axis=-1) for z in (taught, logits))
        return TEMPERATURE**2 * kl(*pair, sample_weight=weight)

    return loss


class _Example(keras.Model):
    """The Keras site's example in our words, mended: the teacher held fast, weights used."""

    def __init__(self, student, teacher):
        super().__init__(name="example")
        self.student, self.teacher = student, teacher
        self.teacher.trainable = False
        self.hard, self.soft = _cross_entropy(), _softened_kl()

    def call(self, x, training=False):
        return self.student(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        taught = ops.stop_gradient(self.teacher(x, training=False))
        hard = self.hard(y, y_pred, sample_weight=sample_weight)
        return ALPHA * hard + (1 - ALPHA) * self.soft(taught, y_pred, sample_weight)


def _example(student, teacher, data, options):
    model = _Example(logits_model(student), logits_model(teacher))
    model.compile("adam", **options)
    return _step(model, data)


def _keras_distillation(student, teacher, data, options):
    loss = keras.distillation.LogitsDistillation(
        temperature=TEMPERATURE, loss=keras.losses.KLDivergence()
    )
    model = keras.distillation.Distiller(
        teacher=logits_model(teacher),
        student=logits_model(student),
        distillation_losses=loss,
        student_loss_weight=ALPHA,
    )
    model.compile("adam", _cross_entropy(), **options)
    return _step(model, data)


def _two_passes(student, teacher, data, options):
    """Ask the teacher by ``predict_on_batch``, then take a step with TensorFlow's tape."""
    import tensorflow as tf

    ask, model = logits_model(teacher), logits_model(student)
    ask.compile(**options)
    hard, soft = _cross_entropy(), _softened_kl()
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function(**options)
    def train(x, y, weight, taught):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = ALPHA * hard(y, logits, sample_weight=weight)
            loss += (1 - ALPHA) * soft(taught, logits, weight)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    def step():
        taught = ask.predict_on_batch(data[0])
        return float(train(*(tf.convert_to_tensor(part) for part in (*data, taught))))

    return step


CONTENDERS = {
    "student alone": _alone,
    "teacher training": _teacher_training,
    "teacher forward": _teacher_forward,
    "kdlib online": _online,
    "kdlib cached": _cached,
    "Keras example, mended": _example,
    "keras.distillation": _keras_distillation,
    "two passes": _two_passes,
}
"""What is timed: three parts, of which the first is the unit, and five ways to teach."""
