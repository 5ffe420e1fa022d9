"""One training on several devices gives what one device gives, and outlives a lost worker."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlib import parallel
from tests.kdlib import distillers

on_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="several processes need Keras on JAX"
)
EPOCHS = 5
# Sums of the same float32 numbers, in another order.
LOSSES, WEIGHTS = {"rtol": 1e-5}, {"rtol": 1e-4, "atol": 1e-5}


def same(found, expected):
    """Compare losses of each epoch, and weights at the end."""
    assert "weights" in expected and set(found) == set(expected)
    for name, value in expected.items():
        tolerance = WEIGHTS if name == "weights" else LOSSES
        np.testing.assert_allclose(found[name], value, err_msg=name, **tolerance)


def results(path):
    with np.load(path) as found:
        return dict(found)


# Several devices of one machine, on TensorFlow


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """Return what one device and what two devices gave under MirroredStrategy."""
    folder = tmp_path_factory.mktemp("mirrored")
    done = subprocess.run(
        [sys.executable, "-m", "tests.kdlib.mirrored_training", folder],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return results(folder / "1.npz"), results(folder / "2.npz")


@pytest.mark.tensorflow
def test_two_devices_give_what_one_gives(mirrored):
    one, two = mirrored
    names = [name for name in one if "loss" in name or name == "weights"]
    assert len(names) == 7
    same({name: two[name] for name in names}, {name: one[name] for name in names})


@pytest.mark.tensorflow
def test_each_device_normalises_its_own_part_of_the_batch(mirrored):
    """Nothing is synchronised, and what the network keeps is the first device's statistics."""
    for devices, found in enumerate(mirrored, 1):
        first = np.split(found["activations"].astype(float), devices)[0]
        # Momentum 0.5, from 0 and 1.
        mean, variance = first.mean(axis=(0, 1, 2)) / 2, 0.5 + first.var(axis=(0, 1, 2)) / 2
        np.testing.assert_allclose(found["moving mean"], mean, rtol=1e-5)
        np.testing.assert_allclose(found["moving variance"], variance, rtol=1e-5)
    one, two = mirrored
    assert not np.allclose(one["moving mean"], two["moving mean"], rtol=1e-3)


@pytest.mark.tensorflow
def test_a_mirrored_training_goes_on_from_its_backup(mirrored):
    _, two = mirrored
    assert [int(two[f"{name} starts"]) for name in ("unbroken", "cut", "resumed")] == [0, 0, 2]
    np.testing.assert_allclose(two["resumed"], two["unbroken"], **WEIGHTS)
    assert not np.allclose(two["cut"], two["unbroken"], **WEIGHTS)


# Several processes, on JAX


def free_address():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{place.getsockname()[1]}"


def two_processes(folder, kinds, backup=None, ends=()):
    """Run trainings in two processes; return their exit codes and logs."""
    job = {"address": free_address(), "processes": 2, "kinds": kinds, "epochs": EPOCHS}
    job |= {"backup": backup and str(backup), "ends": ends, "results": str(folder)}
    # Short where one is to be lost; where none is, a busy machine must not look like it.
    job["patience"] = 10 if ends else 300
    command = [sys.executable, "-m", "tests.kdlib.shared_training"]
    logs, started = [folder / f"{process}.log" for process in (0, 1)], []
    for process, log in enumerate(logs):
        with log.open("w") as stream:
            arguments = [*command, str(process), json.dumps(job)]
            started.append(subprocess.Popen(arguments, stdout=stream, stderr=stream))
    try:
        # The first process is never the one that is lost; a stopped one cannot end by itself.
        started[0].wait(timeout=1200)
        if not ends:
            started[1].wait(timeout=300)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [process.returncode for process in started], [log.read_text() for log in logs]


@on_jax
def test_two_processes_give_what_one_gives(tmp_path):
    """Batch normalisation and dropout too: on JAX each process sees its part of one batch."""
    from tests.kdlib.shared_training import train

    kinds = ["dataset", "norm and dropout"]
    codes, logs = two_processes(tmp_path, kinds)
    assert codes == [0, 0], "".join(log[-3000:] for log in logs)
    for kind in kinds:
        same(results(tmp_path / f"{kind}.npz"), train(kind, EPOCHS))


