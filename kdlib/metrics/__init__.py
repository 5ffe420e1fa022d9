"""How good a segmentation is: everything from one confusion matrix, and three questions more.

- :func:`confusion_matrix`, :func:`scores`: accuracy, and precision, recall, F1 and IoU per class;
- :func:`constant_predictor`: what a model gets that always says the same class;
- :class:`MeanIoU`, :class:`Accuracy`: the same as Keras metrics, for ``fit`` and ``evaluate``;
- :func:`agreement`: how often two models say the same;
- :func:`reliability_curve`, :func:`expected_calibration_error`: whether a probability of 0.8 is
  right in 80 of 100 cases;
- :func:`paired_difference`: the difference between two methods over the same seeds, with an
  interval.
"""

from kdlib.metrics.calibration import Reliability, expected_calibration_error, reliability_curve
from kdlib.metrics.comparison import PairedDifference, agreement, paired_difference
from kdlib.metrics.confusion import (
    Scores,
    confusion_matrix,
    constant_predictor,
    scores,
)
from kdlib.metrics.keras_metrics import Accuracy, MeanIoU
from kdlib.metrics.prediction import predict_labels, predict_probabilities

__all__ = [
    "Accuracy",
    "MeanIoU",
    "PairedDifference",
    "Reliability",
    "Scores",
    "agreement",
    "confusion_matrix",
    "constant_predictor",
    "expected_calibration_error",
    "paired_difference",
    "predict_labels",
    "predict_probabilities",
    "reliability_curve",
    "scores",
]
