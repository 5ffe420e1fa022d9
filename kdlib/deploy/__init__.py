"""Trained networks at work.

Here: images of any size (:mod:`kdlib.deploy.tiles`), networks as files of other formats, written
and run (:mod:`kdlib.deploy.export`, :mod:`kdlib.deploy.inference`), what they cost
(:mod:`kdlib.deploy.footprint`). Not here: anything that trains; and the command that writes masks,
which is :mod:`kdlib.predict`.
"""
