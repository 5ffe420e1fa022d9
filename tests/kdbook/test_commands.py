"""Commands: help without delay, sentences about what makes no sense, nothing among packages."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import kdlib
from kdbook.recorders.__main__ import PROGRAMS
from kdbook.recorders.__main__ import main as recorders
from kdbook.study import __main__ as study_command
from kdbook.study import record, ship
from kdlib import __main__ as kdlib_command
from kdlib import _commands as commands

COMMANDS = ["kdlib", "kdlib.predict", "kdbook.study", "kdbook.tune", "kdbook.recorders"]
LIGHT = """
import runpy, sys
name, sys.argv = sys.argv[1], sys.argv[1:]
try:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
except SystemExit as end:
    print("ended with", end.code)
print("heavy:", sorted({"keras", "tensorflow", "jax", "matplotlib", "optuna"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "--version", "--nonsense"])
def test_arguments_are_read_before_anything_heavy_is_imported(name, option):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, name, option], capture_output=True, text=True
    )
    assert done.stdout.endswith("heavy: []\n"), done.stdout + done.stderr
    code = {"--nonsense": 2}.get(option, 0)
    assert f"ended with {code}\n" in done.stdout
    usage = "usage: kdlib " if name == "kdlib" else f"usage: python -m {name} "
    said = {"--version": f"kdlib {kdlib.__version__}\n"}
    assert said.get(option, usage) in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["predict", "export", "distil", "tune"])
def test_help_of_a_subcommand_says_what_was_typed(name, capsys):
    with pytest.raises(SystemExit):
        kdlib_command.main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: kdlib {name} ")


@pytest.mark.parametrize(
    "kind, right, wrong",
    [
        (commands.count, {"1": 1, "20": 20}, ["0", "-3", "1.5", "", "many", "²", "1e3"]),
        (commands.side, {"16": 16, "256": 256}, ["0", "-16", "8", "100", "16.0", "x"]),
        (
            commands.seed,
            {"0": 0, "7": 7, str(2**32 - 1): 2**32 - 1},
            ["-1", str(2**32), "a", "0.5"],
        ),
    ],
)
def test_numbers_of_the_command_line(kind, right, wrong):
    assert {text: kind(text) for text in right} == right
    for text in wrong:
        with pytest.raises(commands.argparse.ArgumentTypeError, match="came; expected"):
            kind(text)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Let the record that comes with the package lie among installed packages."""
    monkeypatch.setattr(record, "RESULTS", tmp_path / "site-packages" / "kdbook" / "results")
    monkeypatch.chdir(tmp_path)
    return record.RESULTS


def test_nothing_is_written_among_installed_packages(installed):
    assert record.folder() == Path("kdbook-results")
    assert record.folder(reading=True) == installed
    Path("kdbook-results").mkdir()
    assert record.folder(reading=True) == Path("kdbook-results")
    with pytest.raises(ValueError, match="belongs to an installed package; models are written in"):
        ship.ship_all()


def test_a_clone_keeps_its_record():
    assert record.in_clone() and record.folder() == record.folder(reading=True) == record.RESULTS


@pytest.mark.parametrize("option", ["--batch", "--size", "--rounds"])
@pytest.mark.parametrize("number", ["0", "-1", "some"])
def test_nonsense_numbers_of_the_bench_are_refused_in_a_sentence(option, number, capsys):
    with pytest.raises(SystemExit) as ended:
        recorders(["bench", f"{option}={number}"])
    assert ended.value.code == 2
    assert f"argument {option}: '{number}' came; expected" in capsys.readouterr().err


def test_every_program_of_a_record_can_be_named(capsys):
    for name in PROGRAMS:
        assert callable(importlib.import_module(f"kdbook.recorders.{name}").main)
        with pytest.raises(SystemExit) as ended:
            recorders([name, "--help"])
        assert ended.value.code == 0
    assert recorders(["growth", "--only", "nothing"]) == 1
    assert "has no arm 'nothing'; it has " in capsys.readouterr().err


def test_a_plan_or_shipping_but_not_both(capsys):
    for wrong in ([], ["--plan", "main", "--ship"]):
        with pytest.raises(SystemExit):
            study_command.main(wrong)
    assert study_command.main(["--plan", "mian"]) == 1
    assert "there is no plan 'mian'; there are " in capsys.readouterr().err
