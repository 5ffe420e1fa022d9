"""The command ``kdlib predict IMAGE...``: masks, overlays, images of any size.

Beside each image, or into the folder of ``--out``, it writes ``NAME_mask.png``, in the colours of
the masks that the network learned from, and ``NAME_overlay.png``, the image with these colours laid
over it. ``python -m kdlib.predict`` is the same command.
"""

import contextlib
import os
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin

import kdlib  # whose rooms come when they are used: to say --help needs none
from kdlib import _commands as commands
from kdlib import models
from kdlib._files import ready, whole

_MARK = "kdlib.predict"
"""What the files that are written here call their software."""


def main(arguments=None, prog="python -m kdlib.predict"):
    """Run the command; return the exit status: 0, or 1 if an image could not be done.

    What goes wrong with one image is said on the error stream, and the others are done. Files that
    the command wrote itself are left out, so that it may be run on a folder twice.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the command line.
    prog : str
        What the help calls the command.

    Examples
    --------
    >>> main(["--out", "masks", "--network", "student", "nowhere.jpg"])
    1
    """
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    if options.model and (options.network or options.trained_on):
        parser.error("--model is a network of your own; leave --network and --trained-on out")
    if not options.model and (options.palette or options.margin is not None):
        parser.error("--palette and --margin belong to a --model")
    return commands.status_of(_act, options, stopped="stopped; what is written stays.")


def _act(options):
    """Do image by image what the command line asks for; return 1 if one could not be done."""
    from kdlib import runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported

    if options.out is not None:
        _check_folder(options.out)
    network, how = _network(options)
    results = [path for path in options.images if _is_result(path)]
    if results:
        listed = ", ".join(map(str, results[:5])) + (", ..." if len(results) > 5 else "")
        print(
            f"{len(results)} files are left out, masks and overlays of an earlier run: {listed}",
            file=sys.stderr,
        )
    failed, written, named = 0, set(), set()
    for path in (path for path in options.images if path not in results):
        try:
            _check_first(path, named)
            given = path, options.out, options.force, options.quiet, written
            print(predict(network, *given, **how))
        except (ValueError, OSError, MemoryError) as error:
            print(f"error: {_said(error, path)}", file=sys.stderr)
            failed += 1
    if failed:
        tried = len(options.images) - len(results)
        print(f"{failed} of {tried} images failed.", file=sys.stderr)
    return 1 if failed else 0


def predict(network, path, out=None, force=False, quiet=True, written=None, palette=None, **tiling):
    """Write mask and overlay of one image; return a line that says what is in it.

    Parameters
    ----------
    network : keras.Model
        As :func:`kdlib.models.pretrained` returns it: with a number for each class at each pixel.
    path : path
        Of an image.
    out : path, optional
        Folder for the results, made if it is missing. By default that of the image.
    force : bool
        Whether files of these names may be replaced.
    quiet : bool
        Whether to show no progress bar.
    written : set of path, optional
        What was written in this run: never replaced, and added to.
    palette : kdlib.data.Palette, optional
        The classes and their colours; by default those of Dubai.
    **tiling
        ``tile``, ``margin`` and ``grid``, as for :func:`kdlib.deploy.tiles.segment`.

    Returns
    -------
    str

    Raises
    ------
    FileNotFoundError, ValueError
        If the image cannot be read, or is a mask or an overlay that this function wrote, or if
        ``palette`` is none.
    FileExistsError
        If a result is there already.
    NotADirectoryError
        If ``out``, or a folder above it, is a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "park.png"
    ...     Image.new("RGB", (40, 30)).save(path)
    ...     line = predict(kdlib.pretrained("student"), path)
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['park.png', 'park_mask.png', 'park_overlay.png']
    """
    from kdlib.data.palette import checked_palette
    from kdlib.deploy import tiles  # it needs Keras, and --help does not

    palette = checked_palette(kdlib.data.DUBAI_PALETTE if palette is None else palette)
    path, written = Path(path), set() if written is None else written
    folder = path.parent if out is None else Path(out)
    mask, overlay = (folder / f"{path.stem}_{kind}.png" for kind in ("mask", "overlay"))
    # All before the work, and most before the folder is made for nothing.
    if _is_result(path):
        raise ValueError(f"{path} is a mask or an overlay of an earlier run; give the photograph.")
    image, _, transparent = kdlib.data.image_file.picture(path, str(path))
    _check_free((mask, overlay), path, force, written)
    _check_folder(folder)
    ready(folder)
    labels = tiles.segment(network, image, progress=not quiet, **tiling)
    coloured = tiles.overlay(image, labels, colours=palette.colours)
    _save({mask: palette.decode(labels), overlay: coloured})
    written |= {mask.resolve(), overlay.resolve()}
    shares = kdlib.data.class_shares(labels, len(palette))
    named = sorted(zip(shares, palette.names, strict=True), reverse=True)
    text = ", ".join(f"{name} {share:.0%}" for share, name in named if share >= 0.005)
    height, width = labels.shape
    behind = " (white is put behind transparent parts)" if transparent else ""
    return f"{path.name}, {width} × {height} pixels{behind}: {text}; {mask.name}, {overlay.name}"


