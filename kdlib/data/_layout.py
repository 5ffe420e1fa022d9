"""What there is to say of how an image file stores its pixels, and how to refuse it."""

import typing

NUMBERS = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
"""Kinds of numbers, by TIFF's sample format."""


class Refused(ValueError):
    """A file that cannot be read without a guess or a loss."""


class Layout(typing.NamedTuple):
    """Bits a channel, the kind of its numbers, and for grey files what 0 means.

    ``lossy`` names the compression if it changes values.
    """

    bits: int
    numbers: str = NUMBERS[1]
    grey: bool = False
    white_is_zero: bool = False
    lossy: str = ""

    @property
    def deep(self):
        """Whether the pixels are anything but whole numbers from 0 to 255 at most."""
        return self.bits > 8 or self.numbers != NUMBERS[1]

    def __str__(self):
        """Say it in words."""
        return f"{self.bits}-bit {self.numbers}"


def check_pages(count, title):
    """Refuse a file of several pictures.

    >>> check_pages(2, "a.tif")
    Traceback (most recent call last):
    ...
    kdlib.data._layout.Refused: a.tif holds 2 pictures (pages or frames); expected one...
    """
    if count > 1:
        raise Refused(
            f"{title} holds {count} pictures (pages or frames); expected one. Save the one that is "
            "meant in a file of its own."
        )
