"""Case 10 of chapter 07: the default loss of keras.distillation. These fail on the day it mends."""

import keras
import numpy as np
import pytest

T = 3.0
TEACHER = np.array([[6.0, 2.0, -1.0, 0.0], [1.0, 3.0, 0.5, -2.0]])
STUDENT = np.array([[1.0, 0.5, 0.0, -0.5], [0.0, 0.2, 0.1, 0.3]])
distillation = pytest.importorskip("keras.distillation")


def default(teacher, student):
    loss = distillation.LogitsDistillation(temperature=T)
    return float(loss.compute_loss(*(z.astype("float32") for z in (teacher, student))))


def test_adding_a_constant_to_the_teachers_logits_still_changes_the_default():
    assert default(TEACHER + 10, STUDENT) > 2 * default(TEACHER, STUDENT), (
        f"Keras {keras.__version__} has mended its default. Rewrite case 10 of "
        "notebooks/07_post_mortem.ipynb and its row in book/checklist.md."
    )


def test_the_default_takes_logits_over_t_for_probabilities_as_the_chapter_says():
    p, q = (np.clip(z / T, 1e-7, 1) for z in (TEACHER, STUDENT))
    by_hand = (p * np.log(p / q)).sum(axis=-1).mean()
    assert default(TEACHER, STUDENT) == pytest.approx(by_hand, rel=1e-5)
