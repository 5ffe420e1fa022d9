"""Running the chapters on a GPU: what of it can be tested on a machine without one."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import execute
import gpu
import pytest
import run_record
import yaml
from project import GPU_RECORD, ROOT, chapters

LISTED = "GPU 0: NVIDIA L4 (UUID: GPU-0)"
FAILED = "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."


def environment(**changes):
    """Return what make finds in a shell of its own, though these tests may run under a make."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFL"))}
    return kept | changes


def machine(folder, listed=None, status=0):
    """Return a PATH with an nvidia-smi that says this, or with none."""
    for tool in ("sh", "make"):
        (folder / tool).symlink_to(shutil.which(tool))
    if listed is not None:
        smi = folder / "nvidia-smi"
        smi.write_text(f"#!/bin/sh\necho '{listed}'\nexit {status}\n")
        smi.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("listed", "status", "words"),
    [
        (None, 0, "this machine has no NVIDIA driver: there is no nvidia-smi"),
        (FAILED, 9, "the driver of this machine finds none: 'NVIDIA-SMI has failed"),
        ("", 0, "the driver of this machine finds none: ''"),
    ],
)
def test_a_machine_without_gpu_is_refused_first(listed, status, words, tmp_path):
    done = subprocess.run(
        ["make", "test-gpu", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=environment(PATH=machine(tmp_path, listed, status)),
        capture_output=True,
        text=True,
    )
    assert done.returncode and words in done.stderr
    assert "Without a GPU, `make test KD_MODE=full` runs them on the processor." in done.stderr
    # Nothing else was started: nothing is echoed.
    assert done.stdout == ""


def test_a_driver_with_a_gpu_is_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", machine(tmp_path, LISTED))
    assert gpu.driver() == LISTED


def test_a_gpu_that_keras_does_not_see_is_not_enough():
    done = subprocess.run(
        [sys.executable, ROOT / "book" / "tools" / "gpu.py", "keras"],
        env=dict(os.environ, CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Keras sees none here" in done.stderr
    assert "`make gpu` installs the CUDA libraries" in done.stderr


def run_on(device, mib=None):
    return {"device": device} | ({} if mib is None else {"gpu_peak_memory_mib": mib})


def test_a_chapter_that_trained_elsewhere_is_found():
    record = {
        "01_soft_targets": run_on("GPU", 0),  # NumPy: has nothing to do there
        "03_aerial_images": run_on("CPU"),
        "04_teacher": run_on("GPU", 0),
        "05_distiller": run_on("GPU", 2600),
    }
    assert gpu.not_used(record) == [
        "03_aerial_images ran on the CPU",
        "04_teacher saw a GPU, and used 0 MiB of its memory",
    ]
    assert gpu.not_used({}) == []


def test_the_chapters_without_a_network_are_chapters():
    assert {path.stem for path in chapters()} > set(gpu.WITHOUT_NETWORK)


def test_only_runs_that_used_the_gpu_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="Not recorded:\n  04_teacher ran on the CPU"):
        execute.keep_gpu_record({"04_teacher": run_on("CPU")})
    assert not (tmp_path / GPU_RECORD).exists()
    kept = {"04_teacher": run_on("GPU", 2600)}
    execute.keep_gpu_record(kept)
    assert json.loads((tmp_path / GPU_RECORD).read_text()) == kept


STORED = {
    **{"mode": "full", "seconds": 600.0, "peak_memory_mib": 5120, "device": "CPU"},
    **{"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"},
}
ON_GPU = STORED | {"device": "GPU", "seconds": 90, "gpu": "NVIDIA L4", "gpu_peak_memory_mib": 2560}


@pytest.mark.parametrize(
    ("on_gpu", "cells", "said"),
    [
        (None, [], "No run on a GPU has been recorded yet"),
        ({"05_distiller": ON_GPU}, ["–", "–"], "NVIDIA L4"),
        ({"04_teacher": ON_GPU}, ["1.5", "2.5 GiB"], "NVIDIA L4, TensorFlow 2.21.0, full mode."),
    ],
)
def test_the_table_shows_the_gpu_or_says_that_there_is_no_record(on_gpu, cells, said, tmp_path):
    (tmp_path / "book" / "_data").mkdir(parents=True)
    (tmp_path / run_record.RECORD).write_text(json.dumps({"04_teacher": STORED}))
    if on_gpu:
        (tmp_path / run_record.GPU_RECORD).write_text(json.dumps(on_gpu))
    env = SimpleNamespace(srcdir=tmp_path, note_dependency=lambda path: None)
    page = SimpleNamespace(env=env, read=lambda name: run_record.RunRecord.read(page, name))
    table, sentence = run_record.RunRecord.run(page)
    rows = [
        [entry.astext() for entry in row.children] for row in table.findall(run_record.nodes.row)
    ]
    assert rows[0] == [*run_record.COLUMNS, *(run_record.ON_GPU if on_gpu else ())]
    assert rows[1][:5] == ["04 teacher", "full", "10.0", "5.0 GiB", "CPU"]
    assert rows[1][5:] == cells and said in sentence.astext()
    assert "Run with TensorFlow 2.21.0, Keras 3.15.1, NumPy 2.4.6." in sentence.astext()


def test_the_workflow_calls_the_one_target():
    text = (ROOT / ".github" / "workflows" / "gpu.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["run"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands == ["make test-gpu", "make book"]
    kept = next(step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert GPU_RECORD.as_posix() in kept["with"]["path"].split()


def test_the_target_runs_all_chapters_in_full_mode_and_compares_them():
    """As make would run it, but for what the first line refuses."""
    command = ["make", "-n", "test-gpu"]
    dry = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    lines = [line.split("/bin/")[-1] for line in dry.stdout.splitlines() if "python" in line]
    assert "gpu.py driver" in lines[0]
    assert lines[-3:] == [
        "python book/tools/gpu.py keras",
        "python book/tools/execute.py run --mode full --gpu",
        "python -m pytest tests/notebooks/test_rerun.py ",
    ]
    assert "KD_MODE=full" in dry.stdout.splitlines()[-1]