@on_jax
def test_a_lost_worker_ends_the_run_and_it_goes_on_from_the_backup(tmp_path):
    """Killed at the start of epoch 1; started again, and silent from the start of epoch 3."""
    from tests.kdlib.shared_training import train

    backup = tmp_path / "backup"
    for name, start, end in (("SIGKILL", 0, 1), ("SIGSTOP", 1, 3)):
        codes, logs = two_processes(tmp_path, ["plain"], backup, (end, name))
        assert codes[0] not in (0, -signal.SIGKILL), logs[0][-3000:]
        assert "This most likely indicates that another task died" in logs[0]
        assert "heartbeat" in logs[0]
        epochs = [f"epoch {epoch}" for epoch in range(start, end + 1)]
        assert [line for line in logs[1].splitlines() if line.startswith("epoch")] == epochs
    codes, logs = two_processes(tmp_path, ["plain"], backup)
    assert codes == [0, 0], "".join(log[-3000:] for log in logs)
    unbroken = train("plain", EPOCHS)
    resumed = results(tmp_path / "plain.npz")
    # Losses are those of the epochs after the backup.
    same(resumed, {k: v if k == "weights" else v[3:] for k, v in unbroken.items()})
    assert not list(backup.glob("epoch*"))


# The parts


class Numbers(keras.utils.PyDataset):
    """Two batches, as a dictionary and an array."""

    def __init__(self, size):
        super().__init__()
        self.size, self.over = size, 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        x = np.arange(index * self.size, (index + 1) * self.size)
        return {"image": x, "teacher_logits": -x}, 10 * x

    def on_epoch_end(self):
        self.over += 1


@given(st.integers(1, 5), st.integers(1, 4))
@settings(deadline=None)
def test_the_parts_make_up_the_batch_in_order(processes, size):
    whole = Numbers(processes * size)
    parts = [parallel.Shard(whole, process, processes) for process in range(processes)]
    assert {len(part) for part in parts} == {2}
    for index in range(2):
        x, y = zip(*(part[index] for part in parts), strict=True)
        expected_x, expected_y = whole[index]
        for name in ("image", "teacher_logits"):
            np.testing.assert_array_equal(np.concatenate([d[name] for d in x]), expected_x[name])
        np.testing.assert_array_equal(np.concatenate(y), expected_y)
        assert {len(part) for part in y} == {size}
    parts[0].on_epoch_end()
    assert whole.over == 1


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared by 3 processes"):
        parallel.Shard(Numbers(8), 0, 3)[0]
    for process, processes in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match=f"process {process} of {processes}; expected"):
            parallel.Shard(Numbers(8), process, processes)


def small_model():
    model = distillers.network(1)
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    return model


def test_only_the_first_process_writes_and_a_failed_write_costs_nothing(tmp_path, monkeypatch):
    model, first, second = small_model(), *(parallel.Backup(tmp_path / "b", p) for p in (0, 1))
    for backup in (first, second):
        backup.set_model(model)
        backup.on_train_begin()
    second.on_epoch_end(0)
    second.on_train_end()
    assert list((tmp_path / "b").iterdir()) == []
    first.on_epoch_end(0)
    first.on_epoch_end(1)
    kept = tmp_path / "b" / "epoch-2.weights.h5"
    assert list((tmp_path / "b").iterdir()) == [kept]
    before = kept.read_bytes()

    def save_weights(path):
        path.write_bytes(b"half")
        raise RuntimeError("another process is lost")

    monkeypatch.setattr(model, "save_weights", save_weights)
    with pytest.raises(RuntimeError):
        first.on_epoch_end(2)
    assert kept.read_bytes() == before and parallel.Backup(tmp_path / "b", 1).epoch == 2


def test_saving_alone_leaves_the_distribution_as_it_was(monkeypatch):
    current = ["shared"]
    monkeypatch.setattr(keras.distribution, "distribution", lambda: current[-1])
    monkeypatch.setattr(keras.distribution, "set_distribution", current.append)
    with pytest.raises(OSError), parallel.alone():
        assert current[-1] is None
        raise OSError
    assert current[-1] == "shared"


