"""kdbook: the laboratory behind the chapters of *Soft Targets*.

How the numbers and figures of the book came about. It imports :mod:`kdlib`, which never imports it.
What a reader takes home does not belong here:

- :mod:`kdbook.checks`: the ticks of a chapter, and the self-checks of its exercises;
- :mod:`kdbook.study`: the recorded comparison of arms over seeds;
- :mod:`kdbook.recorders`: the other recorded measurements, a program each;
- :mod:`kdbook.language`: the language of chapter 12, whose truth is known, and what learns it;
- :mod:`kdbook.tune`: sweeps and searches of the settings, replayed and live;
- :mod:`kdbook.clinic`: what is wrong with a Distiller, and the checklist of chapter 07;
- :mod:`kdbook.figures`: everything that draws;
- :mod:`kdbook.explorers` and :mod:`kdbook.widgets`: the figures that move, their data and widgets;
- :mod:`kdbook.database`: the database through which workers share their work.
"""
