"""Whether two networks can be student and teacher."""

import keras

from kdlib.unet import logits_model


def check_pair(student, teacher):
    """Raise ``ValueError`` unless the student can be distilled from the teacher.

    Parameters
    ----------
    student, teacher : keras.Model
        Two functional models with a layer named ``logits``, the same input and the same classes.

    Raises
    ------
    ValueError
        If one is no model, both are the same or share variables, one has no ``logits``, or
        classes, inputs or sizes of the logits differ.

    Examples
    --------
    >>> from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model
    >>> check_pair(multi_student_unet_model(n_classes=5), multi_teacher_unet_model())
    Traceback (most recent call last):
    ...
    ValueError: the student has 5 classes and the teacher 6; expected the same classes ...
    """
    for role, model in (("student", student), ("teacher", teacher)):
        if not isinstance(model, keras.Model):
            raise ValueError(f"{role} is {type(model).__name__}; expected a keras.Model.")
    if student is teacher:
        raise ValueError("student and teacher are the same model; expected two models.")
    shared = {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    if shared:
        raise ValueError(
            f"student and teacher share {len(shared)} variables, so that training one would change "
            "the other. Build them separately, or use keras.models.clone_model."
        )
    outputs = [logits_model(model).output_shape for model in (student, teacher)]
    if outputs[0][-1] != outputs[1][-1]:
        raise ValueError(
            f"the student has {outputs[0][-1]} classes and the teacher {outputs[1][-1]}; expected "
            "the same classes in the same order. Build the student with "
            f"n_classes={outputs[1][-1]}."
        )
    _check_shapes("inputs", student.input_shape, teacher.input_shape)
    _check_shapes("logits", *outputs)


def _check_shapes(label, student, teacher):
    # None is a size that is open until the batch comes.
    differ = any(a != b for a, b in zip(student, teacher, strict=False) if None not in (a, b))
    if len(student) != len(teacher) or differ:
        raise ValueError(
            f"the {label} of the student have shape {student}, of the teacher {teacher}; "
            "expected the same, because both see the same batch."
        )
