"""What nbval may overlook when it runs the chapters again: the bytes of the pictures.

nbval compares HTML outputs letter by letter. A picture embedded in one has other bytes on another
version of a font or a library, and still shows the same; its alt text is compared.
"""

PICTURE_BYTES = r"data:image/png;base64,[A-Za-z0-9+/=]+"


def pytest_itemcollected(item):
    """Add the pattern to the notebook that the cell belongs to."""
    patterns = getattr(item.parent, "sanitize_patterns", None)
    if patterns is not None:
        patterns[PICTURE_BYTES] = "PICTURE"
