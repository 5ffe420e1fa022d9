"""What a step of distillation costs, beside other ways to do it: ``python -m kdbook.bench``.

All contenders take turns in one run, so that what disturbs the machine disturbs all alike. Compared
are ratios within a round, to a step of the student alone, by their median and quartiles.

>>> from kdbook import bench
>>> row = {"contender": "student alone", "precision": "float32", "xla": False, "ratio": 1.0}
>>> row |= {"milliseconds": 9.0, "ratio_low": 1.0, "ratio_high": 1.0, "cpu_ratio": 1.0}
>>> entry = {"device": "CPU", "batch": 8, "size": 256, "rows": [row | {"peak_mib": 500}]}
>>> print(bench.render(entry).splitlines()[0])
CPU · 8 images of 256 × 256 a step
"""

from kdbook.bench.contenders import CONTENDERS, contender, networks, ways
from kdbook.bench.losses import objectives
from kdbook.bench.table import FILE, read, render
from kdbook.bench.timing import alternate, ratios

__all__ = [
    "CONTENDERS",
    "FILE",
    "alternate",
    "contender",
    "networks",
    "objectives",
    "ratios",
    "read",
    "render",
    "ways",
]
