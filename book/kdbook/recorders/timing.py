"""Timing functions that take turns, and comparing them round by round."""

import time

import numpy as np


def alternate(functions, rounds, clocks=(time.perf_counter, time.process_time)):
    """Call all functions once a round, and time each call by each clock.

    Each is called twice before, since the first call compiles. Every second round goes backwards,
    so that none always follows the same one.

    - ``functions``: dict of str to callable. Each returns when its work is done.
    - ``rounds``: at least 1.
    - ``clocks``: sequence of callable. Give seconds: by default those that pass, and those that all
      threads of the process compute.
    - Returns dict of str to array, shape (clocks, rounds): seconds.
    - ``ValueError`` if there is nothing to time.

    >>> {name: seconds.shape for name, seconds in alternate({"a": int}, rounds=3).items()}
    {'a': (2, 3)}
    """
    if not functions or rounds < 1:
        raise ValueError(
            f"{len(functions)} functions and {rounds} rounds came; expected one or more of each."
        )
    for function in functions.values():
        function()
        function()
    seconds = {name: np.empty((len(clocks), rounds)) for name in functions}
    for number in range(rounds):
        for name in list(functions)[:: -1 if number % 2 else 1]:
            start = [clock() for clock in clocks]
            functions[name]()
            seconds[name][:, number] = [
                clock() - begun for clock, begun in zip(clocks, start, strict=True)
            ]
    return seconds


def by_clock(seconds):
    """Return what :func:`alternate` returned as a record keeps it: ``wall`` and ``processor``.

    >>> by_clock({"a": np.array([[1.0, 2.0], [0.5, 1.5]])})
    {'wall': [[1.0, 2.0]], 'processor': [[0.5, 1.5]]}
    """
    clocks = zip(*(rows.round(6).tolist() for rows in seconds.values()), strict=True)
    return dict(zip(("wall", "processor"), map(list, clocks), strict=True))


def ratios(seconds, base):
    """Return how long each took in units of another, within the same round.

    - ``seconds``: dict of str to array, shape (rounds,).
    - ``base``: whose time is the unit.
    - Returns dict of str to tuple of float: median, lower quartile and upper quartile of the
      ratios.
    - ``ValueError`` if the base was not timed.

    >>> ratios({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 6.0])}, base="a")["b"]
    (3.0, 3.0, 3.0)
    """
    if base not in seconds:
        raise ValueError(f"base is {base!r}; expected one that was timed: {', '.join(seconds)}.")
    found = {}
    for name, values in seconds.items():
        quartiles = np.quantile(values / seconds[base], (0.5, 0.25, 0.75))
        found[name] = tuple(float(value) for value in quartiles)
    return found
