"""Every chapter runs again from top to bottom and gives what it gave.

``KD_MODE`` decides how large the runs are, smoke by default.
"""

import os

import nbformat
import pytest
from guard import code_cells
from project import LIMITS, chapters, mode
from rerun import rerun


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_chapter_runs_again(path, tmp_path, run_time):
    result = rerun(
        path,
        mode=mode(),
        cache=os.environ["KD_CACHE_DIR"],
        limit=LIMITS[mode()],
        folder=tmp_path,
    )
    run_time(path.stem, result.seconds)
    cells = len(code_cells(nbformat.read(path, as_version=4)))
    assert (result.stopped, result.passed, result.collected) == ("", cells, cells), result.report
