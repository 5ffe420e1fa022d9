"""The command ``python -m kdlib.predict IMAGE...``: masks, overlays, images of any size.

Beside each image, or into the folder of ``--out``, it writes ``NAME_mask.png``, in the colours of
the Dubai masks, and ``NAME_overlay.png``, the image with these colours laid over it.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin

import kdlib  # whose rooms come when they are used: to say --help needs none
from kdlib import models
from kdlib._files import whole

_MARK = "kdlib.predict"
"""What the files that are written here call their software."""


def main(arguments=None):
    """Run the command; return the exit status: 0, or 1 if an image could not be done.

    What goes wrong with one image is said on the error stream, and the others are done. Files that
    the command wrote itself are left out, so that it may be run on a folder twice.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the command line.

    Examples
    --------
    >>> main(["--out", "masks", "--network", "student", "nowhere.jpg"])
    1
    """
    options = _parser().parse_args(arguments)
    from kdlib import runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported

    network, failed, written = models.pretrained(options.network, options.trained_on), 0, set()
    results = [path for path in options.images if _is_result(path)]
    if results:
        listed = ", ".join(map(str, results[:5])) + (", ..." if len(results) > 5 else "")
        print(
            f"{len(results)} files are left out, masks and overlays of an earlier run: {listed}",
            file=sys.stderr,
        )
    try:
        for path in options.images:
            if path in results:
                continue
            try:
                print(predict(network, path, options.out, options.force, options.quiet, written))
            except (ValueError, OSError, MemoryError) as error:
                print(f"error: {_said(error, path)}", file=sys.stderr)
                failed += 1
    except KeyboardInterrupt:
        print("stopped; what is written stays.", file=sys.stderr)
        return 130
    if failed:
        print(f"{failed} of {len(options.images)} images failed.", file=sys.stderr)
    return 1 if failed else 0


def predict(network, path, out=None, force=False, quiet=True, written=None):
    """Write mask and overlay of one image; return a line that says what is in it.

    Parameters
    ----------
    network : keras.Model
        As :func:`kdlib.models.pretrained` returns it.
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

    Returns
    -------
    str

    Raises
    ------
    FileNotFoundError, ValueError
        If the image cannot be read, or is a mask or an overlay that this function wrote.
    FileExistsError
        If a result is there already.

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
    from kdlib.deploy import tiles  # it needs Keras, and --help does not

    path, written = Path(path), set() if written is None else written
    folder = path.parent if out is None else Path(out)
    mask, overlay = (folder / f"{path.stem}_{kind}.png" for kind in ("mask", "overlay"))
    # Before the work, and before the folder is made for nothing.
    if _is_result(path):
        raise ValueError(f"{path} is a mask or an overlay of an earlier run; give the photograph.")
    image, _, transparent = kdlib.data.image_file.picture(path, str(path))
    _check_free((mask, overlay), path, force, written)
    labels = tiles.segment(network, image, progress=not quiet)
    folder.mkdir(parents=True, exist_ok=True)
    _save({mask: kdlib.data.decode(labels), overlay: tiles.overlay(image, labels)})
    written |= {mask.resolve(), overlay.resolve()}
    shares = kdlib.data.class_shares(labels)
    named = sorted(zip(shares, kdlib.data.CLASS_NAMES, strict=True), reverse=True)
    text = ", ".join(f"{name} {share:.0%}" for share, name in named if share >= 0.005)
    height, width = labels.shape
    behind = " (white is put behind transparent parts)" if transparent else ""
    return f"{path.name}, {width} × {height} pixels{behind}: {text}; {mask.name}, {overlay.name}"


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
    """Say what went wrong, without the number that the system gives its errors."""
    if isinstance(error, MemoryError):
        return f"{path}: the memory is not large enough for this image. Cut it into smaller ones."
    if isinstance(error, OSError) and error.errno:
        return f"{path}: {error.strerror}{f': {error.filename}' if error.filename else ''}"
    return str(error)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m kdlib.predict",
        description="Write mask and overlay of images of any size.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", type=Path, help="path of an image")
    parser.add_argument(
        "--network",
        choices=models.NAMES,
        default="student",
        help="which network does it (default: %(default)s)",
    )
    parser.add_argument(
        "--trained-on",
        choices=models.IMAGES,
        default="dubai",
        help="the images that it learned from (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: the image's)")
    parser.add_argument("--force", action="store_true", help="replace results that are there")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.add_argument("--version", action="version", version=f"kdlib {kdlib.__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
