"""The procedural city: how it is laid out, drawn in layers, and painted.

Here: what :mod:`kdlib.data.synthetic` draws images and masks with. Not here: the images themselves.
"""
