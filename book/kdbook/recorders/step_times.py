"""The record of the bench: reading its latest line, and showing it.

>>> row = {"contender": "student alone", "precision": "float32", "xla": False, "ratio": 1.0}
>>> row |= {"milliseconds": 9.0, "ratio_low": 1.0, "ratio_high": 1.0, "cpu_ratio": 1.0}
>>> entry = {"device": "CPU", "batch": 8, "size": 256, "rows": [row | {"peak_mib": 500}]}
>>> print(render(entry).splitlines()[0])
CPU · 8 images of 256 × 256 a step
"""

import json

from kdbook.study.record import RESULTS

FILE = RESULTS / "bench.jsonl"
"""One line of JSON a run; the last one counts."""


def read(path=FILE):
    """Return the latest entry of the record.

    - Returns dict: ``device``, ``versions``, ``batch``, ``size``, ``rounds``, ``faster_precision``,
      ``left_out``, ``rows`` (each with ``contender``, ``precision``, ``xla``, ``milliseconds``,
      ``ratio``, ``ratio_low``, ``ratio_high``, ``cpu_ratio`` and ``peak_mib``), ``input`` (each
      with ``contender``, ``milliseconds`` and ``share``) and ``objectives``, as
      :func:`kdbook.recorders.objective_costs.objectives` returns them.
    - ``FileNotFoundError`` if nothing is recorded.
    - ``ValueError`` if the latest line is not JSON.

    >>> read("nowhere.jsonl")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.jsonl holds no run of the bench. Make one: ...
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if line.strip()]
    except FileNotFoundError:
        lines = []
    if not lines:
        raise FileNotFoundError(
            f"{path} holds no run of the bench. Make one: python -m kdbook.recorders bench --record"
        )
    try:
        return json.loads(lines[-1])
    except json.JSONDecodeError as error:
        raise ValueError(
            f"the last line of {path} is not JSON ({error}). Delete it, or run the bench again."
        ) from error


def render(entry):
    """Return an entry as text: a table for each precision, with and without XLA.

    - ``entry``: as :func:`read` returns it.

    >>> print(render(read()).splitlines()[0].partition(" · ")[2])
    8 images of 256 × 256 a step
    """
    lines = [
        f"{entry['device']} · {entry['batch']} images of {entry['size']} × {entry['size']} a step"
    ]
    rows = entry["rows"]
    for precision, xla in dict.fromkeys((row["precision"], row["xla"]) for row in rows):
        lines += [
            f"{precision}, {'with' if xla else 'without'} XLA",
            f"  {'':22}      ms   times the student alone    by CPU   peak MiB",
        ]
        lines += [_line(row) for row in rows if (row["precision"], row["xla"]) == (precision, xla)]
    if entry.get("objectives"):
        parts = "; ".join(f"{name} {ms:.1f} ms" for name, ms in entry["objectives"].items())
        lines += ["The objectives and their gradient in the logits:", f"  {parts}."]
    lines += [
        f"A batch for {each['contender']} takes {each['milliseconds']:.1f} ms to make, "
        f"{each['share']:.3f} of its fastest step."
        for each in entry.get("input", [])
    ]
    if entry.get("left_out"):
        lines.append(f"Left out, since TensorFlow's tape is needed: {entry['left_out']}.")
    return "\n".join(lines)


def _line(row):
    spread = f"{row['ratio']:5.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    peak = "       –" if row["peak_mib"] is None else f"{row['peak_mib']:8.0f}"
    milliseconds = f"{row['milliseconds']:8.1f}"
    return f"  {row['contender']:22}{milliseconds}   {spread:23} {row['cpu_ratio']:9.2f}   {peak}"
