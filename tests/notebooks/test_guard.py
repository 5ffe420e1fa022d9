"""The guards are guarded: each kind of broken chapter is caught by the rule made for it.

First the rules that look at a stored notebook, then what only shows when it is run.
"""

import guard
import nbformat
import psutil
import pytest
from execute import ChapterFailed, execute
from project import kernel_environment
from rerun import rerun

NAME = "99_example.ipynb"
BOOTSTRAP, IMPORTS, CHECK, PLAIN, PICTURE, EXERCISE, SOLUTION, LAST = 0, 1, 2, 3, 4, 5, 6, -1


def broken_rules(notebook):
    """Return the names of the rules that the notebook breaks."""
    return {rule.__name__ for rule in guard.RULES if rule(notebook, NAME)}


def cell(notebook, index):
    """Return a code cell by its number."""
    return guard.code_cells(notebook)[index]


def test_a_sound_chapter_breaks_no_rule(example):
    assert broken_rules(example) == set()
    nbformat.validate(example)


def never_run(notebook):
    for one in guard.code_cells(notebook):
        one.execution_count, one.outputs = None, []


def one_cell_not_run(notebook):
    cell(notebook, PLAIN).execution_count = None


def run_out_of_order(notebook):
    first, second = cell(notebook, CHECK), cell(notebook, PLAIN)
    first.execution_count, second.execution_count = second.execution_count, first.execution_count


def run_twice(notebook):
    for one in guard.code_cells(notebook):
        one.execution_count += 20


def stored_error(notebook):
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    cell(notebook, PLAIN).outputs = [error]


def expects_an_error(notebook):
    cell(notebook, PLAIN).metadata.tags = ["raises-exception"]


def stored_stderr(notebook):
    cell(notebook, PLAIN).outputs[0].name = "stderr"


def stored_log(notebook):
    cell(notebook, PLAIN).outputs[0].text = "WARNING:tensorflow:5 out of the last 13 calls\n"


def path_in_output(notebook):
    cell(notebook, PLAIN).outputs[0].text = "saved to " + "/" + "home/someone/teacher.keras\n"


def drawn_images(notebook):
    cell(notebook, PLAIN).outputs[0].text = "Using the procedural city instead: 72 images, drawn\n"


def path_in_source(notebook):
    cell(notebook, PLAIN).source = "print('" + "/" + "Users/someone/images')"


def path_of_windows(notebook):
    cell(notebook, PLAIN).outputs[0].text = "C:" + "\\Users\\someone\n"


def unknown_magic(notebook):
    cell(notebook, CHECK).source = "%nosuchmagic\n" + cell(notebook, CHECK).source


def shell_command(notebook):
    cell(notebook, PLAIN).source = "!ls"


def empty_cell(notebook):
    cell(notebook, PLAIN).source = ""


def own_bootstrap(notebook):
    cell(notebook, BOOTSTRAP).source += "\n%pip install something"


def no_bootstrap(notebook):
    cell(notebook, BOOTSTRAP).metadata.tags = []


def other_address(notebook):
    notebook.cells[0].source = notebook.cells[0].source.replace("99_example", "98_other")


def editor_metadata(notebook):
    notebook.metadata["jupytext"] = {"text_representation": {}}


def skipped_by_tag(notebook):
    cell(notebook, PLAIN).metadata.tags = ["nbval-skip"]


def skipped_by_comment(notebook):
    cell(notebook, PLAIN).source = "# NBVAL" + "_SKIP\nprint(2 + 2)"


def long_cell(notebook):
    cell(notebook, PLAIN).source = "\n".join(["x = 1"] * 16)


def long_listing(notebook):
    cell(notebook, PLAIN).source = "\n".join(["print(2 + 2)"] * 51)
    cell(notebook, PLAIN).metadata.tags = ["listing"]


def two_listings(notebook):
    cell(notebook, PLAIN).metadata.tags = ["listing"]
    cell(notebook, CHECK).metadata.tags = ["listing"]


def long_solution(notebook):
    cell(notebook, SOLUTION).source = "\n".join(["x = 1"] * 26)


