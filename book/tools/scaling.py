"""Measure what a second process costs: one distillation on JAX, alone and shared, a core each.

::

    python book/tools/scaling.py

Writes ``book/_data/scaling.json``, which the page *Several machines* tells of. Each process has
one core and equally many crops, so that a step would take the same time in both runs if sharing
cost nothing. The shortest of some epochs counts: the least disturbed. A student with batch
normalisation and one without show what its sums cost.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import ROOT

RECORD = ROOT / "book" / "_data" / "scaling.json"
CROPS, SIDE, STEPS, EPOCHS = 4, 64, 20, 4  # of each process; of each crop; of each training
ADDRESS = "127.0.0.1:29413"


def worker(process, processes, normalization):
    """Train, and print the seconds of a step and of sums over all processes."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[process]})
    import jax
    import keras

    if processes > 1:
        jax.distributed.initialize(ADDRESS, processes, process)
        shared = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(shared)
    distiller, seconds = trained(process, processes, normalization)
    count = sum(math.prod(v.shape) for v in distiller.trainable_variables)
    found = {"step_seconds": round(seconds, 4), "parameters": count, "jax": jax.__version__}
    if processes > 1:
        found["all_reduce_seconds"] = round(all_reduce_seconds(count), 6)
        found["small_all_reduce_seconds"] = round(all_reduce_seconds(processes), 6)
    print("found", json.dumps(found))


def trained(process, processes, normalization):
    """Train a Distiller; return it, and the seconds of a step in the fastest epoch."""
    import keras

    from kdlib import data, parallel
    from kdlib.distiller import Distiller
    from kdlib.recipes import build
    from kdlib.unet import multi_student_unet_model

    patches = data.cut(data.synthetic.city(n_images=4, size=256), size=SIDE)
    batches = data.Batches(patches, CROPS * processes, augment=True, steps=STEPS)
    keras.utils.set_random_seed(0)  # processes must start from the same weights
    student = multi_student_unet_model(6, SIDE, SIDE, normalization=normalization)
    distiller = Distiller(student, build("teacher"))
    distiller.compile()
    ends = []
    distiller.fit(
        parallel.Shard(batches, process, processes),
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(clock()))],
    )
    return distiller, min(b - a for a, b in zip(ends, ends[1:], strict=False)) / STEPS


def all_reduce_seconds(count, trials=50):
    """Return the shortest time in which all processes sum `count` numbers of theirs."""
    import jax
    from jax import numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    mesh = jax.make_mesh((jax.process_count(),), ("processes",))
    rows = NamedSharding(mesh, PartitionSpec("processes"))
    mine = jnp.ones((1, count), "float32")
    of_all = jax.make_array_from_process_local_data(rows, mine)
    add = jax.jit(lambda x: x.sum(0), out_shardings=NamedSharding(mesh, PartitionSpec()))
    seconds = []
    for _ in range(trials):
        start = clock()
        add(of_all).block_until_ready()
        seconds.append(clock() - start)
    return min(seconds)


clock = time.perf_counter


def run(processes, normalization):
    """Start the processes; return what the first one found, and the sums in its step."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = dict(os.environ, KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=path)
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--xla_dump_to={folder} --xla_dump_hlo_as_text"
        started = [
            subprocess.Popen(
                [sys.executable, __file__, str(process), str(processes), str(normalization)],
                env=env if process else env | {"XLA_FLAGS": flags},
                stdout=subprocess.PIPE,
                text=True,
            )
            for process in range(processes)
        ]
        said = [process.communicate()[0] for process in started]
        sums = sums_in_step(Path(folder))
    (line,) = [line for line in said[0].splitlines() if line.startswith("found ")]
    return json.loads(line.removeprefix("found ")) | {"sums": sums}


def sums_in_step(folder):
    """Return how many sums over processes XLA made of a training step, from its own listing."""
    (listing,) = folder.glob("*jit_train_step.*after_optimizations.txt")
    return len(re.findall(r" all-reduce(?:-start)?\(", listing.read_text(encoding="utf-8")))


def main():
    """Measure one process, then two, with each network, and write the record."""
    record = {"crops": CROPS, "side": SIDE, "steps": STEPS, "epochs": EPOCHS}
    for name in ("batch", None):
        record[str(name)] = {"one": run(1, name), "two": run(2, name)}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        worker(*map(int, sys.argv[1:3]), {"batch": "batch", "None": None}[sys.argv[3]])
    else:
        main()
