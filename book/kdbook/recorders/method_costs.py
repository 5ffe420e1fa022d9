"""What a step of each method beyond logits costs: processor time in turns, and peak memory.

``python -m kdbook.recorders method_costs`` measures all and writes a line of JSON to
``results/method-costs.jsonl``. A method over logits reads the teacher's from a cache; one
over layers has to run the teacher. Memory is that of a process that does nothing else.
"""

import numpy as np

from kdbook.recorders import program
from kdbook.recorders.timing import alternate, by_clock, ratios
from kdbook.study.arm_training import distiller_of, logits_suffice
from kdbook.study.arms import Arm, Plan, Run
from kdbook.study.method_plans import EQUAL
from kdbook.study.plans import STUDENT, TAUGHT
from kdbook.study.record import RESULTS, Record
from kdlib import data, pretrained, recipes
from kdlib._processes import apart
from kdlib.deploy.footprint import peak_memory
from kdlib.unet import logits_model

ARMS = (
    Arm("labels", STUDENT),
    Arm("plain", TAUGHT, teacher="trained", alpha=0.1, temperature=2.0),
    # What a teacher that is asked at each step adds, whatever the method.
    Arm("plain-online", TAUGHT, teacher="trained", alpha=0.1, temperature=2.0),
    *(Arm(name, TAUGHT, teacher="trained", method=name, weight=1.0) for name in EQUAL),
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

    - ``rounds``, ``steps``: in a round each arm has its turn, of so many steps.
    - ``recipe``: kdlib.recipes.Recipe. Gives the size of a batch.
    - ``peak``: from the name of an arm to MiB; by default measured in a process of its own.
    """
    tasks = {arm.name: _several(step_of(arm, patches, teacher, recipe), steps) for arm in ARMS}
    return {
        "settings": {
            "names": [arm.name for arm in ARMS],
            "steps": steps,
            "batch_size": recipe.batch_size,
            "crop": recipe.crop,
        },
        **by_clock(alternate(tasks, rounds)),
        "peak_mib": [(peak or _peak_apart)(arm.name) for arm in ARMS],
    }


def ratios_of(entry, to="plain"):
    """Return {arm: (median, quartile, quartile)} of a step's processor time.

    Each number is a multiple of the time of another arm in the same round.

    >>> entry = {"settings": {"names": ["plain", "hint"]}, "processor": [[1, 2], [3, 6]]}
    >>> ratios_of(entry)["hint"]
    (3.0, 3.0, 3.0)
    """
    rows = np.array(entry["processor"], float)
    return ratios(dict(zip(entry["settings"]["names"], rows, strict=True)), to)


def steps_of_equal_cost(entry, steps, least=1.25):
    """Return {arm: how many of its steps take the time of so many of plain distillation}.

    Arms whose step costs less than ``least`` times a plain one are left out.

    >>> entry = {"settings": {"names": ["plain", "hint"]}, "processor": [[1, 2], [3, 6]]}
    >>> steps_of_equal_cost(entry, 25)
    {'hint': 8}
    """
    costs = {name: ratio[0] for name, ratio in ratios_of(entry).items()}
    return {name: round(steps / cost) for name, cost in costs.items() if cost >= least}


def read(folder=RESULTS):
    """Return the recorded line.

    - ``FileNotFoundError`` if there is none.
    """
    for entry in Record(folder, PLAN).runs().values():
        return entry
    raise FileNotFoundError(
        f"no costs of methods are recorded in {folder}. "
        "Run python -m kdbook.recorders method_costs."
    )


def _city():
    patches = data.cut(data.synthetic.city(n_images=8, size=256), 256)
    return patches, pretrained("teacher", "city")


def _peak_apart(name):
    return round(apart("kdbook.recorders.method_costs._own_peak", name), 1)


def _several(step, count):
    return lambda: [step() for _ in range(count)]


def _own_peak(name):
    step = step_of(next(arm for arm in ARMS if arm.name == name), *_city(), TAUGHT)
    for _ in range(3):
        step()
    return peak_memory()


def main(options):
    """Measure and record, if that is not done yet."""
    runs = [Run(PLAN.name, "steps", 0)]
    program.do_what_is_left(PLAN, runs, lambda run: measure(*_city()), options)
