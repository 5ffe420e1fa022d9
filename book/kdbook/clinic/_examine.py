"""All checks of a Distiller, one after the other."""

import keras
import numpy as np

from kdbook.clinic import _label_loss, _soft_target_loss, _who_trains
from kdbook.clinic._case import Case, Option
from kdbook.clinic._probe import Probe


def examine(distiller, x, y, weight, rows):
    """Return title and findings for a report on the distiller."""
    x = keras.tree.map_structure(lambda a: np.array(a)[rows], x)
    temperature = Option(distiller, ("temperature",))
    alpha = Option(distiller, ("alpha", "student_loss_weight"))
    title = _title(distiller, temperature, alpha)
    probe = Probe(distiller, x, y, weight)
    try:
        with probe:
            _tell_apart(temperature, alpha)
            weight_error = _try_weights(probe)
            case = Case(probe, temperature, alpha, probe.why_not(), weight_error)
            return title, tuple(_findings(case))
    finally:
        temperature.restore()
        alpha.restore()


def _findings(case):
    """Run every check; those of the teacher's variables come last, when all steps are taken."""
    late = _who_trains.ALL
    found = {check: check(case) for check in (*_soft_target_loss.ALL, *_label_loss.ALL, *late)}
    return [found[check] for check in (*late, *_soft_target_loss.ALL, *_label_loss.ALL)]


def _tell_apart(temperature, alpha):
    """At T = 1, or with one of the losses at weight 0, faults cannot be seen."""
    if temperature.declared is not None and temperature.declared < 1.5:
        temperature.set(3.0)
    if alpha.declared in (0, 1):
        alpha.set(0.5)


def _try_weights(probe):
    """Train once with the weights; leave them out from now on, and say why, if that fails."""
    if probe.weight is None:
        return ""
    try:
        probe.step()
    except Exception as error:  # whatever somebody's train_step raises belongs into the report
        probe.weight = None
        return f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"
    finally:
        probe.restore()
    return ""


def _title(distiller, temperature, alpha):
    parts = [f"T = {temperature.declared:g}"] if temperature.owner else []
    parts += [f"{alpha.name} = {alpha.declared:g}"] if alpha.owner else []
    return f"{type(distiller).__name__}" + (f" with {', '.join(parts)}" if parts else "")
