"""The recorded study: named plans of arms and seeds, run once, kept as one line of JSON a run.

``python -m kdbook.study --plan main`` does what is left of a plan, ``--list`` says what that is,
``--table`` compares the arms. Every line holds what it takes to judge it: seed, budget, versions,
device, data, code, curve, and confusion matrices from which all scores can be computed anew.
"""
