"""Metrics as they are passed to compile, and whether they fit the labels and the outputs.

Keras broadcasts what does not fit, and reports a wrong number. Here: what is known of its own
metrics. Not here: metrics of others, which are taken as they are.
"""

import inspect

import keras

from kdlib._loss_arguments import is_keras

# They want a number for each class of the labels. What wants class ids is called sparse.
_OVER_SHARES = {"categoricalaccuracy", "topkcategoricalaccuracy", "categoricalcrossentropy"}
_OVER_SHARES |= {"binaryaccuracy", "binarycrossentropy", "kldivergence", "f1score", "fbetascore"}
_OVER_SHARES |= {"precision", "recall", "auc"}
# They compare several columns, and would find one always right, or always wrong.
_OF_SEVERAL = {"categoricalaccuracy", "topkcategoricalaccuracy", "categoricalcrossentropy"}
_OF_SEVERAL |= {"kldivergence"}
# They do so too, if no threshold is given, which must be a probability.
_F_SCORES = {"f1score", "fbetascore"}
# They draw a line between yes and no: at 0.5, if no threshold is given.
_WITH_A_LINE = {"binaryaccuracy", "binaryiou", "precision", "recall"}
_WITH_A_LINE |= {"truepositives", "truenegatives", "falsepositives", "falsenegatives"}
# They try all lines from 0 to 1, or take logarithms.
_OVER_PROBABILITIES = {"auc", "kldivergence", "precisionatrecall", "recallatprecision"}
_OVER_PROBABILITIES |= {"sensitivityatspecificity", "specificityatsensitivity", "crossentropy"}
_OVER_PROBABILITIES |= {"binarycrossentropy", "sparsecategoricalcrossentropy"}
_OVER_PROBABILITIES |= {"categoricalcrossentropy"}
_SHORT = {"bce": "binarycrossentropy", "ce": "crossentropy"}


def of_one_output(metrics, names):
    """Return the metrics, of a dictionary those of the output that is distilled.

    - ``names``: of that output alone, or of all if there is but one; None if they have none.
    - ``ValueError`` if the dictionary has others: these outputs are not scored.
    """
    if not isinstance(metrics, dict):
        return metrics
    if list(metrics) != names:
        raise ValueError(
            f"metrics is for {', '.join(map(repr, metrics))}; expected a list of metrics, for the "
            "one output that is distilled"
            + (f", or a dictionary for {names[0]!r}." if names and len(names) == 1 else ".")
        )
    (mine,) = metrics.values()
    return mine if isinstance(mine, (list, tuple)) else [mine]


def check_metric(metric, shares, gives_probabilities, classes, exclusive=True):
    """Raise ``ValueError`` if a metric of Keras would report a wrong number.

    - ``metric``: str, function or object.
    - ``shares``: whether the labels have a number for each class.
    - ``gives_probabilities``: whether the student's outputs are probabilities, not logits.
    - ``classes``: int. How many numbers the student gives; 1 for yes or no.
    - ``exclusive``: whether only one of several classes holds.
    """
    name, settings = _known(metric)
    if name is None:
        return
    line = settings.get("threshold", settings.get("thresholds"))
    accuracy = name in ("accuracy", "acc")
    of_several = name in _OF_SEVERAL or (name in _F_SCORES and line is None)
    of_several |= name.startswith("sparse") or "sparse_y_true" in settings
    of_several |= accuracy and classes > 1  # Keras chooses by the axes
    if of_several and (classes == 1 or not exclusive):
        at = "" if gives_probabilities else "threshold=0"
        raise ValueError(
            f"the student says yes or no{' of each class' * (classes > 1)}, and the metric {name} "
            f"compares classes; expected one such as keras.metrics.BinaryAccuracy({at})."
        )
    if classes > 1:
        _check_labels(name, settings, shares)
    _check_scale(name, settings, line, gives_probabilities)
    drawn = name in _WITH_A_LINE or (accuracy and classes == 1)
    if drawn and line in (None, 0.5) and settings.get("top_k") is None and not gives_probabilities:
        how = "thresholds=0" if "thresholds" in settings else "threshold=0"
        raise ValueError(
            f"the metric {name} takes 0.5 as the line between no and yes, which is right for "
            f"probabilities, and the student returns logits: say {how} in a metric object"
            + (", keras.metrics.BinaryAccuracy." if "acc" in name else ".")
        )


def _check_labels(name, settings, shares):
    over_ids = name.startswith("sparse") or settings.get("sparse_y_true")
    over_shares = name in _OVER_SHARES or settings.get("sparse_y_true") is False
    if shares and over_ids:
        raise ValueError(
            f"the labels have a share of each class, or are one-hot, and the metric {name} takes "
            "class ids. 'accuracy' takes both; others have a name without Sparse."
        )
    if over_shares and not shares:
        raise ValueError(
            f"the labels are class ids, and the metric {name} takes a number for each class, as "
            "one-hot labels have. 'accuracy' takes both; others have a name with Sparse."
        )
    if settings.get("sparse_y_pred"):
        raise ValueError(
            f"the metric {name} takes predicted class ids, and the student returns a number for "
            "each class: say sparse_y_pred=False, or use those of kdlib.metrics."
        )


def _check_scale(name, settings, line, gives_probabilities):
    from_logits = settings.get("from_logits", False)
    over_probabilities = name in _OVER_PROBABILITIES or (name in _F_SCORES and line is not None)
    if over_probabilities and from_logits == gives_probabilities:
        remedy = f"say from_logits={not from_logits} in a metric object"
        if not from_logits and settings and "from_logits" not in settings:
            remedy = "score a network of the student and a softmax or sigmoid with it"
        raise ValueError(
            f"the metric {name} takes {'logits' if from_logits else 'probabilities'}, and the "
            f"student returns {'probabilities' if from_logits else 'logits'}: {remedy}. The "
            "losses are reported anyway, as student_loss and distillation_loss."
        )


def _known(metric):
    """Return the name of a metric of Keras in small letters, and its settings; or (None, {})."""
    if isinstance(metric, str):
        return _plain(metric), {}
    if inspect.isfunction(metric) and is_keras(metric):
        return _plain(metric.__name__), {}
    if not isinstance(metric, keras.metrics.Metric) or not is_keras(type(metric)):
        return None, {}
    if type(metric) is keras.metrics.MeanMetricWrapper:
        return _known(metric._fn)
    name, settings = _plain(type(metric).__name__), metric.get_config()
    if hasattr(metric, "sparse_y_true") and name != "binaryiou":
        settings |= {key: getattr(metric, key) for key in ("sparse_y_true", "sparse_y_pred")}
    return name, settings


def _plain(name):
    plain = name.lower().replace("_", "")
    return _SHORT.get(plain, plain)
