"""Run mode, folders, seeds and precision."""

import os
import random
from pathlib import Path

import keras
import numpy as np
import pytest

from kdlib import runtime


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "smoke"), ("", "smoke"), ("smoke", "smoke"), ("full", "full")]
)
def test_mode_comes_from_the_environment(monkeypatch, value, expected):
    monkeypatch.delenv("KD_MODE", raising=False)
    if value is not None:
        monkeypatch.setenv("KD_MODE", value)
    assert runtime.mode() == expected
    assert runtime.pick(smoke="smoke", full="full") == expected


def test_an_unknown_mode_is_an_error(monkeypatch):
    monkeypatch.setenv("KD_MODE", "fast")
    with pytest.raises(ValueError, match="KD_MODE is 'fast'; expected 'smoke' or 'full'"):
        runtime.mode()


def test_folders_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DUBAI_DIR", str(tmp_path))
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path / "cache"))
    assert runtime.dubai_dir() == tmp_path
    assert runtime.cache_dir() == tmp_path / "cache"
    assert not runtime.cache_dir().exists()


def test_without_variables_the_cache_is_the_users(monkeypatch):
    for name in ("KD_DUBAI_DIR", "KD_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert runtime.dubai_dir() is None
    assert runtime.cache_dir() == Path.home() / ".cache" / "kdlib"
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert runtime.cache_dir() == Path("/somewhere/kdlib")


def test_the_same_seed_draws_the_same_numbers():
    draws = []
    for _ in range(2):
        runtime.set_seed(5)
        draws.append((random.random(), float(keras.random.normal(()))))
    assert draws[0] == draws[1]


def test_a_seed_may_come_from_numpy():
    runtime.set_seed(5)
    expected = float(keras.random.normal(()))
    runtime.set_seed(np.arange(6)[5])
    assert float(keras.random.normal(())) == expected


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None, True])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(ValueError, match="seed is"):
        runtime.set_seed(seed)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"bfloat16": 1.0, "float32": 3.0}, "mixed_bfloat16"),
        ({"bfloat16": 1.0, "float32": 1.2}, "float32"),
        ({"bfloat16": 5.0, "float32": 1.0}, "float32"),
    ],
)
def test_bfloat16_is_chosen_only_where_it_clearly_wins(monkeypatch, times, expected):
    monkeypatch.setattr(runtime, "_convolution_seconds", times.get)
    runtime.faster_precision.cache_clear()
    try:
        assert runtime.faster_precision() == expected
    finally:
        runtime.faster_precision.cache_clear()


def test_the_device_report_names_mode_device_and_versions():
    report = runtime.device_report()
    for part in (runtime.mode(), runtime.device_kind(), keras.__version__, keras.backend.backend()):
        assert part in report


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no process can be bound here")
def test_the_report_names_the_cores_that_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert runtime.cores() == 1
        assert " with 1 core · " in runtime.device_report()
    finally:
        os.sched_setaffinity(0, allowed)
    assert runtime.cores() == len(allowed)
