"""The scores of the confusion matrix as Keras metrics, on any backend."""

import keras
from keras import ops

from kdlib._arguments import checked_whole
from kdlib._labels import in_32_bits
from kdlib.metrics._validation import check_void


class _ConfusionMetric(keras.metrics.Metric):
    """A Keras metric that keeps a confusion matrix; a subclass says what to compute from it."""

    def __init__(self, n_classes, void_class=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.n_classes = n_classes = checked_whole(n_classes, "n_classes", least=2)
        check_void(void_class)
        self.void_class = None if void_class is None else int(void_class)
        self.matrix = self.add_variable(
            (n_classes, n_classes), initializer="zeros", name="confusion_matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        - ``y_true``: tensor of int, shape (batch, ...). Class ids. A last axis of length 1 may
          follow. At weight 0 they may be anything; one-hot labels are a ``ValueError``.
        - ``y_pred``: tensor of float, shape (batch, ..., n_classes). Probabilities or logits: only
          which is largest counts.
        - ``sample_weight``: tensor of float. Shape (batch, ...), or fewer axes, as (batch,).
        """
        y_pred, given = ops.convert_to_tensor(y_pred), ops.convert_to_tensor(in_32_bits(y_true))
        if len(given.shape) == len(y_pred.shape):
            if given.shape[-1] != 1:
                raise ValueError(
                    f"the labels have shape {tuple(given.shape)}: one-hot, or shares of the "
                    f"classes. {self.name} takes class ids: np.argmax(labels, axis=-1)."
                )
            given = ops.squeeze(given, axis=-1)
        y_true = ops.cast(given, "int32")
        weights = self._pixel_weights(y_true, y_pred, sample_weight)
        # A compiled step cannot raise. NaN in the score cannot be overlooked.
        outside = ops.logical_or(y_true < 0, y_true >= self.n_classes)
        outside = ops.logical_or(outside, ops.cast(y_true, given.dtype) != given)
        unusable = ops.logical_or(outside, ops.any(ops.isnan(y_pred), axis=-1))
        unusable = ops.logical_and(unusable, weights != 0)
        weights = ops.where(unusable, ops.full_like(weights, float("nan")), weights)
        true = ops.where(outside, ops.zeros_like(y_true), y_true)
        cells = true * self.n_classes + ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        added = ops.segment_sum(
            ops.reshape(weights, (-1,)), ops.reshape(cells, (-1,)), self.n_classes**2
        )
        self.matrix.assign_add(ops.reshape(added, (self.n_classes, self.n_classes)))

    def _pixel_weights(self, y_true, y_pred, sample_weight):
        """Return one weight for each pixel: 0 for void."""
        weights = ops.ones_like(y_true, dtype=self.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
            missing = len(y_true.shape) - len(sample_weight.shape)
            shape = ops.shape(sample_weight) + (1,) * missing
            weights = weights * ops.reshape(sample_weight, shape)
        if self.void_class is not None:
            weights = ops.where(y_true == self.void_class, ops.zeros_like(weights), weights)
        return weights

    def get_config(self):
        """Return what builds the metric anew."""
        return {
            **super().get_config(),
            "n_classes": self.n_classes,
            "void_class": self.void_class,
        }


@keras.saving.register_keras_serializable(package="kdlib")
class MeanIoU(_ConfusionMetric):
    """Mean intersection over union, from sparse labels, as a Keras metric.

    The ``mean_iou`` of :func:`kdlib.metrics.scores`, to about six digits (it counts in float32).
    It is NaN before the first batch, and as soon as a label that counts is no class or a
    prediction is NaN: a compiled training step cannot raise an error.

    Parameters
    ----------
    n_classes : int
        Number of classes, 2 or more; a void class among the outputs counts as one.
    void_class : int, optional
        True label whose pixels are left out, wherever it lies (5, 255 or -1). Say it here even
        if the void pixels have weight 0: else void counts as a class, with an IoU of 0 where it is
        predicted.
    name : str
        Name in the logs.
    **kwargs
        ``dtype``, as for every Keras metric.

    Raises
    ------
    ValueError
        If ``n_classes`` is not a whole number from 2 up, or ``void_class`` is no integer.

    Examples
    --------
    >>> metric = MeanIoU(n_classes=2)
    >>> metric.update_state([[0, 1, 1]], [[[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, n_classes, void_class=None, name="mean_iou", **kwargs):
        super().__init__(n_classes, void_class, name, **kwargs)

    def result(self):
        """Return the mean over the classes that are labelled or predicted."""
        right = ops.diagonal(self.matrix)
        either = ops.sum(self.matrix, axis=1) + ops.sum(self.matrix, axis=0) - right
        known = ops.cast(either != 0, self.dtype)  # NaN is not 0 either, and stays
        if self.void_class is not None:
            known = known * ops.cast(ops.arange(self.n_classes) != self.void_class, self.dtype)
        iou = ops.where(known > 0, right / ops.where(known > 0, either, 1), 0)
        return ops.sum(iou) / ops.sum(known)


@keras.saving.register_keras_serializable(package="kdlib")
class Accuracy(_ConfusionMetric):
    """Share of the pixels that are right, as a Keras metric; otherwise like :class:`MeanIoU`.

    Examples
    --------
    >>> metric = Accuracy(n_classes=2)
    >>> metric.update_state([[0, 1, 1]], [[[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]])
    >>> round(float(metric.result()), 4)
    0.6667
    """

    def __init__(self, n_classes, void_class=None, name="accuracy", **kwargs):
        super().__init__(n_classes, void_class, name, **kwargs)

    def result(self):
        """Return right pixels over all that are not void."""
        return ops.sum(ops.diagonal(self.matrix)) / ops.sum(self.matrix)
