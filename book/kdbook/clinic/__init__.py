"""What goes wrong in distilling, for chapter 07.

Here: :func:`check_distiller`, which asks a Distiller, yours or another, for the faults that go
unnoticed because the loss goes down all the same, and the checklist to print. Not here: the claims
of a chapter (:mod:`kdbook.checks`), and errors that kdlib raises by itself.
"""

from kdbook.clinic.examination import check_distiller
from kdbook.clinic.findings import Finding, Report

__all__ = ["Finding", "Report", "check_distiller"]
