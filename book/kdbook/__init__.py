"""kdbook: the laboratory behind the chapters of *Soft Targets*.

How the numbers and figures of the book came about. It imports :mod:`kdlib`, which never imports it:

- :mod:`kdbook.checks`: the ticks of a chapter, and what is wrong with a Distiller;
- :mod:`kdbook.checklist`: the checklist of chapter 07;
- :mod:`kdbook.study`: the recorded experiments;
- :mod:`kdbook.tune`: sweeps and searches of the settings, replayed and live;
- :mod:`kdbook.bench`: what a step costs, beside other ways to do it;
- :mod:`kdbook.plots`: everything that draws;
- :mod:`kdbook.explorers` and :mod:`kdbook.widgets`: the figures that move, their data and widgets.
"""