def three_in_a_row(notebook):
    notebook.cells = [one for one in notebook.cells if one.source != "And a picture."]


def no_alt_text(notebook):
    cell(notebook, PICTURE).outputs[0].data["text/html"] = '<img src="data:image/png;base64,AA">'


def bare_picture(notebook):
    cell(notebook, PICTURE).outputs[0].data = {"image/png": "AAAA", "text/plain": "figure"}


def not_finished(notebook):
    notebook.cells.pop()


def finish_not_compared(notebook):
    cell(notebook, LAST).metadata.tags = ["nbval-ignore-output"]


def finish_of_another_number(notebook):
    cell(notebook, LAST).source = "finish(2)"


def checks_did_not_run(notebook):
    cell(notebook, LAST).outputs[0].text = "0 of 1 checks of this chapter passed\n"


def no_checks_at_all(notebook):
    cell(notebook, LAST).source = "finish(0)"
    cell(notebook, LAST).outputs[0].text = "0 of 0 checks of this chapter passed\n"


def two_exercises(notebook):
    cell(notebook, EXERCISE).metadata.tags = []


def open_solution(notebook):
    cell(notebook, SOLUTION).metadata.tags = ["solution"]


def exercise_without_check(notebook):
    cell(notebook, EXERCISE).source = "answer = None"


def check_without_mistakes(notebook):
    source = cell(notebook, EXERCISE).source
    cell(notebook, EXERCISE).source = source.split(", mistakes=")[0] + ")"


def no_bug_hunt(notebook):
    for one in notebook.cells:
        one.source = one.source.replace(": bug hunt", ": think")


def no_limits_named(notebook):
    for one in notebook.cells:
        one.source = one.source.replace("does not show", "shows")


def six_objectives(notebook):
    more = "- check it;\n" + "- do one more thing;\n" * 4
    notebook.cells[1].source = notebook.cells[1].source.replace("- check it.", more)


def no_question(notebook):
    notebook.cells[0].source = notebook.cells[0].source.replace("*How large is a square?*", "")


def nothing_to_predict(notebook):
    notebook.cells = [one for one in notebook.cells if "Predict, then run" not in one.source]


def no_key_points(notebook):
    notebook.cells = [one for one in notebook.cells if "Key points" not in one.source]


