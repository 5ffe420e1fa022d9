"""What the pixels of a mask can be: names, colours, and the way between colours and numbers."""

import functools
import json

import numpy as np
from PIL import ImageColor

from kdlib._arguments import is_whole

OF_THE_PALETTE = "of the palette"
"""Given as a void class: that of the palette of the patches."""

_UNKNOWN = 255
_PARTS = {"classes", "void", "also_void"}
_EXPECTED_JSON = (
    'Expected names and colours, such as {"classes": {"field": "#00A000", "none": "#000000"}, '
    '"void": "none"}.'
)
_LISTED = 30  # unknown colours that a message names: a mask saved as JPEG has thousands


class UnknownColours(ValueError):
    """Colours of a mask that are no class: ``counts`` of their pixels, and what was ``expected``.

    >>> print(UnknownColours("7.png", {"#FE0000": 2}, "Expected a #FF0000."))
    7.png: 2 pixels in 1 colours that are no class: #FE0000 (2 pixels). Expected a #FF0000.
    """

    def __init__(self, where, counts, expected):
        colours = sorted(counts, key=counts.get, reverse=True)
        named = ", ".join(f"{code} ({counts[code]} pixels)" for code in colours[:_LISTED])
        more = f", and {len(colours) - _LISTED} more" if len(colours) > _LISTED else ""
        self.counts, self.expected = counts, expected
        total = f"{sum(counts.values())} pixels in {len(colours)} colours"
        self.found = f"{where}: {total} that are no class: {named}{more}."
        super().__init__(f"{self.found} {expected}")


