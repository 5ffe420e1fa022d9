"""Measurements and short trainings that are recorded outside the study's plans.

Here: a program a record, ``python -m kdbook.recorders NAME``, how it measures, and how a chapter
reads it. Not here: the comparison of arms over seeds (:mod:`kdbook.study`).
"""