def no_times(notebook):
    notebook.cells[1].source = notebook.cells[1].source.split("\n\n| |")[0]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (never_run, "ran_in_order"),
        (one_cell_not_run, "ran_in_order"),
        (run_out_of_order, "ran_in_order"),
        (run_twice, "ran_in_order"),
        (stored_error, "has_no_errors"),
        (expects_an_error, "has_no_errors"),
        (stored_stderr, "has_no_stderr"),
        (stored_log, "has_no_log_lines"),
        (path_in_output, "has_no_machine_paths"),
        (path_in_source, "has_no_machine_paths"),
        (path_of_windows, "has_no_machine_paths"),
        (drawn_images, "shows_the_photographs"),
        (unknown_magic, "is_plain_python"),
        (shell_command, "is_plain_python"),
        (empty_cell, "is_plain_python"),
        (own_bootstrap, "is_stamped"),
        (no_bootstrap, "is_stamped"),
        (other_address, "is_stamped"),
        (editor_metadata, "is_stamped"),
        (skipped_by_tag, "has_known_tags"),
        (skipped_by_comment, "has_known_tags"),
        (long_cell, "has_short_cells"),
        (long_solution, "has_short_cells"),
        (long_listing, "has_short_cells"),
        (two_listings, "has_short_cells"),
        (three_in_a_row, "alternates"),
        (no_alt_text, "has_alt_text"),
        (bare_picture, "has_alt_text"),
        (not_finished, "is_finished"),
        (finish_not_compared, "is_finished"),
        (finish_of_another_number, "is_finished"),
        (checks_did_not_run, "is_finished"),
        (no_checks_at_all, "is_finished"),
        (two_exercises, "has_exercises"),
        (open_solution, "has_exercises"),
        (exercise_without_check, "has_exercises"),
        (check_without_mistakes, "has_exercises"),
        (no_bug_hunt, "has_exercises"),
        (no_limits_named, "has_its_sections"),
        (six_objectives, "has_its_sections"),
        (no_question, "has_its_sections"),
        (nothing_to_predict, "has_its_sections"),
        (no_key_points, "has_its_sections"),
        (no_times, "has_its_sections"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_broken_chapter_is_caught(example, damage, rule):
    damage(example)
    assert rule in broken_rules(example)


@pytest.fixture
def again(tmp_path):
    """Return a function that stores a notebook in a folder of its own and runs it with nbval."""

    def run(notebook, **options):
        path = tmp_path / NAME
        nbformat.write(notebook, path)
        defaults = {"mode": "smoke", "cache": tmp_path, "limit": 600, "folder": tmp_path}
        return rerun(path, **defaults | options)

    return run


def test_a_sound_chapter_passes_and_every_cell_counts(example, again):
    result = again(example)
    cells = len(guard.code_cells(example))
    assert (result.passed, result.collected, result.stopped) == (cells, cells, ""), result.report


@pytest.mark.parametrize(
    ("index", "source"),
    [
        (CHECK, "pass"),  # the check that finish(1) counts never runs
        (LAST, "print('1 of 1 checks of this chapter passed!')"),
        (PLAIN, "print(5)"),
        (PLAIN, "raise ValueError('no')"),
        (PICTURE, "1 / 0"),  # its output is not compared, its error still counts
    ],
)
def test_what_runs_otherwise_than_stored_fails(example, again, index, source):
    cell(example, index).source = source
    result = again(example)
    assert result.passed < result.collected == len(guard.code_cells(example)), result.report


def test_a_dead_kernel_is_noticed_long_before_the_limit(example, again):
    cell(example, PLAIN).source = "import os\n\nos._exit(3)"
    result = again(example, limit=600, grace=3)
    # The other verdict, that the limit was reached, would have come after ten minutes.
    assert result.stopped == "stopped: the kernel died"


def test_a_chapter_that_hangs_is_stopped_with_its_kernel(example, again, tmp_path):
    mark = tmp_path / "pid"
    cell(example, PLAIN).source = (
        f"import os, pathlib, time\n\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    # On a busy machine the kernel may need longer until it comes to the cell that hangs.
    for limit in (12, 60, 300):
        result = again(example, limit=limit)
        assert result.stopped == f"stopped after {limit} seconds"
        if mark.exists():
            break
    assert not psutil.pid_exists(int(mark.read_text()))


def run_here(notebook, tmp_path, limit=600):
    """Execute the notebook as `make store` does."""
    return execute(
        notebook, NAME, limit=limit, environment=kernel_environment("smoke"), folder=tmp_path
    )


def test_executing_stores_outputs_and_records_the_run(example, tmp_path):
    stored = nbformat.from_dict(example)
    never_run(example)
    record = run_here(example, tmp_path)
    assert broken_rules(example) == set()
    assert cell(example, PLAIN).outputs == cell(stored, PLAIN).outputs
    assert record["mode"] == "smoke" and record["device"] in ("CPU", "GPU")
    assert record["seconds"] > 0 and record["peak_memory_mib"] > 10


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('no')", "ValueError"),
        ("import os\n\nos._exit(3)", "DeadKernelError"),
        ("import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)", "DeadKernelError"),
        ("import sys\n\nprint('careful', file=sys.stderr)", "standard error"),
        ("print('/' + 'home/someone/images')", "holds the path"),
        ("from kdbook import checks\n\nchecks.check('once more', True)", "2 checks ran"),
    ],
)
def test_executing_a_broken_chapter_fails(example, tmp_path, source, message):
    cell(example, PLAIN).source = source
    with pytest.raises(ChapterFailed, match=message):
        run_here(example, tmp_path)


def test_executing_is_bounded_in_time(example, tmp_path):
    cell(example, PLAIN).source = "import time\n\ntime.sleep(600)"
    # Without the bound the cell would end by itself, and nothing would be raised.
    with pytest.raises(ChapterFailed, match="took more than 8 seconds"):
        run_here(example, tmp_path, limit=8)
