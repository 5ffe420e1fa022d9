"""Checks that cannot pass by not running: of a chapter's claims, and of a Distiller.

- :func:`check`, :func:`finish`, :func:`self_check`: what a chapter claims, and what its readers
  answer;
- :func:`check_distiller`: whether a Distiller, yours or another, has one of the faults that go
  unnoticed because the loss goes down all the same.
"""

from kdbook.checks.chapter import check, finish, self_check
from kdbook.checks.distiller import check_distiller
from kdbook.checks.report import Finding, Report

__all__ = ["Finding", "Report", "check", "check_distiller", "finish", "self_check"]
