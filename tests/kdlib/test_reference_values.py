"""Frozen values of the losses and scores, and their derivation: decimals of 40 digits, fractions.

``reference_values.json`` holds what is expected. ``reference_values.py`` derives it again, in
Python's decimal and fractions, without NumPy and without kdlib.
"""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from kdlib import losses, metrics, softening
from tests.kdlib import reference_values

TABLE = json.loads((Path(__file__).parent / "reference_values.json").read_text(encoding="utf-8"))
LOSSES = TABLE["losses"]
IDS = [f"{case['teacher']} at T={case['temperature']}" for case in LOSSES]


def test_the_table_is_what_its_derivation_gives():
    assert reference_values.table() == TABLE


@pytest.mark.parametrize("case", LOSSES, ids=IDS)
def test_softening_equals_the_table(case):
    teacher, student, temperature = case["teacher"], case["student"], case["temperature"]
    p, q = (softening.softmax(z, temperature) for z in (teacher, student))
    np.testing.assert_allclose(p, case["p"], rtol=1e-13)
    np.testing.assert_allclose(q, case["q"], rtol=1e-13)
    assert softening.entropy(p) == pytest.approx(case["entropy_in_bits"], rel=1e-13)
    assert softening.kl_divergence(p, q) == pytest.approx(case["kl"], rel=1e-10, abs=1e-15)
    soft = softening.soften_probabilities(softening.softmax(teacher), temperature)
    np.testing.assert_allclose(soft, case["p"], rtol=1e-12)
    gradient = softening.kl_gradient(student, teacher, temperature)
    np.testing.assert_allclose(gradient, case["t2_kl_gradient"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("case", LOSSES, ids=IDS)
def test_loss_on_tensors_equals_the_table(case):
    pair = [np.float32([case[role]]) for role in ("teacher", "student")]
    found = ops.convert_to_numpy(losses.kl_divergence(*pair, case["temperature"]))
    assert found[0] == pytest.approx(case["kl"], rel=2e-5, abs=2e-7)
    mean = losses.SoftTargetKLDivergence()(*(np.repeat(z, 3, axis=0) for z in pair))
    at_one = losses.kl_divergence(*pair, 1.0)
    assert float(mean) == pytest.approx(float(at_one[0]), rel=1e-5)


@pytest.mark.parametrize("case", TABLE["scores"], ids=lambda case: str(case["matrix"]))
def test_scores_equal_the_table(case):
    found = metrics.scores(case["matrix"], case["void_class"])
    for name, expected in case["scores"].items():
        values = np.atleast_1d(getattr(found, name)).tolist()
        wanted = [np.nan if text is None else float(Fraction(text)) for text in expected]
        np.testing.assert_allclose(values, wanted, rtol=1e-14, err_msg=name)
