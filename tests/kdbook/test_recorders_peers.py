"""The four ways to distil one classifier: the same loss, and the lines that the page names."""

import argparse
import re
from pathlib import Path

import pytest

pytest.importorskip("keras.distillation")
ROOT = Path(__file__).parents[2]


@pytest.mark.tensorflow
def test_the_ways_have_the_loss_of_numpy_and_the_lines_of_the_page(monkeypatch, capsys):
    import tensorflow as tf

    from kdbook.recorders import peers

    monkeypatch.setattr(peers, "BATCH", 2)
    tf.config.run_functions_eagerly(True)
    try:
        peers.main(argparse.Namespace(rounds=1))
    finally:
        tf.config.run_functions_eagerly(False)
    said = re.findall(r"^(\w+) +(\d+) lines .* off by ([\d.e+-]+)", capsys.readouterr().out, re.M)
    page = (ROOT / "book" / "own_network.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (.+) \| (\d+) \| \d · 10", page, re.M)
    assert [lines for _, lines, _ in said] == [lines for _, lines in table]
    assert len(said) == 4 and all(float(off) < 1e-5 for *_, off in said)