class Palette:
    """The classes of a set of masks: their names, their colours, and which of them is void.

    Parameters
    ----------
    colours : dict of str to colour
        Name and mask colour of each class, 2 to 255 of them. Their numbers follow the order, from
        0. A colour is text such as ``"#3C1098"`` or ``"navy"``, or three integers from 0 to 255,
        red first. Masks that hold class numbers instead of colours are grey: class 1 has the
        colour (1, 1, 1).
    void : str, optional
        Name of the class that stands for "not labelled": left out of losses and metrics.
    also_void : sequence of colours
        Further colours that mean the void class, such as black borders.

    Attributes
    ----------
    names : tuple of str
        Class names in the order of their numbers.
    colours : array of uint8, shape (n_classes, 3)
        Mask colours in the same order. It cannot be written to.
    void : int or None
        Number of the void class.

    Raises
    ------
    ValueError
        If there are too few or too many classes, two have the same name as text, a colour is none
        or used twice, ``also_void`` is no sequence, or ``void`` is no class.

    Examples
    --------
    >>> palette = Palette({"field": "#00A000", "river": (0, 0, 255), "none": "black"}, void="none")
    >>> len(palette), palette.names[1], palette.void
    (3, 'river', 2)
    >>> palette.encode(np.array([[[0, 0, 255], [0, 0, 0]]], dtype=np.uint8))
    array([[1, 2]], dtype=uint8)
    """

    def __init__(self, colours, void=None, also_void=()):
        _check_classes(colours)
        _check_void(void, also_void, list(colours))
        self.names = tuple(map(str, colours))
        self.void = None if void is None else list(colours).index(void)
        self.colours = np.array([_rgb(colour) for colour in colours.values()], dtype=np.uint8)
        self.colours.flags.writeable = False
        self._aliases = np.array([_rgb(c) for c in also_void], dtype=np.uint8).reshape(-1, 3)
        _check_twice([*self.hex, *map(_hex, self._aliases)])

    def __len__(self):
        """Return the number of classes, the void class included."""
        return len(self.names)

    def __repr__(self):
        """Show each class with its colour."""
        void = "" if self.void is None else f", void={self.names[self.void]!r}"
        return f"Palette({dict(zip(self.names, self.hex, strict=True))}{void})"

    def to_json(self):
        """Return the palette as text, from which :meth:`from_json` makes it again.

        Examples
        --------
        >>> print(Palette({"field": "green", "none": "black"}, void="none").to_json())
        {"classes": {"field": "#008000", "none": "#000000"}, "void": "none", "also_void": []}
        """
        parts = {
            "classes": dict(zip(self.names, self.hex, strict=True)),
            "void": None if self.void is None else self.names[self.void],
            "also_void": [*map(_hex, self._aliases)],
        }
        return json.dumps(parts, ensure_ascii=False)

    @classmethod
    def from_json(cls, text):
        """Return the palette of a text like ``{"classes": {"field": "#00A000", ...}}``.

        Beside ``classes`` it may hold ``void`` and ``also_void``.

        Raises
        ------
        ValueError
            If the text is no such JSON, or the palette none.

        Examples
        --------
        >>> Palette.from_json('{"classes": {"field": "green", "river": "#0000FF"}}')
        Palette({'field': '#008000', 'river': '#0000FF'})
        """
        try:
            parts = json.loads(text, object_pairs_hook=_once_each)
        except ValueError as error:
            raise ValueError(f"no JSON: {error} {_EXPECTED_JSON}") from error
        if not isinstance(parts, dict) or not {"classes"} <= set(parts) <= _PARTS:
            raise ValueError(_EXPECTED_JSON)
        return cls(parts["classes"], parts.get("void"), parts.get("also_void") or ())

    @property
    def hex(self):
        """The mask colours as text, such as "#3C1098", in the order of the classes."""
        return tuple(map(_hex, self.colours))

    @property
    def named(self):
        """Numbers of the classes that are not void, as a list of int."""
        return [number for number in range(len(self)) if number != self.void]

    @property
    def may_be_numbers(self):
        """Whether the colours may be meant as class numbers: (1, 1, 1), (2, 2, 2), and so on."""
        colours = self.colours[self.named]
        return bool((colours == colours[:, :1]).all() and colours.max() < _UNKNOWN)

    def void_or(self, void_class):
        """Return the given void class, or that of the palette for :data:`OF_THE_PALETTE`.

        Raises
        ------
        ValueError
            If it is neither None nor the number of a class. A name is refused too, and the message
            says which number it has.

        Examples
        --------
        >>> palette = Palette({"field": "green", "river": "blue", "none": "black"}, void="none")
        >>> palette.void_or(OF_THE_PALETTE), palette.void_or(0), palette.void_or(None)
        (2, 0, None)
        """
        named = isinstance(void_class, str) and void_class == OF_THE_PALETTE
        if named or void_class is None:
            return self.void if named else None
        if not is_whole(void_class) or not 0 <= void_class < len(self):
            known = [number for number, name in enumerate(self.names) if name == void_class]
            raise ValueError(
                f"void_class is {void_class!r}; expected the number of a class, 0 to "
                f"{len(self) - 1}, or None. "
                + (f"{void_class!r} is class {known[0]}." if known else f"{self._numbered()}.")
            )
        return int(void_class)

    def _numbered(self):
        """List the classes with their numbers, as far as a message has room."""
        listed = [f"{number} is {name!r}" for number, name in enumerate(self.names[:_LISTED])]
        return ", ".join(listed) + (", ..." if len(self) > _LISTED else "")

    @functools.cached_property
    def _table(self):
        """Class number of each of the 2**24 colours: 16 MB, built once, faster than comparing."""
        table = np.full(2**24, _UNKNOWN, dtype=np.uint8)
        if len(self._aliases):
            table[_pack(self._aliases)] = self.void
        table[_pack(self.colours)] = np.arange(len(self))
        return table

    def encode(self, mask_rgb, where=""):
        """Turn the colours of a mask into class numbers.

        Parameters
        ----------
        mask_rgb : array of uint8, shape (..., 3)
            Colours of a mask, red first, 0 to 255.
        where : str, optional
            File name that an error message should give.

        Returns
        -------
        array of uint8, shape (...)
            Class numbers.

        Raises
        ------
        ValueError
            If the array is not RGB in uint8, or holds colours that are no class. The message
            names file, colours and pixels. A silent default would make them class 0.

        Examples
        --------
        >>> palette = Palette({"field": "#00A000", "river": "#0000FF"})
        >>> palette.encode(palette.decode([1, 0]))
        array([1, 0], dtype=uint8)
        """
        mask_rgb = np.asarray(mask_rgb)
        if mask_rgb.dtype != np.uint8 or mask_rgb.ndim < 1 or mask_rgb.shape[-1] != 3:
            raise ValueError(
                f"{where or 'mask'}: expected RGB in uint8, shape (..., 3); got {mask_rgb.dtype}, "
                f"shape {mask_rgb.shape}. Read masks by kdlib.data.read_folder, which knows class "
                "numbers and transparency: converting such an array would lose them."
            )
        packed = _pack(mask_rgb)
        labels = self._table[packed]
        unknown = packed[labels == _UNKNOWN]
        if unknown.size:
            counts = zip(*np.unique(unknown, return_counts=True), strict=True)
            named = {f"#{colour:06X}": int(count) for colour, count in counts}
            raise UnknownColours(where or "mask", named, self._expected())
        return labels

    def _expected(self):
        """Say which colours are classes, and what others may come from."""
        known = [f"{name} {code}" for name, code in zip(self.names, self.hex, strict=True)]
        known += [f"{_hex(alias)} as {self.names[self.void]}" for alias in self._aliases]
        return (
            f"Expected {', '.join(known)}. If the palette lacks a class, add it. A mask saved as "
            "JPEG or resized with smoothing has colours between its classes': use the original."
        )

    def decode(self, labels):
        """Turn class numbers into the colours of the masks, the reverse of :meth:`encode`.

        Parameters
        ----------
        labels : array of int, shape (...)
            Class numbers, 0 to ``len(palette) - 1``.

        Returns
        -------
        array of uint8, shape (..., 3)
            Colours, red first.

        Raises
        ------
        ValueError
            If a number is no integer, or no class.

        Examples
        --------
        >>> Palette({"field": "#00A000", "river": "#0000FF"}).decode([1]).tolist()
        [[0, 0, 255]]
        """
        labels = np.asarray(labels)
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"expected class numbers as integers; got {labels.dtype}")
        if labels.size and (labels.min() < 0 or labels.max() >= len(self)):
            raise ValueError(
                f"expected class numbers 0 to {len(self) - 1}; got {labels.min()} to {labels.max()}"
            )
        return self.colours[labels]


