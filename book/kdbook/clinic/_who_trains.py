"""Checks of who is trained and who is not. Each takes a Case and returns a Finding."""

import keras
import numpy as np

from kdbook.clinic.findings import Finding


def two_networks(case):
    """Check that student and teacher are two models, the student not the larger one."""
    name = "two networks"
    student, teacher = case.probe.student, case.probe.teacher
    shared = {id(v) for v in student.variables} & {id(v) for v in teacher.variables}
    sizes = {"student": student.count_params(), "teacher": teacher.count_params()}
    if student is teacher or shared:
        return Finding(
            name,
            "failed",
            f"student and teacher share {len(shared)} variables: the student learns from itself",
            "build two networks, or use keras.models.clone_model.",
            {"shared": len(shared)},
        )
    text = f"the student has {sizes['student']:,} parameters, the teacher {sizes['teacher']:,}"
    if sizes["student"] > sizes["teacher"]:
        remedy = "exchange them, if that was not your intention: the teacher is the one that stays."
        return Finding(name, "failed", f"{text}: they may be swapped", remedy, sizes)
    return Finding(name, "passed", f"{text}; they share nothing", "", sizes)


def student_learns(case):
    """Check that a training step moves the student."""
    name, variables = "student learns", case.probe.student.trainable_variables
    moved = sum(bool(np.any(case.natural[id(v)] != 0)) for v in variables)
    text = f"a training step moves {moved} of {len(variables)} trainable variables of the student"
    if "NaN" in case.why_not:
        remedy = "take logarithms with log_softmax of logits, never of what may be 0 or negative."
        return Finding(name, "failed", case.why_not, remedy)
    if moved:
        return Finding(name, "passed", text, "", {"moved": moved})
    remedy = "take the gradient in student.trainable_variables, and check student.trainable."
    return Finding(name, "failed", text, remedy, {"moved": moved})


def _teacher(case, name, kind, has_none, what, remedy):
    known = [v.path for v in case.probe.teacher.variables if kind_of(v) == kind]
    changed = [path for path in known if path in case.probe.teacher_changes]
    measured = {"changed": len(changed)}
    if not known:
        return Finding(name, "not applicable", has_none)
    if changed:
        text = f"training steps change {len(changed)} of {len(known)} {what}, such as {changed[0]}"
        return Finding(name, "failed", text, remedy, measured)
    return Finding(name, "passed", f"none of {len(known)} {what} changes in training", "", measured)


def teacher_weights(case):
    """Check that no weight of the teacher changes."""
    return _teacher(
        case,
        "teacher's weights",
        "weight",
        "the teacher has no weights",
        "weights of the teacher",
        "train student.trainable_variables alone, and pass the teacher's answer through "
        "keras.ops.stop_gradient.",
    )


def teacher_statistics(case):
    """Check that no running mean or variance of the teacher changes."""
    return _teacher(
        case,
        "teacher's statistics",
        "statistic",
        "the teacher has no batch normalisation",
        "batch statistics of the teacher",
        "call teacher(x, training=False).",
    )


def teacher_inference(case):
    """Check that the teacher draws no random numbers."""
    return _teacher(
        case,
        "teacher in inference mode",
        "seed",
        "the teacher has no dropout or other random layers",
        "random layers of the teacher",
        "call teacher(x, training=False); teacher.trainable = False leaves its dropout on.",
    )


def kind_of(variable):
    """Return what a variable of a network is: "seed", "statistic" or "weight"."""
    if "seed_generator" in variable.path:
        return "seed"
    return "statistic" if "moving_" in variable.path else "weight"


def teacher_optimizer(case):
    """Check that the optimizer holds no variable of the teacher."""
    name = "teacher not in the optimizer"
    optimizer = case.probe.own_optimizer
    held = {id(v) for v in getattr(optimizer, "_trainable_variables", [])} | case.probe.optimized
    found = [v.path for v in case.probe.teacher.variables if id(v) in held]
    measured = {"held": len(found)}
    if not found:
        return Finding(name, "passed", "it holds the student's variables alone", "", measured)
    return Finding(
        name,
        "failed",
        f"it holds {len(found)} variables of the teacher, such as {found[0]}: weight decay would "
        "shrink them",
        "set teacher.trainable = False before compile, or give the optimizer "
        "student.trainable_variables alone.",
        measured,
    )


def teacher_after_toggling(case):
    """Check that the teacher stays frozen when the whole is frozen and unfrozen again."""
    name, probe = "teacher stays frozen", case.probe
    weights = [v for v in probe.teacher.variables if kind_of(v) == "weight"]
    if any(v.path in probe.teacher_changes for v in weights) or _held(probe, weights):
        return Finding(name, "not applicable", "it is not frozen in the first place")
    probe.distiller.trainable = False
    probe.distiller.trainable = True
    before, probe.teacher_changes = probe.teacher_changes, {}
    probe.step()
    probe.restore()
    moved, held = probe.teacher_changes, _held(probe, weights)
    found = [v.path for v in weights if v.path in moved or v.path in held]
    probe.teacher_changes = before
    probe.restore_trainable()
    measured = {"unfrozen": len(found)}
    if not found:
        text = "also after distiller.trainable was set to False and back to True"
        return Finding(name, "passed", text, "", measured)
    return Finding(
        name,
        "failed",
        f"setting distiller.trainable to False and back to True unfreezes {len(found)} weights",
        "override trainable_variables to return the student's, or set teacher.trainable = False "
        "again before each fit.",
        measured,
    )


def _held(probe, weights):
    return [v.path for v in weights if id(v) in probe.optimized]


def evaluation(case):
    """Check that evaluating changes no variable of either network."""
    name = "evaluate changes nothing"
    try:
        changed = case.probe.evaluate()
    except Exception as error:  # whatever somebody's test_step raises belongs into the report
        text = f"evaluate raises {type(error).__name__}: {str(error).splitlines()[0][:150]}"
        if type(case.probe.distiller).test_step is keras.Model.test_step:
            text = f"the Distiller has no test_step, and with Keras' own {text}"
            return Finding(name, "not applicable", text)
        return Finding(name, "failed", text, "make evaluate run on the batch that fit takes.")
    finally:
        case.probe.restore()
    measured = {"changed": len(changed)}
    if not changed:
        return Finding(name, "passed", "it changes no variable of either network", "", measured)
    text = f"it changes {len(changed)} variables, such as {changed[0]}"
    remedy = "call both networks with training=False in test_step and in what it calls."
    return Finding(name, "failed", text, remedy, measured)


def predictions(case):
    """Check that calling the Distiller calls the student."""
    name = "predictions are the student's"
    found = case.probe.answers()
    if found is None:
        return Finding(name, "not applicable", "the Distiller cannot be called")
    own, student, teacher = found
    if len(student) > len(own):
        text = f"the student has {len(student)} outputs, and nothing says which one is distilled"
        return Finding(name, "not applicable", text)
    if _same(own, student):
        return Finding(name, "passed", "calling the Distiller gives what the student gives")
    whose = "the teacher" if _same(own, teacher) else "something else"
    text = f"calling the Distiller gives {whose}"
    return Finding(name, "failed", text, "let call return self.student(inputs, training=training).")


def _same(some, others):
    if [each.shape for each in some] != [each.shape for each in others]:
        return False
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(some, others, strict=True))


ALL = (
    two_networks,
    student_learns,
    teacher_weights,
    teacher_statistics,
    teacher_inference,
    teacher_optimizer,
    teacher_after_toggling,
    evaluation,
    predictions,
)
