"""The smallest study: the smoke plan with networks of two filters, in seconds."""

import sys

from kdbook.study import queue, record, runner, workbench
from kdbook.study.__main__ import main
from kdlib import recipes
from tests.kdlib.small import builder


def make_small(setattr):
    """Let the study build small networks and wait for short times; by monkeypatch's setattr."""
    setattr(recipes.fitting, "BUILDERS", {"teacher": builder, "student": builder})
    setattr(queue, "BEAT", 1)
    setattr(queue, "STALE", 3)
    setattr(record, "SETTLED", 1)
    setattr(runner, "WAIT", 0.2)


def idle(arm, split, seed, teacher=None, callbacks=(), keep=None, initial_epoch=0):
    """Stand in for the training where only what happens around it is tested."""
    network = recipes.build(arm.network, seed, arm.recipe)
    for callback in callbacks:
        callback.set_model(network)
        for epoch in range(arm.recipe.epochs):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch)
    return network


if __name__ == "__main__":
    make_small(setattr)
    if "--idle" in sys.argv:
        sys.argv.remove("--idle")
        workbench.train = idle
    sys.exit(main())