def checked_palette(palette):
    """Return a palette, or raise ``ValueError`` if it is none.

    Examples
    --------
    >>> checked_palette({"field": "green", "river": "blue"})
    Traceback (most recent call last):
    ...
    ValueError: palette is {'field': 'green', 'river': 'blue'}; expected a kdlib.data.Palette, ...
    """
    if not isinstance(palette, Palette):
        raise ValueError(
            f"palette is {palette!r}; expected a kdlib.data.Palette, such as "
            'kdlib.data.Palette({"field": "green", "river": "blue"}). kdlib.saved.palette reads '
            "one from a file."
        )
    return palette


def _check_classes(colours):
    """Refuse what does not name classes, or two of them alike: a file holds names as text."""
    if not isinstance(colours, dict) or not 2 <= len(colours) <= _UNKNOWN:
        raise ValueError(
            f"colours is {colours!r}; expected a dict with the names of 2 to {_UNKNOWN} "
            'classes and their colours, such as {"field": "#00A000", "river": "#0000FF"}.'
        )
    if len(set(map(str, colours))) < len(colours):
        raise ValueError(
            f"colours has the names {list(colours)}, of which two are the same as text; expected "
            "a name of its own for each class."
        )


def _check_void(void, also_void, names):
    if void is not None and void not in names:
        raise ValueError(f"void is {void!r}; expected one of the classes {names}.")
    if isinstance(also_void, str) or not hasattr(also_void, "__len__"):
        raise ValueError(
            f"also_void is {also_void!r}; expected a list of colours, such as ['black']."
        )
    if len(also_void) and void is None:
        raise ValueError("also_void has colours, but no class is void: give void its name.")


def _pack(rgb):
    """Put red, green and blue into one number, 0 to 2**24 - 1."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def _hex(colour):
    return "#{:02X}{:02X}{:02X}".format(*colour)


def _rgb(colour):
    """Return a colour as three integers from 0 to 255."""
    try:
        rgb = ImageColor.getrgb(colour) if isinstance(colour, str) else tuple(colour)
        right = len(rgb) == 3 and all(c == int(c) and 0 <= c <= 255 for c in rgb)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            f"{colour!r} is no colour of a mask; expected text such as '#3C1098' or 'navy', or "
            "three integers from 0 to 255, red first."
        )
    return tuple(map(int, rgb))


def _once_each(pairs):
    """Return a dict; JSON itself lets the last of two equal names win."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the name {name!r} stands there twice.")
    return dict(pairs)


def _check_twice(codes):
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ValueError(
            f"the colour {', '.join(twice)} stands for more than one class; a mask could not tell "
            "them apart. Give each class a colour of its own."
        )
