"""The page on one's own networks: each of its cases runs as it stands."""

import re

import keras
import pytest

from tests.kdlib.pages import BOOK, python_blocks, run

PAGE = "own_network.md"


def cases():
    """Return {heading: its blocks}; what comes before the first case is part of all of them."""
    start, *parts = re.split(r"^## ", (BOOK / PAGE).read_text("utf-8"), flags=re.M)
    blocks = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
    found = {part.splitlines()[0]: blocks.findall(part) for part in parts}
    return blocks.findall(start), {name: code for name, code in found.items() if code}


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")
def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    for package in ("sklearn", "onnxruntime", "tf2onnx", "keras.distillation"):
        pytest.importorskip(package)
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    first, parts = cases()
    assert [len(part) for part in parts.values()] == [6, 4, 1, 1]
    assert sum(map(len, parts.values())) + len(first) == len(python_blocks(PAGE))
    names = {}
    run(PAGE, first, names)
    for title, blocks in parts.items():
        # Compiling MobileNet takes longer than its few steps.
        tf.config.run_functions_eagerly("segmentation" in title)
        try:
            run(PAGE, blocks, names)
        finally:
            tf.config.run_functions_eagerly(False)
    said = capsys.readouterr().out
    scores = dict(re.findall(r"(distilled|alone) (0\.\d+)", said))
    assert len(scores) == 2 and min(map(float, scores.values())) > 0.8
    assert int(re.search(r"agree on (\d+)%", said).group(1)) > 80
    assert keras.models.load_model("city.keras").output_shape == (None, 64, 64, 6)
