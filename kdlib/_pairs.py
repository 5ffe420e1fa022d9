"""Whether two networks can be student and teacher."""

import keras

from kdlib._ends import inputs_of
from kdlib._tensors import shapes_differ
from kdlib.network_ends import distribution, logits_model


def check_pair(student, teacher, reading, same_inputs):
    """Raise ``ValueError`` unless the student can be distilled from the teacher.

    - ``reading``: for each role what :func:`kdlib.network_ends.logits_model` takes to find the
      logits.
    - ``same_inputs``: whether both are shown the same batch.
    - Returns the shape of the student's logits, (None, ..., classes), and their distribution,
      "categorical" or "bernoulli".
    """
    for role, model in (("student", student), ("teacher", teacher)):
        if not isinstance(model, keras.Model):
            raise ValueError(f"{role} is {type(model).__name__}; expected a keras.Model.")
        if hasattr(model, "ask_student"):
            raise ValueError(f"{role} is a Distiller; expected the network: its student.")
    if student is teacher:
        raise ValueError("student and teacher are the same model; expected two models.")
    shared = {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    if shared:
        raise ValueError(
            f"student and teacher share {len(shared)} variables, so that training the student, or "
            "what is unfrozen later, could change the teacher. Build them separately, or use "
            "keras.models.clone_model."
        )
    roles = (student, reading["student"]), (teacher, reading["teacher"])
    found = [logits_model(model, **how) for model, how in roles]
    outputs = [model.output_shape for model in found]
    if outputs[0][-1] != outputs[1][-1]:
        sizes = outputs[0][-1], outputs[1][-1]
        remedy = f"Build the student with {sizes[1]}."
        if set(sizes) == {1, 2}:
            remedy = "Of one logit, kdlib.network_ends.class_logits makes the two of no and yes."
        raise ValueError(
            f"the student has {sizes[0]} classes and the teacher {sizes[1]}; expected the same "
            f"classes in the same order. {remedy}"
        )
    if same_inputs:
        inputs = [[each.shape for each in model.inputs] for model in found]
        if len(inputs[0]) != len(inputs[1]):
            raise ValueError(
                f"the student has {len(inputs[0])} inputs, the teacher {len(inputs[1])}; expected "
                "the same, or teacher_input, a function from the one to the other."
            )
        for one, other in zip(*inputs, strict=True):
            _check_shapes("inputs", one, other)
        _check_names(*found)
    _check_shapes("logits", *outputs)
    kinds = {distribution(model, **how) for model, how in roles} - {None}
    if len(kinds) == 2:
        raise ValueError(
            "one network ends in a softmax, the other in a sigmoid a class; expected the same of "
            "both: classes exclude each other, or they do not."
        )
    return outputs[0], (kinds or {"categorical"}).pop()


def not_seen(seen, teacher):
    """Return the ``ValueError`` for what ``teacher_input`` has given, and the teacher not taken."""
    given, wanted = (
        keras.tree.map_structure(
            lambda each: tuple(each.shape) if hasattr(each, "shape") else each, structure
        )
        for structure in (seen, inputs_of(teacher))
    )
    return ValueError(
        f"teacher_input gives {given}; expected what the teacher takes: {wanted}, both as shapes."
    )


def _check_names(student, teacher):
    """Raise ``ValueError`` if one batch would not reach the inputs of both networks alike."""
    names = [[each.name for each in model.inputs] for model in (student, teacher)]
    given = student.input, teacher.input
    keys = [set(each) if isinstance(each, dict) else None for each in given]
    remedy = "teacher_input, a function from what the student sees to what the teacher sees."
    if keys[0] and not (keys[1] or set(names[1])) <= keys[0]:
        raise ValueError(
            f"the student takes a dictionary of {', '.join(sorted(keys[0]))}, which the teacher "
            f"does not; expected {remedy}"
        )
    if keys[0] is None and keys[1] and len(names[0]) > 1:
        raise ValueError(
            f"the student takes a list of inputs and the teacher a dictionary of "
            f"{', '.join(sorted(keys[1]))}; expected {remedy}"
        )
    if keys == [None, None] and names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        raise ValueError(
            f"the inputs of the student are {', '.join(names[0])}, of the teacher "
            f"{', '.join(names[1])}; expected the same order, or {remedy}"
        )


def _check_shapes(label, student, teacher):
    if shapes_differ(student, teacher):
        other = ", or teacher_input, a function from the one to the other" * (label == "inputs")
        raise ValueError(
            f"the {label} of the student have shape {student}, of the teacher {teacher}; "
            f"expected the same, because both see the same batch{other}."
        )
