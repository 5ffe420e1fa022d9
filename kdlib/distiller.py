r"""The Distiller: one network trained by another.

.. math:: L = \alpha\, L_{student} + (1 - \alpha)\, T^2\, L_{distillation}

with the student's loss on the labels and the distillation loss on the teacher's logits, both
divided by T (Hinton, Vinyals and Dean 2015, section 2).
"""

import threading

import keras
from keras import ops

from kdlib.losses import (
    SoftTargetKLDivergence,
    as_float,
    as_loss,
    checked_alpha,
    checked_temperature,
)
from kdlib.pairs import check_pair
from kdlib.unet import logits_and_outputs, logits_model

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

    from kdlib._compiled_objectives import in_one_pass


@keras.saving.register_keras_serializable(package="kdlib")
class Distiller(keras.Model):
    """Train a student on labels and on the softened predictions of a teacher.

    The teacher never changes: it is called in inference mode, no gradient reaches it, and its
    variables are never among ``trainable_variables``, whatever its own ``trainable`` says. The
    model object that you pass in is used as it is, not copied and not altered.

    Calling the Distiller calls the student. On TensorFlow the training step is written out, as a
    reader meets it in the book; on JAX and PyTorch Keras' own step calls :meth:`compute_loss`,
    which computes the same.

    Inputs may be a dictionary, ``{"image": images, "teacher_logits": logits}``, as
    :class:`kdlib.cache.CachedBatches` makes them. Then the teacher is not run: these logits, of
    shape (batch, ..., classes), stand for its answer.

    Parameters
    ----------
    student : keras.Model
        The network to train: functional, built, with a layer named ``logits``.
    teacher : keras.Model
        A trained network of the same kind, with the same input and the same classes.
    name : str
        The name of the model.

    Raises
    ------
    ValueError
        If the two are the same model, one has no ``logits``, or classes or inputs differ.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network.

    Examples
    --------
    >>> from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model
    >>> teacher = multi_teacher_unet_model(image_height=32, image_width=32)
    >>> student = multi_student_unet_model(image_height=32, image_width=32)
    >>> distiller = Distiller(student, teacher)
    >>> distiller.compile(keras.optimizers.Adam(), alpha=0.1, temperature=3.0)
    >>> len(distiller.trainable_variables) == len(student.trainable_variables)
    True
    """

    def __init__(self, student, teacher, name="distiller", **kwargs):
        super().__init__(name=name, **kwargs)
        check_pair(student, teacher)
        self.student = student
        self.teacher = teacher
        # Plain lambdas, so that Keras does not track the shared layers a second time.
        both, teacher_logits = logits_and_outputs(student), logits_model(teacher)
        self._run_student = lambda x, training: both(_image(x), training=training)
        self._run_teacher = lambda x: _cached(x, lambda: teacher_logits(x, training=False))
        # The logits of the last call, for compute_loss. MirroredStrategy has a thread a replica.
        self._last_call = threading.local()
        self.built = True
        # Under a mixed precision policy Keras would round the logits of a cache to bfloat16. The
        # student casts the images itself.
        self.autocast = False

    @property
    def trainable(self):
        """Whether the student is trainable. Setting it leaves the teacher alone."""
        return self.student.trainable if hasattr(self, "student") else True

    @trainable.setter
    def trainable(self, value):
        if hasattr(self, "student"):
            self.student.trainable = value

    @property
    def trainable_variables(self):
        """The student's trainable variables, never the teacher's."""
        return self.student.trainable_variables

    @property
    def non_trainable_variables(self):
        """Every other variable: the teacher's, batch statistics, seeds."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    @property
    def trainable_weights(self):
        """The student's trainable weights, never the teacher's."""
        return self.student.trainable_weights

    @property
    def non_trainable_weights(self):
        """Every other weight, the teacher's among them."""
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]

    def compile(
        self,
        optimizer="adam",
        metrics=None,
        student_loss_fn=None,
        distillation_loss_fn=None,
        alpha=0.1,
        temperature=3.0,
        **kwargs,
    ):
        """Set the optimizer, the metrics, the two losses and their balance.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer or str
            Trains the student.
        metrics : list, optional
            Compare the labels with the student's outputs. They see the sample weights, so that
            void pixels do not count.
        student_loss_fn : keras.losses.Loss or callable, optional
            ``(labels, student_logits)``; sparse categorical cross-entropy from logits by default.
        distillation_loss_fn : keras.losses.Loss or callable, optional
            ``(teacher_logits / T, student_logits / T)``;
            :class:`kdlib.losses.SoftTargetKLDivergence` by default. The Distiller multiplies the
            result by T².
        alpha : float
            From 0 (soft targets only) to 1 (labels only).
        temperature : float
            T > 0.
        **kwargs
            What ``keras.Model.compile`` also takes: ``run_eagerly``, ``jit_compile``,
            ``steps_per_execution``, ``auto_scale_loss``.

        Raises
        ------
        ValueError
            If alpha or T is out of range, or a loss expects probabilities.
        """
        self.alpha = checked_alpha(alpha)
        self.temperature = checked_temperature(temperature)
        self.student_loss_fn = as_loss(
            student_loss_fn or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "student_loss_fn",
        )
        self.distillation_loss_fn = as_loss(
            distillation_loss_fn or SoftTargetKLDivergence(), "distillation_loss_fn"
        )
        super().compile(optimizer=optimizer, loss=None, weighted_metrics=metrics, **kwargs)
        self._weighted_objectives = self._compiled_objectives()
        self.student_loss_tracker = keras.metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = keras.metrics.Mean(name="distillation_loss")
        self.optimizer.build(self.trainable_variables)
        self._compile_options = {
            "optimizer": self.optimizer,
            "metrics": metrics,
            "student_loss_fn": self.student_loss_fn,
            "distillation_loss_fn": self.distillation_loss_fn,
            "alpha": self.alpha,
            "temperature": self.temperature,
            **kwargs,
        }

    def call(self, inputs, training=False):
        """Return what the student returns: class probabilities for the U-Nets of kdlib."""
        logits, outputs = self._run_student(inputs, training)
        self._last_call.logits, self._last_call.outputs = logits, outputs
        return outputs

    def objectives(self, y, teacher_logits, student_logits, sample_weight=None):
        """Return the two losses, before they are weighted: (student_loss, distillation_loss).

        Both are means over all pixels of weight times loss. A pixel of weight 0 adds nothing.

        Parameters
        ----------
        y : tensor
            Labels of shape (batch, ...), integers from 0 to classes - 1.
        teacher_logits, student_logits : tensor
            Shape (batch, ..., classes).
        sample_weight : tensor, optional
            Shape (batch, ...), or (batch,).

        Returns
        -------
        tuple of scalar tensors
        """
        sample_weight = _per_pixel(sample_weight, student_logits)
        soft = (teacher_logits / self.temperature, student_logits / self.temperature)
        return (
            self.student_loss_fn(y, student_logits, sample_weight=sample_weight),
            self.distillation_loss_fn(*soft, sample_weight=sample_weight),
        )

    def weighted_sum(self, student_loss, distillation_loss):
        """Return alpha · student_loss + (1 - alpha) · T² · distillation_loss."""
        soft_weight = (1 - self.alpha) * self.temperature**2
        return self.alpha * student_loss + soft_weight * distillation_loss

    def weighted_objectives(self, y, teacher_logits, student_logits, sample_weight=None):
        """Return the weighted sum, and the :meth:`objectives` that it is made of.

        Parameters and shapes are those of :meth:`objectives`.

        Returns
        -------
        tuple of scalar tensors
            (total, student_loss, distillation_loss)
        """
        # In float32: divided by T in float16, the logits of a cache would be rounded once more.
        logits = as_float(teacher_logits), as_float(student_logits)
        parts = self.objectives(y, *logits, sample_weight)
        return self.weighted_sum(*parts), *parts

    def _compiled_objectives(self):
        """Return :meth:`weighted_objectives`, compiled if the losses are known to allow it."""
        own = "objectives", "weighted_sum", "weighted_objectives"
        known = (
            all(getattr(type(self), name) is getattr(Distiller, name) for name in own)
            and type(self.student_loss_fn) is keras.losses.SparseCategoricalCrossentropy
            and type(self.distillation_loss_fn) is SoftTargetKLDivergence
        )
        if not (_ON_TENSORFLOW and known) or self.run_eagerly:
            return self.weighted_objectives
        return in_one_pass(self.weighted_objectives, lambda: (self.alpha, self.temperature))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch that was just called: the path of every backend.

        Keras' own ``train_step`` and ``test_step`` call it after the Distiller itself.

        Raises
        ------
        ValueError
            If ``y_pred`` is not what the last call returned.
        """
        if getattr(self._last_call, "outputs", None) is not y_pred:
            raise ValueError(
                "compute_loss needs the logits behind y_pred, and y_pred is not what the last "
                "call of this Distiller returned. Call distiller(x) first and pass its result on."
            )
        student_logits, regularisation = self._last_call.logits, self.losses
        del self._last_call.logits, self._last_call.outputs
        teacher_logits = ops.stop_gradient(self._run_teacher(x))
        total, *parts = self.weighted_objectives(y, teacher_logits, student_logits, sample_weight)
        self._track(*parts, batch_size=ops.shape(teacher_logits)[0])
        return self._regularised(total, regularisation)

    def _regularised(self, total, regularisation):
        # Keras losses are scaled for tf.distribute; what the student adds itself is not yet.
        return total + sum(regularisation) / _replicas() if regularisation else total

    def _track(self, student_loss, distillation_loss, batch_size):
        scale = _replicas()
        self.student_loss_tracker.update_state(student_loss * scale, sample_weight=batch_size)
        self.distillation_loss_tracker.update_state(
            distillation_loss * scale, sample_weight=batch_size
        )

    if _ON_TENSORFLOW:

        def train_step(self, data):
            """Train the student on one batch, in eight steps; return losses and metrics."""
            # 1. Unpack the batch: images, labels, and the weight of each pixel.
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            # 2. The teacher answers: in inference mode, outside the tape.
            teacher_logits = self._run_teacher(x)
            with tf.GradientTape() as tape:
                # 3. The student answers, in training mode.
                student_logits, y_pred = self._run_student(x, training=True)
                # 4. Two objectives: one on the labels, one on the teacher's logits over T.
                # 5. Their weighted sum, with T² in front of the second.
                batch = y, teacher_logits, student_logits, sample_weight
                total, *parts = self._weighted_objectives(*batch)
                loss = self._regularised(total, self.student.losses)
                scaled_loss = self.optimizer.scale_loss(loss)  # for float16; else the same
            # 6. The gradient in the student's weights, and in nothing else.
            gradients = tape.gradient(scaled_loss, self.student.trainable_weights)
            # 7. The optimizer moves the student.
            self.optimizer.apply(gradients, self.student.trainable_weights)
            # 8. Report both losses, their sum and the metrics.
            return self._report(loss, parts, x, y, y_pred, sample_weight)

        def test_step(self, data):
            """Evaluate one batch with the same losses, all of it in inference mode."""
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            teacher_logits = self._run_teacher(x)
            student_logits, y_pred = self._run_student(x, training=False)
            batch = y, teacher_logits, student_logits, sample_weight
            total, *parts = self._weighted_objectives(*batch)
            loss = self._regularised(total, self.student.losses)
            return self._report(loss, parts, x, y, y_pred, sample_weight)

        def _report(self, loss, parts, x, y, y_pred, sample_weight):
            # Of the labels: asked for its shape, a softmax that no metric needs would be computed.
            batch_size = tf.shape(y)[0]
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss * _replicas(), sample_weight=batch_size)
            self._track(*parts, batch_size=batch_size)
            return self.compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self):
        """Return what is needed to build the Distiller again, both networks included."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "student": serialize(self.student),
            "teacher": serialize(self.teacher),
        }

    @classmethod
    def from_config(cls, config):
        """Build a Distiller from :meth:`get_config`."""
        deserialize = keras.saving.deserialize_keras_object
        networks = {key: deserialize(config[key]) for key in ("student", "teacher")}
        return cls(name=config["name"], **networks)

    def get_compile_config(self):
        """Return the arguments of :meth:`compile`, for saving."""
        if not self.compiled:
            return None
        return keras.saving.serialize_keras_object(self._compile_options)

    def compile_from_config(self, config):
        """Compile as saved, so that a reloaded Distiller goes on where it stopped."""
        self.compile(**keras.saving.deserialize_keras_object(config))


def _per_pixel(sample_weight, logits):
    """Give a weight per image the axes of a weight per pixel, so that it reaches every pixel."""
    if sample_weight is None:
        return None
    sample_weight = ops.convert_to_tensor(sample_weight)
    missing = len(logits.shape) - 1 - len(sample_weight.shape)
    return ops.reshape(sample_weight, ops.shape(sample_weight) + (1,) * missing)


def _image(x):
    """Return the images of a batch, with or without logits from a cache beside them."""
    return x["image"] if _has_cached(x) else x


def _cached(x, otherwise):
    """Return the teacher's logits that came with the images, or what the teacher says now."""
    return x["teacher_logits"] if _has_cached(x) else otherwise()


def _has_cached(x):
    return isinstance(x, dict) and set(x) == {"image", "teacher_logits"}


def _replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync if _ON_TENSORFLOW else 1
