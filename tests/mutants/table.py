"""Every fault of the clinic as a mutant of kdlib: a small patch, and the test that must notice it.

Each entry: the fault; the file; the text that is replaced, which the file holds once; the text that
takes its place; the test that must fail, with which the fault cannot come back unnoticed.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One patch and the test that must kill it."""

    fault: str
    file: str
    old: str
    new: str
    test: str


LOSSES, SOFTENING, DISTILLER = "kdlib/losses.py", "kdlib/softening.py", "kdlib/distiller.py"
NEUTRAL = "kdlib/neutral.py"
BY_HAND = "test_distiller.py::test_evaluate_reports_what_numpy_computes"
USUAL = "test_losses.py::test_hundreds_of_usual_pixels_have_the_gradient_to_1e_5"
BATCHES = "test_data_batches.py::test_image_and_label_stay_together"
HAND_DRAWN = "test_metrics.py::test_scores_of_a_hand_drawn_mask_with_void_left_out"
TOGGLING = "test_distiller.py::test_toggling_trainable_does_not_unfreeze_the_teacher"

_SOFTENED = "log_p = ops.log_softmax(teacher / temperature, axis=-1)"
_SIDES = "return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)"
_SCALED = """\
        scaled = (logits - logits.max(axis=axis, keepdims=True)) / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=axis, keepdims=True))
"""
_OBJECTIVES = "soft = (teacher_logits / self.temperature, student_logits / self.temperature)"

