"""Derive the reference values: python tests/kdlib/reference_values.py writes the table anew.

Everything is computed from the definitions in exact fractions or in decimals of 40 digits, and
rounded to a float once, at the end:

    p_i = exp(z_i / T) / sum_j exp(z_j / T)             Hinton, Vinyals and Dean 2015, equation 1
    KL = sum_i p_i (ln p_i - ln q_i)                     p the teacher's, q the student's
    d(T² KL) / dz_i = T (q_i - p_i)                      by differentiating the line above
    H = -sum_i p_i ln p_i / ln 2
    IoU_i = TP_i / (row_i + column_i - TP_i), and so on  from a confusion matrix of whole numbers
"""

import decimal
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

PIXELS = (
    # teacher, student, T
    ([6, 2, -1], [1, 1, 1], 4),
    ([6, 2, -1], [2, 6, -1], 1),
    ([6, 2, -1], [6, 2, -1], 3),
    ([2, 0], [0, 0], 1),
    ([0.5, -1.25, 3, 0, 2.75, -4], [-0.5, 0.25, 1.5, 1, 3.5, -2], 2),
    ([0.5, -1.25, 3, 0, 2.75, -4], [-0.5, 0.25, 1.5, 1, 3.5, -2], 16),
    ([10, -10, 0], [-10, 10, 0], 0.5),
    ([30, 0], [0, 30], 1),
)
MATRICES = (
    # rows true, columns predicted; the void class
    ([[3, 1], [1, 3]], None),
    ([[2, 1, 0, 0], [1, 3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], None),
    ([[2, 1, 0, 0], [1, 3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], 3),
    ([[5, 0, 0], [7, 0, 0], [2, 0, 0]], None),
    ([[4, 0, 1], [0, 0, 0], [2, 0, 9]], 2),
)


def softened(logits, temperature):
    """Return the logarithms of the softened probabilities, and these, as decimals."""
    scaled = [Decimal(z) / Decimal(temperature) for z in logits]
    log_sum = sum(z.exp() for z in scaled).ln()
    logs = [z - log_sum for z in scaled]
    return logs, [z.exp() for z in logs]


def pixel(teacher, student, temperature):
    """Return everything that is known of one pixel."""
    (log_p, p), (log_q, q) = (softened(z, temperature) for z in (teacher, student))
    kl = sum(a * (b - c) for a, b, c in zip(p, log_p, log_q, strict=True))
    nats, factor = sum(a * b for a, b in zip(p, log_p, strict=True)), Decimal(temperature)
    return {
        "teacher": teacher,
        "student": student,
        "temperature": temperature,
        "p": [float(value) for value in p],
        "q": [float(value) for value in q],
        "kl": float(kl),
        "entropy_in_bits": float(-nats / Decimal(2).ln()),
        "t2_kl_gradient": [float(factor * (b - a)) for a, b in zip(p, q, strict=True)],
    }


def ratio(part, whole):
    """Return a fraction, or None for 0/0."""
    return Fraction(part, whole) if whole else None


def mean(values):
    """Return the mean of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def matrix_scores(matrix, void):
    """Return the scores of one matrix, as fractions in text."""
    rows = [[0] * len(row) if i == void else row for i, row in enumerate(matrix)]
    classes = range(len(rows))
    right = [rows[i][i] for i in classes]
    true, said = [sum(row) for row in rows], [sum(row[i] for row in rows) for i in classes]
    each = {
        "precision": [ratio(right[i], said[i]) for i in classes],
        "recall": [ratio(right[i], true[i]) for i in classes],
        "f1": [ratio(2 * right[i], true[i] + said[i]) for i in classes],
        "iou": [ratio(right[i], true[i] + said[i] - right[i]) for i in classes],
    }
    each = {k: [None if i == void else v[i] for i in classes] for k, v in each.items()}
    found = each | {f"mean_{name}": [mean(values)] for name, values in each.items()}
    found["accuracy"] = [ratio(sum(right), sum(true))]
    found["share"] = [ratio(true[i], sum(true)) for i in classes]
    found["predicted_share"] = [ratio(said[i], sum(true)) for i in classes]
    text = {k: [None if f is None else str(f) for f in v] for k, v in found.items()}
    return {"matrix": matrix, "void_class": void, "scores": text}


def table():
    """Return the whole table."""
    with decimal.localcontext() as context:
        context.prec = 40
        pixels = [pixel(*case) for case in PIXELS]
    return {"losses": pixels, "scores": [matrix_scores(*case) for case in MATRICES]}


if __name__ == "__main__":
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
