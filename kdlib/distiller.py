r"""The Distiller: one network trained by another.

.. math:: L = \alpha\, L_{student} + (1 - \alpha)\, T^2\, L_{distillation}

What it computes is in :mod:`kdlib.neutral`; here are the steps, written out for TensorFlow.
"""

import keras

from kdlib._labels import unmasked
from kdlib.losses import LabelCrossEntropy, SoftTargetKLDivergence
from kdlib.neutral import NeutralDistiller, _replicas

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="kdlib")
class Distiller(NeutralDistiller):
    """Train a student on labels and on the softened predictions of a teacher.

    The teacher never changes: it is called in inference mode, no gradient reaches it, and its
    variables are never among ``trainable_variables``, whatever its own ``trainable`` says. The
    model object that you pass in is used as it is, not copied and not altered.

    Calling the Distiller calls the student. On TensorFlow the training step is written out, as a
    reader meets it in the book; on JAX and PyTorch Keras' own step calls ``compute_loss``,
    which computes the same.

    Inputs may be a dictionary, ``{"image": images, "teacher_logits": logits}``, as
    :class:`kdlib.cache.CachedBatches` makes them. Then the teacher is not run: these logits, of
    shape (batch, ..., classes), stand for its answer.

    ``alpha``, ``temperature``, ``teacher`` and both losses may be set at any time, and count from
    the next step on, in ``fit`` as in ``evaluate``. So a callback can anneal T:

    >>> class Anneal(keras.callbacks.Callback):
    ...     def on_epoch_begin(self, epoch, logs=None):
    ...         self.model.temperature = max(1.0, 4.0 - epoch)

    Parameters
    ----------
    student : keras.Model
        The network to train: any that is built. Its logits are what its softmax or sigmoid, if it
        ends in one, is taken of. One logit, or a sigmoid a class, is distilled as yes or no.
    teacher : keras.Model
        A trained network with the same classes.
    name : str
        The name of the model.
    outputs : None, "logits" or "probabilities"
        What the networks return, where that cannot be seen, as in a subclassed model whose code
        does not show it. Or a dictionary for ``"student"`` and ``"teacher"``.
    output_name : str, optional
        Which output is distilled, if there are several. Or such a dictionary. Labels and weights
        may then be a dictionary or list too: those of this output of the student count.
    exclusive : bool, optional
        Whether the classes exclude each other, where that cannot be seen: with False each is a yes
        or no of its own, as the labels of an image are that may be true together. By default they
        do, but after a sigmoid, or if there is one logit.
    teacher_input : callable, optional
        From what the student sees to what the teacher sees: another size, or another scale.

    Raises
    ------
    ValueError
        If the two are the same model, the logits of one are not found, or classes or inputs
        differ.

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

    if _ON_TENSORFLOW:

        def _start_anew(self):
            self._weighted_objectives = self._compiled_objectives()
            super()._start_anew()

        def _compiled_objectives(self):
            """Return :meth:`weighted_objectives`, compiled with XLA if its losses allow that.

            All of it reads six numbers a pixel and does little with them: operation by operation
            it would take some times as long, most of it for reading. A classifier has so few
            numbers that to call the compiled part takes longer than it saves.
            """
            own = "objectives", "weighted_sum", "weighted_objectives"
            known = (
                all(getattr(type(self), name) is getattr(Distiller, name) for name in own)
                and type(self.student_loss_fn)
                in (LabelCrossEntropy, keras.losses.SparseCategoricalCrossentropy)
                and isinstance(self.distillation_loss_fn, SoftTargetKLDivergence)
            )
            if not known or self.run_eagerly or len(self._logits_shape) < 3:
                return self.weighted_objectives
            compiled = tf.function(self.weighted_objectives, jit_compile=True, autograph=False)
            return lambda y, teacher, *rest: compiled(y, teacher, *unmasked(*rest))

        def train_step(self, data):
            """Train the student on one batch, in eight steps; return losses and metrics."""
            # 1. Unpack the batch: images, labels, and the weight of each pixel.
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            y, sample_weight = self.checked_labels(y, sample_weight)
            # 2. The teacher answers: in inference mode, outside the tape.
            teacher_logits = self.ask_teacher(x)
            with tf.GradientTape() as tape:
                # 3. The student answers, in training mode.
                student_logits, y_pred = self.ask_student(x, training=True)
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
            y, sample_weight = self.checked_labels(y, sample_weight)
            teacher_logits = self.ask_teacher(x)
            student_logits, y_pred = self.ask_student(x, training=False)
            batch = y, teacher_logits, student_logits, sample_weight
            total, *parts = self._weighted_objectives(*batch)
            loss = self._regularised(total, self.student.losses)
            return self._report(loss, parts, x, y, y_pred, sample_weight)

        def _report(self, loss, parts, x, y, y_pred, sample_weight):
            # Of the labels: asked for its shape, a softmax that no metric needs would be computed.
            batch_size = tf.shape(y_pred if y is None else y)[0]
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss * _replicas(), sample_weight=batch_size)
            self._track(*parts, batch_size=batch_size)
            return self.compute_metrics(x, y, y_pred, sample_weight)