def _network(options):
    """Return the network that is asked for, and what :func:`predict` needs to know about it."""
    if options.model is None:
        given = options.network or "student", options.trained_on or "dubai"
        return models.pretrained(*given), {}
    from kdlib import network_ends, saved

    network = saved.load_network(options.model)
    palette = saved.palette(options.palette or options.model)
    if palette is None:
        raise ValueError(
            f"{options.model} says nothing of classes and colours: it was not written by "
            "kdlib.save with a palette. Name a file with them: --palette palette.json"
        )
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] != 3:
        raise ValueError(
            f"{options.model} takes inputs of shape {shape}; expected images, (batch, height, "
            "width, 3)."
        )
    network_ends.only_output(getattr(network, "outputs", [None]))
    answer = getattr(network, "output_shape", None)
    if not isinstance(answer, tuple) or answer[-1] == 1:  # else the largest number decides
        network = network_ends.class_logits(network)
    saved.check_classes(network, palette)
    # What networks halve is seldom more than five times. One of a fixed size decides the tile.
    fixed = [side for side in shape[1:3] if side]
    grid = 1 if len(fixed) == 2 else 32
    margin = options.margin
    if margin is None:
        margin = min([512, *fixed]) // 4 // grid * grid
    tile = max(512, 2 * margin + 256) // grid * grid
    return network, {"palette": palette, "grid": grid, "margin": margin, "tile": tile}


def _check_folder(folder):
    """Refuse a file in the place of a folder, or of one above it."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(
                f"{place} is a file, expected a folder for the results. Name another with --out."
            )


def _check_first(path, named):
    """Refuse an image that was named before; ``named`` is added to."""
    place = os.path.abspath(path)  # a link has a name of its own, and results of its own
    if place in named:
        raise ValueError(f"{path} was named twice; expected each image once. It is done once.")
    named.add(place)


def _check_free(results, path, force, written):
    for result in results:
        if result.resolve() in written:
            raise FileExistsError(
                f"{path}: {result} was written for another image of this run. Give images of the "
                "same name in two runs, with two folders for --out."
            )
        if result.exists() and not force:
            raise FileExistsError(
                f"{path}: {result} is there already. Move it, name another folder with --out, or "
                "allow to replace it with --force."
            )


def _save(pictures):
    """Write pictures, all of them or none: a full disk leaves no half of a file behind."""
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", _MARK)
    with contextlib.ExitStack() as files:
        for path, pixels in pictures.items():
            partial = files.enter_context(whole(path))
            Image.fromarray(pixels).save(partial, format="png", pnginfo=mark)


def _is_result(path):
    """Tell whether a file is marked as a mask or an overlay that was written here."""
    try:
        with Image.open(path) as file:
            return file.info.get("Software") == _MARK
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # reading it says what is wrong


def _said(error, path):
    """Say what went wrong with an image."""
    if isinstance(error, MemoryError):
        return f"{path}: the memory is not large enough for this image. Cut it into smaller ones."
    told = commands.said(error)
    return f"{path}: {told}" if getattr(error, "errno", None) else told


def _parser(prog):
    parser = commands.parser(prog, "Write mask and overlay of images of any size.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", type=Path, help="path of an image")
    parser.add_argument(
        "--network",
        choices=models.NAMES,
        help="which network of the library does it (default: student)",
    )
    parser.add_argument(
        "--trained-on",
        choices=models.IMAGES,
        help="the images that it learned from (default: dubai)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="a network of your own instead, a .keras file; it gets colours from 0 to 1",
    )
    parser.add_argument(
        "--palette",
        type=Path,
        metavar="FILE",
        help="its classes and colours, if kdlib.save did not put them into the file: "
        '{"classes": {"field": "#7CB342", "none": "#000000"}, "void": "none"}',
    )
    parser.add_argument(
        "--margin",
        type=int,
        metavar="PIXELS",
        help="how far it looks around a pixel: what tiles overlap (default: 128, or a quarter of "
        "the size that it takes)",
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: the image's)")
    parser.add_argument("--force", action="store_true", help="replace results that are there")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
