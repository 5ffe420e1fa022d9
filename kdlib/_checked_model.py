"""What a Distiller checks: what fit is given, and the labels of each step.

Nothing of this changes what is computed. Left out, the losses would be the same ones, and some bad
input would be trained on in silence.
"""

import keras

from kdlib._ends import end_of
from kdlib._labels import check_arrays, in_32_bits, may_hold_labels, of_output, prepared
from kdlib._labels_outside import Outside, in_words, refusal, said_plainly, watched
from kdlib._loss_arguments import is_keras
from kdlib._metric_arguments import check_metric
from kdlib._settings import is_traced
from kdlib.losses import LabelCrossEntropy

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


class CheckedModel(keras.Model):
    """The base of :class:`kdlib.neutral.NeutralDistiller`, which has the attributes used here.

    A label of weight 0 never matters, whatever it is. Any other that is no class is an error, in a
    compiled step too.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._trained, self._class_weighted, self._metrics_given = None, False, []
        self._label_axes, self._one_hot = {}, None
        self.labels_outside = Outside()

    def _check_from_here(self, metrics):
        """Note what is trained and scored, and forget the labels that came before."""
        self._metrics_given = keras.tree.flatten(metrics or [])
        if self._metrics_given:
            end = end_of(self.student, **self._reading["student"])[1]
            self._gives_probabilities = end.kind in ("softmax", "sigmoid")
        self._optimized = {id(variable) for variable in self.trainable_variables}
        self._label_axes, self._one_hot = {}, None

    def fit(self, x=None, y=None, *args, class_weight=None, sample_weight=None, **kwargs):
        """Train as every Keras model does, with the arguments of ``keras.Model.fit``.

        Returns
        -------
        keras.callbacks.History

        Raises
        ------
        ValueError
            If labels are no arrays of numbers, or weights would be lost or misread: without
            labels, or by class where an image has more than one.
        """
        weights = self._checked_for_training(x, y, sample_weight, class_weight)
        if isinstance(kwargs.get("validation_data"), (list, tuple)):
            check_arrays(*keras.utils.unpack_x_y_sample_weight(kwargs["validation_data"]))
        return super().fit(x, _unchanged(y), *args, **weights, **kwargs)

    def _checked_for_training(self, x, y, sample_weight, class_weight):
        """Return both kinds of weights, once they and the labels are seen to be usable."""
        if class_weight is not None and (len(self._logits_shape) > 2 or not self._one_of_many()):
            raise ValueError(
                "class_weight is for networks that give an image one class; expected "
                "sample_weight, a weight for each label, such as numpy.array([1.0, 2.0, ...])[y]."
            )
        check_arrays(x, y, sample_weight, class_weight)
        classes = range(max(2, self.classes))
        if unknown := [key for key in class_weight or {} if key not in classes]:
            raise ValueError(
                f"class_weight is for {', '.join(map(repr, unknown))}, which is no class; expected "
                f"0 to {classes[-1]}."
            )
        if self._class_weighted != (class_weight is not None):
            self._class_weighted = class_weight is not None
            self._start_anew()
        self._await_labels("train", x, y, sample_weight)
        return {"class_weight": class_weight, "sample_weight": sample_weight}

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        """Train on one batch as every Keras model does, with the checks of :meth:`fit`."""
        weights = self._checked_for_training(x, y, sample_weight, class_weight)
        return super().train_on_batch(x, _unchanged(y), **weights, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Evaluate one batch as every Keras model does, with the checks of :meth:`evaluate`."""
        check_arrays(x, y, sample_weight)
        self._await_labels("test", x, y, sample_weight)
        return super().test_on_batch(x, _unchanged(y), sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, *args, sample_weight=None, **kwargs):
        """Evaluate as every Keras model does, with the arguments of ``keras.Model.evaluate``.

        Returns
        -------
        list or dict
            Losses and metrics.

        Raises
        ------
        ValueError
            As :meth:`fit`.
        """
        check_arrays(x, y, sample_weight)
        self._await_labels("test", x, y, sample_weight)
        return super().evaluate(x, _unchanged(y), *args, sample_weight=sample_weight, **kwargs)

    def export(self, *args, **kwargs):
        """Raise ``ValueError``: a Distiller is trained, and its student is exported."""
        raise _of_the_student("export", "kdlib.deploy.export.write or distiller.student.export")

    def quantize(self, *args, **kwargs):
        """Raise ``ValueError``: Keras would round the teacher too, who is to stay as it is."""
        raise _of_the_student("quantize", "kdlib.deploy.export.write or distiller.student.quantize")

    def _await_labels(self, step, x, y, sample_weight):
        """Compile the steps anew if they were for other labels: TensorFlow does so once too little.

        It lets a compiled step make variables the first time alone, as metrics do that come in with
        the labels. And once labels or weights have come with other axes, it no longer tells how
        many.
        """
        if not self.compiled:
            raise ValueError("the Distiller is not compiled yet; call `compile()` first.")
        shapes = [tuple(getattr(each, "shape", ())) for each in keras.tree.flatten(y)]
        weights = [getattr(each, "shape", ()) for each in keras.tree.flatten(sample_weight)]
        axes = [len(shape) for shape in (*shapes, *weights)]
        one_hot = self._one_hot
        if y is not None and len(shapes) == 1:  # of one output
            one_hot = axes[0] == len(self._logits_shape) and shapes[0][-1] != 1
        if self._metrics_by_name() and self._one_hot not in (None, one_hot):
            raise ValueError(
                "the labels were class ids before and are one-hot now, or the reverse, and "
                f"{', '.join(self._metrics_by_name())} was chosen for the former. Call compile "
                "again, or give metrics as objects."
            )
        self._one_hot = one_hot
        if y is not None and self._label_axes.setdefault(step, axes) != axes:
            self._label_axes[step] = axes
            if getattr(self, f"{step}_function") is not None:
                getattr(self, f"make_{step}_function")(force=True)
        metrics = self._compile_metrics
        if metrics is not None and not metrics.built and (y is not None or may_hold_labels(x)):
            self._start_anew()

    def _metrics_by_name(self):
        return [repr(each) for each in self._metrics_given if isinstance(each, str)]

    def _output_names(self):
        """Return the name of the output that is distilled; all, if none was chosen; or None."""
        chosen = self._reading["student"]["output_name"]
        return [chosen] if chosen is not None else getattr(self.student, "output_names", None)

    def _one_of_many(self):
        return self.exclusive or self.classes == 1

    def make_train_function(self, force=False):
        """Compile the training step, if it is not, and see that wrong labels in it are noticed."""
        trained = tuple(id(variable) for variable in self.trainable_variables)
        if not self._optimized.issuperset(trained):
            raise ValueError(
                "some of what is trainable now was not when compile was called, so that the "
                "optimizer does not know it; expected compile again after unfreezing."
            )
        if self.train_function is None or force or trained != self._trained:
            self._trained = trained
            super().make_train_function(force=True)
            self.train_function = self._watched(self.train_function)
        return self.train_function

    def make_test_function(self, force=False):
        """As :meth:`make_train_function`, for the evaluating step."""
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._watched(self.test_function)
        return self.test_function

    def _watched(self, function):
        # TensorFlow raises by itself where XLA has not compiled the step, and PyTorch runs it.
        backend = keras.backend.backend()
        if backend == "jax" or (self.jit_compile and backend != "torch"):
            return watched(self, function)
        return said_plainly(function) if backend == "tensorflow" else function

    def checked_labels(self, y, sample_weight=None):
        """Return labels and weights in which a label of weight 0 is 0, whatever it was.

        Raises
        ------
        ValueError
            If any other label is no class. A compiled step raises while it runs, or after it has
            run without the label.
        """
        if y is None:
            self._without_labels()
        y, sample_weight, found = self._prepared(y, sample_weight)
        self._check_form(y, found)
        if found is None:
            return y, sample_weight
        wrong, label = found
        shares = len(y.shape) == len(self._logits_shape)
        how = self.classes, self.exclusive, shares
        if not is_traced(wrong):
            if int(wrong):
                raise ValueError(in_words(*refusal(int(wrong), float(label), *how)))
        elif _ON_TENSORFLOW and not self.jit_compile:
            for each in (1, 2):
                tf.debugging.Assert(wrong != each, refusal(each, label, *how))
        else:
            self.labels_outside.shares = shares
            self.labels_outside.update_state(wrong, label)
        return y, sample_weight

    def _check_form(self, y, found):
        """Raise ``ValueError`` if the labels have a shape that the loss is known not to take."""
        sparse = isinstance(self.student_loss_fn, keras.losses.SparseCategoricalCrossentropy)
        shares = y is not None and len(y.shape) == len(self._logits_shape)
        if sparse and shares:
            raise ValueError(
                f"the labels have shape {tuple(y.shape)}: shares of the classes, or one-hot, and "
                "the student_loss_fn takes class ids. Leave it out: the default takes both."
            )
        if is_keras(self.student_loss_fn) and not sparse and y is not None and not shares:
            raise ValueError(
                f"the labels have shape {tuple(y.shape)}: class ids, and the student_loss_fn, "
                f"{type(self.student_loss_fn).__name__}, takes a number for each class, as one-hot "
                "labels have. Leave it out: the default takes both."
            )
        several = not self.exclusive and self.classes > 1
        ours = y is not None and isinstance(self.student_loss_fn, LabelCrossEntropy)
        if ours and (found is None or (several and not shares)):
            wanted = "class ids, or a share of each class"
            if not self.exclusive:
                wanted = "0 to 1 for each label" if several else "0 to 1 for the one logit"
            batched = "" if len(y.shape) else " A dataset gives batches: dataset.batch(32)."
            raise ValueError(
                f"the labels have shape {tuple(y.shape)}, the student's logits "
                f"{self._logits_shape}; expected {wanted}.{batched}"
            )

    def _prepared(self, y, sample_weight):
        names = getattr(self.student, "output_names", None)
        mine = names, self._reading["student"]["output_name"]
        listed = isinstance(y, (list, tuple)) and len(y) > 1
        if listed and isinstance(getattr(self.student, "output", None), dict):
            raise ValueError(
                f"the labels are a list, and the student's outputs a dictionary of "
                f"{', '.join(sorted(self.student.output))}; expected a dictionary of labels."
            )
        y = of_output(y, "labels", *mine)
        sample_weight = of_output(sample_weight, "weights", *mine)
        if y is None:
            return None, sample_weight, None
        allowed = getattr(self.student_loss_fn, "ignore_class", None)
        return prepared(
            y, sample_weight, self._logits_shape, self.exclusive, self.ignore_class, allowed
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics of a batch and return all of them."""
        y, sample_weight, _ = self._prepared(y, sample_weight)
        if y is None:
            return self._results(without=(self._compile_metrics, self.student_loss_tracker))
        shares = len(y.shape) == len(self._logits_shape)
        for metric in self._metrics_given:
            known = shares, self._gives_probabilities, self.classes, self.exclusive
            check_metric(metric, *known)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_metrics_result(self):
        """Return losses and metrics by name."""
        known = getattr(self._compile_metrics, "built", False)  # not yet, if no labels came
        return self._results(without=() if known else (self._compile_metrics,))

    def _results(self, without):
        results, left_out = {}, {id(metric) for metric in (self.labels_outside, *without)}
        for metric in self.metrics:
            if id(metric) not in left_out:
                result = metric.result()
                results |= result if isinstance(result, dict) else {metric.name: result}
        return results


def _unchanged(y):
    """Return labels of which the backend makes no others."""
    return keras.tree.map_structure(in_32_bits, y) if keras.backend.backend() == "jax" else y


def _of_the_student(name, instead):
    return ValueError(f"{name} is for the student, not for a Distiller; expected {instead}.")
