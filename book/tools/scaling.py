"""Measure what a second process costs: one distillation on JAX, alone and shared, a core each.

::

    python book/tools/scaling.py

Writes ``book/_data/scaling.json``, which the page *Several machines* tells of. Each process has
one core and equally many crops, so that a step would take the same time in both runs if sharing
cost nothing. The shortest of some epochs counts: the least disturbed.
"""

import json
import math
import os
import subprocess
import sys
import time

from project import ROOT

RECORD = ROOT / "book" / "_data" / "scaling.json"
CROPS, SIDE, STEPS, EPOCHS = 4, 64, 4, 8  # of each process; of each crop; of each training
ADDRESS = "127.0.0.1:29413"


def worker(process, processes):
    """Train, and print the seconds of a step and of an all-reduce."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[process]})
    import jax
    import keras

    if processes > 1:
        jax.distributed.initialize(ADDRESS, processes, process)
        shared = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(shared)
    distiller, seconds = trained(process, processes)
    count = sum(math.prod(v.shape) for v in distiller.trainable_variables)
    found = {"step_seconds": round(seconds, 4), "parameters": count, "jax": jax.__version__}
    if processes > 1:
        found["all_reduce_seconds"] = round(all_reduce_seconds(count), 6)
    print("found", json.dumps(found))


def trained(process, processes):
    """Train a Distiller; return it, and the seconds of a step in the fastest epoch."""
    import keras

    from kdlib import data, parallel
    from kdlib.distiller import Distiller
    from kdlib.recipes import build

    patches = data.cut(data.synthetic.city(n_images=4, size=256), size=SIDE)
    batches = data.Batches(patches, CROPS * processes, augment=True, steps=STEPS)
    distiller = Distiller(build("student"), build("teacher"))
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


def run(processes):
    """Start the processes; return what the first one found."""
    command = [sys.executable, __file__]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = dict(os.environ, KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=path)
    started = [
        subprocess.Popen(
            [*command, str(process), str(processes)], env=env, stdout=subprocess.PIPE, text=True
        )
        for process in range(processes)
    ]
    said = [process.communicate()[0] for process in started]
    (line,) = [line for line in said[0].splitlines() if line.startswith("found ")]
    return json.loads(line.removeprefix("found "))


def main():
    """Measure one process, then two, and write the record."""
    one, two = run(1), run(2)
    record = {"one": one, "two": two, "crops": CROPS, "side": SIDE}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    worker(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else main()
