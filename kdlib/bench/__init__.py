"""What a step of distillation costs, beside other ways to do it: ``python -m kdlib.bench``.

All contenders take turns in one run, so that what disturbs the machine disturbs all alike. Compared
are ratios within a round, to a step of the student alone, by their median and quartiles.

>>> from kdlib import bench
>>> row = {"contender": "student alone", "precision": "float32", "xla": False, "ratio": 1.0}
>>> row |= {"milliseconds": 9.0, "ratio_low": 1.0, "ratio_high": 1.0, "cpu_ratio": 1.0}
>>> entry = {"device": "CPU", "batch": 8, "size": 256, "rows": [row | {"peak_mib": 500}]}
>>> print(bench.render(entry).splitlines()[0])
CPU · 8 images of 256 × 256 a step
"""

from kdlib.bench.contenders import CONTENDERS, contender, networks, ways
from kdlib.bench.losses import objectives
from kdlib.bench.table import FILE, read, render
from kdlib.bench.timing import alternate, ratios

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