MUTANTS = tuple(
    Mutant(*fields)
    for fields in (
        # The temperature.
        (
            "temperature on probabilities",
            LOSSES,
            _SOFTENED,
            "log_p = ops.log_softmax(ops.softmax(teacher) / temperature, axis=-1)",
            USUAL,
        ),
        (
            "temperature on probabilities, in the Distiller",
            NEUTRAL,
            _OBJECTIVES,
            _OBJECTIVES.replace("teacher_logits /", "ops.softmax(teacher_logits) /").replace(
                "student_logits /", "ops.softmax(student_logits) /"
            ),
            BY_HAND,
        ),
        (
            "T outside the exponential",
            SOFTENING,
            _SCALED,
            "        scaled = logits - logits.max(axis=axis, keepdims=True)\n"
            "    powers = np.exp(scaled)\n"
            "    return scaled - np.log(powers.sum(axis=axis, keepdims=True) / temperature)\n",
            "test_softening.py::test_softmax_at_four_equals_the_hand_calculation",
        ),
        (
            "only the teacher is softened",
            NEUTRAL,
            _OBJECTIVES,
            "soft = (teacher_logits / self.temperature, student_logits)",
            BY_HAND,
        ),
        (
            "T squared left out",
            NEUTRAL,
            "(1 - self.alpha) * self.temperature**2",
            "1 - self.alpha",
            BY_HAND,
        ),
        (
            "T squared left out of the closed form",
            SOFTENING,
            "return temperature * difference",
            "return difference / temperature",
            "test_softening.py::test_kl_gradient_equals_finite_differences",
        ),
        (
            "alpha turned round",
            NEUTRAL,
            "return self.alpha * student_loss + soft_weight * distillation_loss",
            "return self.alpha * distillation_loss + soft_weight * student_loss",
            BY_HAND,
        ),
        # Logits and probabilities.
        (
            "double softmax: probabilities taken for logits",
            "kdlib/network_ends.py",
            "[end.logits, end.outputs]",
            "[end.outputs, end.outputs]",
            "test_unet.py::test_outputs_are_the_softmax_of_the_logits",
        ),
        (
            "double softmax on the labels",
            NEUTRAL,
            "self.student_loss_fn(y, student_logits, sample_weight=sample_weight)",
            # Keras knows its own softmax and takes it back; once scaled, it does not.
            "self.student_loss_fn(y, 1.0 * ops.softmax(student_logits), "
            "sample_weight=sample_weight)",
            BY_HAND,
        ),
        (
            "a loss over probabilities is accepted",
            "kdlib/_loss_arguments.py",
            'loss.get_config().get("from_logits") is False',
            'loss.get_config().get("from_logits") == "no"',
            "test_distiller.py::test_compile_refuses_what_would_be_silently_wrong",
        ),
        (
            "a string for a loss is accepted",
            "kdlib/_loss_arguments.py",
            "if isinstance(loss, str):",
            "if isinstance(loss, bytes):",
            "test_distiller.py::test_compile_refuses_what_would_be_silently_wrong",
        ),
        (
            "half precision",
            "kdlib/_tensors.py",
            'in ("float32", "float64")',
            'in ("float32", "float64", "bfloat16")',
            "test_losses.py::test_half_precision_logits_are_computed_in_float32",
        ),
        # The divergence.
        (
            "softmax over the wrong axis",
            LOSSES,
            _SOFTENED,
            _SOFTENED.replace("axis=-1", "axis=1"),
            "test_losses.py::test_loss_object_is_the_weighted_mean_over_pixels",
        ),
        (
            "softmax over the wrong axis, in NumPy",
            SOFTENING,
            "np.log(np.exp(scaled).sum(axis=axis, keepdims=True))",
            "np.log(np.exp(scaled).sum(axis=0, keepdims=True))",
            "test_softening.py::test_axis_names_the_classes",
        ),
        (
            "sum over the pixels, mean over the batch",
            LOSSES,
            "return kl_divergence(y_true, y_pred)\n",
            "return ops.sum(kl_divergence(y_true, y_pred), axis=(1, 2))\n",
            "test_losses.py::test_the_mean_does_not_depend_on_batch_or_image_size",
        ),
        (
            "divergence turned round",
            LOSSES,
            _SIDES,
            "return ops.sum(ops.exp(log_q) * (log_q - log_p), axis=-1)",
            USUAL,
        ),
        # Teacher and student.
        (
            "teacher not frozen",
            NEUTRAL,
            "return self.student.trainable_variables",
            "return super().trainable_variables",
            "test_distiller.py::test_every_variable_is_either_trained_or_not",
        ),
        (
            "the gradient reaches the teacher",
            NEUTRAL,
            "return ops.stop_gradient(self._answer_of_teacher(x))",
            "return self._answer_of_teacher(x)",
            "test_distiller_tensorflow.py::test_no_gradient_reaches_the_teacher",
        ),
        (
            "teacher in training mode",
            NEUTRAL,
            "teacher_logits(x, training=False)",
            "teacher_logits(x, training=True)",
            "test_distiller.py::test_the_teacher_stays_as_it_is_in_every_bit",
        ),
        (
            "teacher unfrozen by toggling trainable",
            NEUTRAL,
            "self.student.trainable = value",
            "self.student.trainable = self.teacher.trainable = value",
            TOGGLING,
        ),
        (
            "teacher and student swapped",
            NEUTRAL,
            "self.student = student\n        self.teacher = teacher\n",
            "self.student = teacher\n        self.teacher = student\n",
            BY_HAND,
        ),
        (
            "student compared with itself",
            NEUTRAL,
            "logits_model(self.teacher,",
            "logits_model(self.student,",
            BY_HAND,
        ),
        (
            "one model for both is accepted",
            "kdlib/_pairs.py",
            "if shared:",
            "if None in shared:",
            "test_distiller.py::test_student_and_teacher_must_be_two_models",
        ),
        (
            "evaluation in training mode",
            DISTILLER,
            "self.ask_student(x, training=False)",
            "self.ask_student(x, training=True)",
            "test_distiller.py::test_evaluate_and_predict_change_no_variable",
        ),
        (
            "the teacher sees another view than the student",
            DISTILLER,
            "outside the tape.\n            teacher_logits = self.ask_teacher(x)",
            "outside the tape.\n            teacher_logits = self.ask_teacher(x[:, ::-1])",
            "test_distiller.py::test_fit_reports_the_same_losses_as_evaluate",
        ),
        (
            "the reported loss depends on how the data are cut into batches",
            DISTILLER,
            "metric.update_state(loss * _replicas(), sample_weight=batch_size)",
            "metric.update_state(loss * _replicas())",
            BY_HAND,
        ),
        (
            "pixels of weight 0 count in the soft targets",
            NEUTRAL,
            "self.distillation_loss_fn(*soft, sample_weight=sample_weight)",
            "self.distillation_loss_fn(*soft)",
            BY_HAND,
        ),
        # The data.
        (
            "unknown mask colours become class 0",
            "kdlib/data/palette.py",
            "        if unknown.size:\n",
            "        labels[labels == _UNKNOWN] = 0\n        if unknown.size < 0:\n",
            "test_data_classes.py::test_an_unknown_colour_is_an_error_that_names_file_colour_and_count",
        ),
        (
            "void pixels are trained on",
            "kdlib/data/batches.py",
            "weight[labels == self.void_class] = 0.0",
            "weight[labels == self.void_class] = 1.0",
            "test_data_batches.py::test_void_pixels_weigh_nothing",
        ),
        (
            "masks resized with interpolation",
            "kdlib/data/folder.py",
            "        return one, other, _misfit(one, other, names[0])\n",
            "        labels = Image.fromarray(other.pixels).resize(one.pixels.shape[1::-1])\n"
            "        other = other._replace(pixels=np.asarray(labels))\n"
            "        return one, other, _misfit(one, other, names[0])\n",
            "test_data_folder.py::test_sizes_that_differ",
        ),
        (
            "images paired with the masks of other tiles",
            "kdlib/data/_matching.py",
            "[(*key, images[key], masks[key]) for key in sorted(images)]",
            "[(*key, images[key], mask) for key, mask in "
            "zip(sorted(images), sorted(masks.values()), strict=True)]",
            "test_data_folder.py::test_tiles_and_parts_come_in_the_order_of_their_numbers",
        ),
        (
            "images turned, masks not",
            "kdlib/data/batches.py",
            "labels[i] = turned(self.patches.labels[window], turn)",
            "labels[i] = self.patches.labels[window]",
            BATCHES,
        ),
        (
            "masks smoothed",
            "kdlib/data/batches.py",
            "labels[i] = turned(self.patches.labels[window], turn)",
            "labels[i] = turned(self.patches.labels[window], turn)\n"
            "            labels[i] = labels[i] // 2 + np.roll(labels[i], 1, axis=0) // 2",
            BATCHES,
        ),
        (
            "training patches show test ground",
            "kdlib/data/splits.py",
            "train &= ~_on_ground_of(patches, test | validation)",
            "train &= ~_on_ground_of(patches, test & validation)",
            "test_data_ground.py::test_training_patches_on_test_ground_are_dropped",
        ),
        (
            "patches of one image on both sides are accepted",
            "kdlib/data/splits.py",
            "        if shared:\n",
            "        if shared is None:\n",
            "test_data_patches.py::test_check_disjoint_names_the_shared_images",
        ),
        (
            "the split by image takes patches at random",
            "kdlib/data/splits.py",
            'if by == "patch":\n        order',
            'if by in ("patch", "image"):\n        order',
            "test_data_patches.py::test_the_split_by_image_is_the_published_one",
        ),
        # The scores.
        (
            "void pixels are counted",
            "kdlib/metrics/confusion.py",
            "if void_class is None else labels != void_class",
            "if void_class is None else labels == labels",
            HAND_DRAWN,
        ),
        (
            "void pixels are counted in training",
            "kdlib/metrics/keras_metrics.py",
            "weights = ops.where(y_true == self.void_class, ops.zeros_like(weights), weights)",
            "weights = ops.where(y_true == self.void_class, ops.ones_like(weights), weights)",
            "test_metrics_keras.py::test_equal_to_the_scores_over_batches",
        ),
        (
            "accuracy taken for mean IoU",
            "kdlib/metrics/keras_metrics.py",
            "return ops.sum(iou) / ops.sum(known)",
            "return ops.sum(right) / ops.sum(self.matrix)",
            "test_metrics_keras.py::test_equal_to_the_scores_over_batches",
        ),
        (
            "recall taken for IoU",
            "kdlib/metrics/confusion.py",
            '"iou": _ratio(right, true + predicted - right),',
            '"iou": _ratio(right, true),',
            HAND_DRAWN,
        ),
        (
            "precision and recall swapped",
            "kdlib/metrics/confusion.py",
            '"precision": _ratio(right, predicted),\n        "recall": _ratio(right, true),',
            '"precision": _ratio(right, true),\n        "recall": _ratio(right, predicted),',
            HAND_DRAWN,
        ),
        (
            "an interval that is too narrow for few seeds",
            "kdlib/metrics/comparison.py",
            "differences.std(ddof=1)",
            "differences.std()",
            "test_metrics_comparison.py::test_paired_difference_by_hand",
        ),
        (
            "a comparison of one seed is accepted",
            "kdlib/metrics/comparison.py",
            "or a.size < 2",
            "or a.size < 1",
            "test_metrics_comparison.py::test_paired_difference_refuses_bad_input",
        ),
    )
)