def ring(devices, parameters, bandwidth, latency):
    """Seconds of a ring all-reduce, round by round: first sums go round, then the results."""
    seconds, piece = 0.0, 4 * parameters / devices
    for _ in ("sum", "spread"):
        for _ in range(devices - 1):
            seconds += latency + piece / bandwidth
    return seconds


# The page


PAGE = Path(__file__).parents[2] / "book" / "several_machines.md"
STUDENT = 121_750  # parameters: test_unet.py counts them
NETWORKS = ((1e9 / 8, 100e-6), (25e9 / 8, 20e-6), (50e9, 5e-6))


SUMS = 1 + 4 * 18 + 1  # gradients and losses; four for each normalisation; a maximum


def times_as_many(devices, network, seconds, sums=1):
    """How many times as many steps a second as one device makes."""
    step = seconds / devices + ring(devices, STUDENT, *network)
    step += (sums - 1) * ring(devices, 0, *network)
    return seconds / step


def test_the_page_tells_what_its_formula_gives():
    text = PAGE.read_text(encoding="utf-8")
    said = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert [row[0] for row in said] == ["1", "2", "4", "8", "16", "64"]
    for devices, *steps in said:
        found = [times_as_many(int(devices), network, 0.1) * 10 for network in NETWORKS]
        assert [f"{each:.0f}" for each in found] == steps
    assert "4 · 121,750 bytes = 0.49 MB" in text and f"{4 * STUDENT / 1e6:.2f}" == "0.49"
    slow, _, inside = NETWORKS
    assert f"make {times_as_many(2, slow, 0.005):.2f} times as many" in text
    assert f"16 devices then make {times_as_many(16, inside, 0.005):.1f} times as many" in text
    few, many = (10 * times_as_many(8, slow, 0.1, sums) for sums in (1, SUMS))
    assert f"makes {many:.0f} steps a second instead of {few:.0f}" in text


def test_every_python_block_of_the_page_is_python():
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        compile(block, "several_machines.md", "exec")


def test_the_page_tells_what_was_measured():
    record = json.loads((PAGE.parent / "_data" / "scaling.json").read_text(encoding="utf-8"))
    text, crops, rows = PAGE.read_text(encoding="utf-8"), record["crops"], []
    for kind, title in (("batch", "with batch normalisation"), ("None", "without")):
        one, two = (record[kind][count]["step_seconds"] for count in ("one", "two"))
        sums = record[kind]["two"]["sums"]
        rows.append(f"| seconds a step, {title} | {one:.3f} | {two:.3f} |")
        rows.append(f"| sums over the processes in it | | {sums} |")
    of_gradients = record["batch"]["two"]["all_reduce_seconds"]
    of_two = record["batch"]["two"]["small_all_reduce_seconds"]
    rows += [
        f"| crops of {record['side']} × {record['side']} pixels a step | {crops} | {2 * crops} |",
        f"| seconds for the sum of the gradients alone | | {of_gradients:.4f} |",
        f"| for a sum of two numbers | | {of_two:.5f} |",
        f"fastest of {record['epochs'] - 1} stretches of {record['steps']} steps",
    ]
    assert [row for row in rows if row not in text] == []


def test_the_page_says_what_the_sums_cost():
    record = json.loads((PAGE.parent / "_data" / "scaling.json").read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    normalised, bare = record["batch"], record["None"]
    assert normalised["two"]["sums"] == SUMS and bare["two"]["sums"] == SUMS - 4 * 18
    more = normalised["two"]["step_seconds"] - bare["two"]["step_seconds"]
    assert f"{more:.1f} seconds of the step, {1000 * more / 72:.1f} milliseconds for each" in text
    ratio = more / 72 / normalised["two"]["small_all_reduce_seconds"]
    assert f"some {round(ratio, -1):.0f} times" in text
    assert 1.9 < bare["two"]["step_seconds"] / bare["one"]["step_seconds"] < 2.1  # "twice as long"
