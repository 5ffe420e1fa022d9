"""Networks in files: with the palette of their classes, and with all that kdlib adds to Keras.

Keras finds a class of kdlib in a ``.keras`` file only if its module was imported before. This
module imports them all: with ``import kdlib``, ``kdlib.load`` is enough.
"""

import json
import re
import zipfile
import zlib
from pathlib import Path

from kdlib import runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported

# isort: split
import keras

from kdlib import beyond, coarse_unet, distiller, metrics, recipes  # noqa: F401 they register
from kdlib._files import whole
from kdlib.data.palette import Palette, checked_palette

_MEMBER = "palette.json"
_HDF5 = b"\x89HDF\r\n\x1a\n"
"""What a file of HDF5 begins with, the format of networks before Keras 3."""

_DAMAGE = (zipfile.BadZipFile, zlib.error)


def save(network, path, palette=None):
    """Write a network to a ``.keras`` file, with the names and colours of its classes.

    Keras reads the file as any other. It replaces an older one of that name once it is whole.

    Parameters
    ----------
    network : keras.Model
        A network, or a Distiller with both of its networks.
    path : path
        Ends in ``.keras``.
    palette : kdlib.data.Palette, optional
        With a class for each output of the network, or two for a single output.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If the file has another suffix, or the palette is none or has another number of classes.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib.unet import unet
    >>> path = Path(tempfile.mkdtemp()) / "mine.keras"
    >>> save(unet((1, 1, 1, 1, 1), 2), path, Palette({"field": "green", "river": "blue"}))
    >>> load(path).output_shape, palette(path).names
    ((None, 256, 256, 2), ('field', 'river'))
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"{path} has the suffix {path.suffix!r}; expected '.keras'.")
    if palette is not None:
        check_classes(network, checked_palette(palette))
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path.parent} is no folder; expected one for {path.name}. Make it first."
        )
    with whole(path) as partial:
        network.save(partial)
        if palette is not None:
            with zipfile.ZipFile(partial, "a") as archive:
                archive.writestr(_MEMBER, palette.to_json())


def load(path, custom_objects=None, compile=True, safe_mode=True):
    """Return what a ``.keras`` file holds, as ``keras.models.load_model`` does.

    All that kdlib adds to Keras is known: the Distiller, its losses, terms, layers and metrics.

    Parameters
    ----------
    path : path
        A ``.keras`` file, or an ``.h5`` file, as Keras writes them too. The latter does not hold
        how a Distiller was compiled: load it with ``compile=False``.
    custom_objects, compile, safe_mode
        As for ``keras.models.load_model``. A Distiller whose ``teacher_input`` is a lambda can be
        loaded with ``safe_mode=False`` alone, which runs code of the file.

    Returns
    -------
    keras.Model

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or Keras cannot make a network of it, for want of a class or
        function, for example.

    Examples
    --------
    >>> load("nowhere.keras")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.keras is missing; expected a file that kdlib.save or Keras wrote.
    """
    _check_there(path, "a file that kdlib.save or Keras wrote")
    _check_archive(path)
    read = _load_hdf5 if Path(path).suffix in (".h5", ".hdf5") else keras.models.load_model
    try:
        return read(path, custom_objects, compile=compile, safe_mode=safe_mode)
    except PermissionError:
        raise
    except (*_DAMAGE, OSError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from error
    except TypeError as error:
        # Keras prints the whole configuration, and the name of what is unknown at its end.
        unknown = re.search(r"Could not locate (class|function) '(.+?)'", str(error))
        if unknown is None:
            raise ValueError(f"{path} cannot be loaded. {error}") from error
        kind, name = unknown.groups()
        registered = re.search(rf"'registered_name': '([^']*>{name})'", str(error))
        key = registered[1] if registered else name
        raise ValueError(
            f"{path} cannot be loaded, because Keras does not find the {kind} {name!r}. Load it in "
            f"Python with custom_objects={{{key!r}: {name}}}, or after "
            "keras.saving.register_keras_serializable, and go on there."
        ) from error


def _load_hdf5(path, custom_objects, compile, safe_mode):
    """Return the network of an HDF5 file, in which a Distiller has its name without the package."""
    kinds = (distiller.Distiller, beyond.BeyondDistiller)
    known = {kind.__name__: kind for kind in kinds} | (custom_objects or {})
    found = keras.models.load_model(path, known, compile=False, safe_mode=safe_mode)
    if not compile:
        return found
    if isinstance(found, kinds):
        raise ValueError(
            f"{path} holds a Distiller, and HDF5 does not hold how it was compiled. Load it with "
            "compile=False and compile it again, or save it as .keras, which holds that too."
        )
    return keras.models.load_model(path, known, compile=True, safe_mode=safe_mode)


def load_network(path, expected=None):
    """Return the network of a ``.keras`` file, not compiled; of a Distiller the student.

    Parameters
    ----------
    path : path
    expected : kdlib.data.Palette, optional
        Of the images that the network is for.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or Keras cannot make a network of it, for want of a class that is
        not kdlib's, for example; or if the palette that was saved with it has other classes than
        expected, or in another order.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib.unet import unet
    >>> path = Path(tempfile.mkdtemp()) / "both.keras"
    >>> student, teacher = (unet((n,) * 5, 3, 16, 16, name=f"width_{n}") for n in (1, 2))
    >>> save(distiller.Distiller(student, teacher), path)
    >>> load_network(path).name
    'width_1'
    """
    found, stored = load(path, compile=False), expected and palette(path)
    if stored and (stored.names, stored.void) != (expected.names, expected.void):
        raise ValueError(
            f"{path} was saved with the classes {_listed(stored)}, and the images have "
            f"{_listed(expected)}. Expected the same in the same order: give the images' palette "
            "that order, or take another network."
        )
    return getattr(found, "student", found)


def _listed(palette):
    named = [f"{name} (void)" * (n == palette.void) or name for n, name in enumerate(palette.names)]
    return ", ".join(named)


def palette(path):
    """Return the classes of a network's file, or those of a JSON file.

    Parameters
    ----------
    path : path
        A ``.keras`` file of :func:`save`, or what :meth:`kdlib.data.Palette.to_json` returns, in
        UTF-8.

    Returns
    -------
    kdlib.data.Palette or None
        None for a network that was saved without one, as every ``.h5`` file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is neither.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "palette.json"
    >>> _ = path.write_text('{"classes": {"field": "green", "none": "black"}, "void": "none"}')
    >>> palette(path)
    Palette({'field': '#008000', 'none': '#000000'}, void='none')
    """
    _check_there(path, "a palette in JSON, or a network saved with one")
    if _first_bytes(path) == _HDF5:
        return None
    try:
        text = _text_of_palette(path)
        return None if text is None else Palette.from_json(text.decode("utf-8-sig"))
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8; expected a palette in JSON, saved as UTF-8, or an "
            "undamaged .keras file."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _text_of_palette(path):
    """Return the bytes of a palette, a file of its own or in that of a network; None without."""
    if not zipfile.is_zipfile(path):
        return Path(path).read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(_MEMBER) if _MEMBER in archive.namelist() else None


def check_classes(network, palette):
    """Raise ``ValueError`` unless a network has an output for each class, or one for two of them.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> check_classes(unet((1, 1, 1, 1, 1), 6), Palette({"field": "green", "river": "blue"}))
    Traceback (most recent call last):
    ...
    ValueError: the network has 6 outputs a pixel, the palette 2 classes: field, river. ...
    """
    shape = getattr(getattr(network, "student", network), "output_shape", None)
    if not isinstance(shape, tuple):
        raise ValueError(
            "the network has no single output that could be seen from outside. Make it functional "
            "before it gets a palette: keras.Model(inputs, network(inputs))."
        )
    outputs = shape[-1]
    if len(palette) not in (outputs, outputs + (outputs == 1)):
        raise ValueError(
            f"the network has {outputs} outputs a pixel, the palette {len(palette)} classes: "
            f"{', '.join(palette.names)}. "
            + ("Give the two classes of no and yes." if outputs == 1 else "")
            + ("Give each output its class, with those that are void." if outputs > 1 else "")
        )


def _check_there(path, expected):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is missing; expected {expected}.")


def _first_bytes(path):
    with Path(path).open("rb") as file:
        return file.read(len(_HDF5))


def _check_archive(path):
    """Refuse a ``.keras`` file without a network; of one that is there, Keras says it is not."""
    if Path(path).suffix != ".keras":
        return
    _first_bytes(path)  # whoever may not read it is told so
    if not zipfile.is_zipfile(path):
        raise _damaged(path, "it is no zip archive, as .keras files are")
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            raise _damaged(path, "it is a zip archive without config.json")


def _damaged(path, fault):
    return ValueError(
        f"{path} cannot be read: {fault}. It was cut short or damaged, or is another kind of file "
        "with that suffix. Copy or save it again."
    )
