"""What a step of distillation costs, beside other ways to do it.

``python -m kdbook.recorders bench`` times all contenders and prints a table; ``--record`` adds a
line to the record. All take turns in one run, so that what disturbs the machine disturbs all alike.
Compared are ratios within a round, to a step of the student alone, by their median and quartiles.
"""

import datetime
import gc
import json
import logging
import tempfile

import keras
import numpy as np

from kdbook.recorders.contenders import CONTENDERS, contender, networks, ways
from kdbook.recorders.objective_costs import objectives
from kdbook.recorders.step_times import FILE, render
from kdbook.recorders.timing import alternate, ratios
from kdbook.study import provenance
from kdlib import cache, data, runtime
from kdlib._processes import apart
from kdlib.deploy.footprint import peak_memory
from kdlib.unet import unet


def measure(batch, size, precision, xla, rounds):
    """Return a row for each contender in one setting, without the peak of the memory."""
    steps = {name: contender(name, *networks(size, precision), batch, xla) for name in ways()}
    seconds = alternate(steps, rounds)
    by_wall, by_cpu = (
        ratios({name: times[clock] for name, times in seconds.items()}, ways()[0])
        for clock in (0, 1)
    )
    return [
        {
            "contender": name,
            "precision": precision,
            "xla": xla,
            "milliseconds": round(1000 * float(np.median(seconds[name][0])), 2),
            **dict(
                zip(
                    ("ratio", "ratio_low", "ratio_high"),
                    np.round(by_wall[name], 3).tolist(),
                    strict=True,
                )
            ),
            "cpu_ratio": round(by_cpu[name][0], 3),
            "peak_mib": None,
        }
        for name in steps
    ]


def peak(row, batch, size):
    """Return the peak memory of a few steps in a process of its own, in MiB."""
    given = {key: row[key] for key in ("contender", "precision", "xla")}
    return round(apart("kdbook.recorders.bench.own_peak", given, batch, size), 1)


def own_peak(given, batch, size):
    """Do a few steps here; return the peak memory of the GPU, or else of the process, in MiB."""
    step = contender(given["contender"], *networks(size, given["precision"]), batch, given["xla"])
    for _ in range(3):
        step()
    if runtime.device_kind() == "CPU":
        return peak_memory()
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


def inputs(batch, size, rows, rounds):
    """Return how long a batch takes to make, as a share of the fastest step that it feeds.

    Keras makes the next batch in a thread while a step runs: below 1, the step need not wait.
    """
    patches = data.cut(data.synthetic.city(n_images=batch, size=size), size=size)
    with tempfile.TemporaryDirectory() as folder:
        teacher = unet((1,) * 5, data.N_CLASSES, size, size)
        targets = cache.write(folder, teacher, patches, views=8)
        made = {
            "kdlib online": data.Batches(patches, batch, augment=True),
            "kdlib cached": cache.CachedBatches(patches, targets, batch, augment=True),
        }
        seconds = alternate({name: lambda b=b: b[0] for name, b in made.items()}, rounds)
    found = []
    for name, times in seconds.items():
        milliseconds = 1000 * float(np.median(times[0]))
        fastest = min(row["milliseconds"] for row in rows if row["contender"] == name)
        found.append(
            {
                "contender": name,
                "milliseconds": round(milliseconds, 2),
                "share": round(milliseconds / fastest, 4),
            }
        )
    return found


def run(batch, size, rounds, settings, memory):
    """Return the entry of a run; each setting is a precision, and whether to use XLA."""
    entry = {
        **provenance.origin(datetime.datetime.now(datetime.UTC)),
        "batch": batch,
        "size": size,
        "rounds": rounds,
        "faster_precision": runtime.faster_precision(),
        "left_out": ", ".join(name for name in CONTENDERS if name not in ways()),
        "rows": [],
    }
    for setting in settings:
        entry["rows"] += measure(batch, size, *setting, rounds)
        keras.backend.clear_session()
        gc.collect()
    entry["objectives"] = objectives(batch, size, rounds)
    entry["input"] = inputs(batch, size, entry["rows"], rounds)
    for row in entry["rows"] if memory else ():
        row["peak_mib"] = peak(row, batch, size)
    return entry


def main(options):
    """Do what the command line asks for."""
    # Each contender traces a step of its own. TensorFlow would take that for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    settings = [
        (precision, xla)
        for precision in options.precision
        for xla in ((False,) if options.no_xla else (False, True))
    ]
    entry = run(options.batch, options.size, options.rounds, settings, memory=not options.no_memory)
    print(render(entry))
    if options.record:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / FILE.name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
