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


def check_metric(metric, shares, gives_probabilities):
    """Raise ``ValueError`` if a metric of Keras would report a wrong number.

    - ``metric``: str, function or object.
    - ``shares``: whether the labels have a number for each class.
    - ``gives_probabilities``: whether the student's outputs are probabilities, not logits.
    """
    name, settings = _known(metric)
    if name is None:
        return
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
    if name.endswith("crossentropy") or name == "ce":
        from_logits = settings.get("from_logits", False)
        if from_logits == gives_probabilities:
            got = "probabilities" if from_logits else "logits"
            raise ValueError(
                f"the metric {name} takes {'logits' if from_logits else 'probabilities'}, and the "
                f"student returns {got}: say from_logits={not from_logits} in a metric object. The "
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
    sparse = {key: getattr(metric, key, None) for key in ("sparse_y_true", "sparse_y_pred")}
    return _plain(type(metric).__name__), metric.get_config() | sparse


def _plain(name):
    return name.lower().replace("_", "")
