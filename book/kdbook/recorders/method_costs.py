"""What a step of each method beyond logits costs: processor time in turns, and peak memory.

``python -m kdbook.recorders.method_costs`` measures all and writes a line of JSON to
``results/method-costs.jsonl``. A method over logits reads the teacher's from a cache; one
over layers has to run the teacher. Memory is that of a process that does nothing else.
"""

import argparse
import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np

from kdbook.recorders.growth import take_turns
from kdbook.study import provenance
from kdbook.study.arm_training import distiller_of, logits_suffice
from kdbook.study.arms import Arm, Plan, Run
from kdbook.study.plans import STUDENT, TAUGHT
from kdbook.study.record import RESULTS, Record
from kdlib import data, pretrained, recipes
from kdlib.beyond import METHODS
from kdlib.deploy.footprint import peak_memory
from kdlib.unet import logits_model

ARMS = (
    Arm("labels", STUDENT),
    Arm("plain", TAUGHT, teacher="trained", alpha=0.1, temperature=2.0),
    # What a teacher that is asked at each step adds, whatever the method.
    Arm("plain-online", TAUGHT, teacher="trained", alpha=0.1, temperature=2.0),
    *(Arm(name, TAUGHT, teacher="trained", method=name, weight=1.0) for name in METHODS),
)

PLAN = Plan("method-costs", (Arm("steps", TAUGHT),), seeds=(0,), judged_on="validation")
"""Names the record. It is filled by this module, not by :mod:`kdbook.study.runner`."""


def step_of(arm, patches, teacher, recipe):
    """Return a function that does one step of an arm, on the same batch each time."""
    images, labels, weight = recipe.batches(patches, 0)[0]
    network = recipes.build("student", 0, recipe)
    if arm.teacher is None:
        recipes.compile_alone(network, recipe)
        return lambda: network.train_on_batch(images, labels, sample_weight=weight)
    model, inputs = distiller_of(arm, network, teacher), images
    if logits_suffice(arm) and arm.name != "plain-online":
        said = np.asarray(logits_model(teacher)(images, training=False))
        inputs = {"image": images, "teacher_logits": said}
    return lambda: model.train_on_batch(inputs, labels, sample_weight=weight)


def measure(patches, teacher, rounds=15, steps=3, recipe=TAUGHT, peak=None):
    """Return ``settings``; ``wall`` and ``processor``, the seconds of each round; and ``peak_mib``.

    Parameters
    ----------
    patches : kdlib.data.Patches
    teacher : keras.Model
    rounds, steps : int
        In a round each arm has its turn, of so many steps.
    recipe : kdlib.recipes.Recipe
        Gives the size of a batch.
    peak : callable, optional
        From the name of an arm to MiB; by default measured in a process of its own.
    """
    done = [step_of(arm, patches, teacher, recipe) for arm in ARMS]
    timed = take_turns([lambda do=do: [do() for _ in range(steps)] for do in done], rounds)
    return {
        "settings": {
            "names": [arm.name for arm in ARMS],
            "steps": steps,
            "batch_size": recipe.batch_size,
            "crop": recipe.crop,
        },
        **timed,
        "peak_mib": [(peak or _peak_apart)(arm.name) for arm in ARMS],
    }


def ratios_of(entry, to="plain"):
    """Return {arm: (median, quartile, quartile)} of a step's processor time.

    Each number is a multiple of the time of another arm in the same round.

    Examples
    --------
    >>> entry = {"settings": {"names": ["plain", "hint"]}, "processor": [[1, 2], [3, 6]]}
    >>> ratios_of(entry)["hint"]
    (3.0, 3.0, 3.0)
    """
    names = entry["settings"]["names"]
    seconds = np.array(entry["processor"], float)
    ratios = np.quantile(seconds / seconds[names.index(to)], (0.5, 0.25, 0.75), axis=1)
    return dict(zip(names, map(tuple, ratios.T.tolist()), strict=True))


def steps_of_equal_cost(entry, steps, least=1.25):
    """Return {arm: how many of its steps take the time of so many of plain distillation}.

    Arms whose step costs less than ``least`` times a plain one are left out.

    Examples
    --------
    >>> entry = {"settings": {"names": ["plain", "hint"]}, "processor": [[1, 2], [3, 6]]}
    >>> steps_of_equal_cost(entry, 25)
    {'hint': 8}
    """
    costs = {name: ratio[0] for name, ratio in ratios_of(entry).items()}
    return {name: round(steps / cost) for name, cost in costs.items() if cost >= least}


def read(folder=RESULTS):
    """Return the recorded line.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for entry in Record(folder, PLAN).runs().values():
        return entry
    raise FileNotFoundError(
        f"no costs of methods are recorded in {folder}. "
        "Run python -m kdbook.recorders.method_costs."
    )


def _city():
    patches = data.cut(data.synthetic.city(n_images=8, size=256), 256)
    return patches, pretrained("teacher", "city")


def _peak_apart(name):
    command = [sys.executable, "-m", "kdbook.recorders.method_costs", "--peak", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(float(done.stdout.split()[-1]), 1)


def _own_peak(name):
    step = step_of(next(arm for arm in ARMS if arm.name == name), *_city(), TAUGHT)
    for _ in range(3):
        step()
    return peak_memory()


def main(arguments=None):
    """Measure and record, or print the peak memory of one arm."""
    parser = argparse.ArgumentParser(
        prog="python -m kdbook.recorders.method_costs", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the record")
    parser.add_argument("--peak", choices=[arm.name for arm in ARMS], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peak:
        print(_own_peak(options.peak))
        return
    kept, started = Record(options.out, PLAN), datetime.datetime.now(datetime.UTC)
    run = Run(PLAN.name, "steps", 0)
    if run in kept.runs():
        raise SystemExit(f"{run} is recorded in {options.out}. Take its line out to measure anew.")
    kept.append(
        {
            **run._asdict(),
            **measure(*_city()),
            "versions": provenance.versions(),
            "device": provenance.device(),
            "code": provenance.code_revision(),
            "started": started.isoformat(timespec="milliseconds"),
        }
    )
    kept.gather()


if __name__ == "__main__":
    main()
