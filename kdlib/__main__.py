"""The command ``kdlib``: masks of images, networks as files, a student of one's own images."""

import importlib
import json
import os
import sys
from pathlib import Path

from kdlib import _commands as commands

COMMANDS = {
    "predict": "write mask and overlay of images, with a network of kdlib or of your own",
    "export": "write a network as a LiteRT or ONNX file, compared with Keras on your images",
    "distil": "train a teacher and two students on a folder of images, and report",
    "tune": "search for the settings of a distillation, on a folder of images too",
}


def main(arguments=None):
    """Run a command; return its exit status: 0, or 1 with a message on the error stream."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["predict"]:
        from kdlib import predict

        return predict.main(given[1:], "kdlib predict")
    if given[:1] == ["tune"]:
        return _tune(given[1:])
    options = _parser().parse_args(given)
    act = {"export": _export, "distil": _distil}[options.command]
    return commands.status_of(act, options, stopped="stopped.")


def _distil(options):
    os.environ["KD_MODE"] = "smoke" if options.quick else "full"
    from kdlib import data, experiment, recipes, saved
    from kdlib._files import ready

    if not options.folder.is_dir():
        raise FileNotFoundError(
            f"{options.folder} is no folder; expected one that holds images/, masks/ and "
            "palette.json."
        )
    colours = options.palette or options.folder / "palette.json"
    if not colours.is_file():
        example = json.dumps({"classes": {"field": "#7CB342", "none": "#000000"}, "void": "none"})
        raise FileNotFoundError(
            f"{colours} is missing. Name there the classes and the colours of the masks, such as "
            f"{example}"
        )
    empty = options.out.is_dir() and not any(options.out.iterdir())  # of a run that was stopped
    if options.out.exists() and not empty:
        raise FileExistsError(f"{options.out} is there already. Move it, or name another --out.")
    images = data.read_folder(options.folder, palette=saved.palette(colours))
    split = data.split(data.cut(images, options.size), images)
    experiment.check(split, options.alpha, options.temperature)
    ready(options.out)
    teacher = (
        saved.load_network(options.teacher, images.palette)
        if options.teacher
        else recipes.trained_teacher(images, split)
    )
    found = experiment.run(
        split, teacher, alpha=options.alpha, temperature=options.temperature, seed=options.seed
    )
    found.save(options.out)
    print(f"{found.report()}\n\n{options.out} holds the networks, their palette and this report.")


def _export(options):
    from kdlib import data, network_ends, saved
    from kdlib.data.image_file import picture
    from kdlib.deploy import export

    formats = {".onnx": "onnx", ".tflite": "litert-float32"}
    chosen = options.format or formats.get(options.file.suffix)
    if chosen is None:
        raise ValueError(f"{options.file} has another suffix than {' or '.join(formats)}.")
    network = saved.load_network(options.model)
    shape = getattr(network, "output_shape", None)  # not known of every subclass
    if isinstance(shape, tuple) and shape[-1] == 1:
        print("The network gives one number a pixel; its file gives two, the logits of no and yes.")
        network = network_ends.class_logits(network)
    pixels = [picture(path, str(path)).pixels for path in options.images]
    patches = data.cut(data.ImageSet.unlabelled(pixels, map(str, options.images)), options.size)
    calibration = None
    if chosen == "litert-int8":
        if len(patches) < 2:
            raise ValueError(
                "litert-int8 needs two patches or more: half to calibrate on, half to compare on; "
                "one came. Give more images, or a smaller --size."
            )
        calibration, patches = (patches.take(slice(first, None, 2)) for first in (0, 1))
    checked = export.write(network, options.file, chosen, patches, calibration)
    print(
        f"{checked.path}: {checked.size:,} bytes; on {len(patches)} patches "
        f"{checked.agreement:.2%} of the pixels have the class that Keras gives them."
    )


def _tune(arguments):
    """Hand over to the laboratory of the book, which has the search."""
    try:
        search = importlib.import_module("kdbook.tune.__main__")
    except ModuleNotFoundError as error:
        if error.name != "kdbook":
            raise
        print(
            "error: the search is in kdbook, the second package of kdlib's distribution, which is "
            "not installed here. Install it whole: pip install 'kdlib[tune]'",
            file=sys.stderr,
        )
        return 1
    return search.main(arguments, "kdlib tune")


def _parser():
    parser = commands.parser("kdlib", "Distil networks, and use them.")
    choice = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    each = {
        name: commands.with_version(choice.add_parser(name, help=text))
        for name, text in COMMANDS.items()
    }
    _add_options_of_distil(each["distil"].add_argument)
    _add_options_of_export(each["export"].add_argument)
    return parser


def _add_options_of_distil(add):
    add("folder", type=Path, help="holds images/, masks/ and palette.json")
    out = Path("distilled")
    add("--out", type=Path, default=out, help="folder for the results (default: %(default)s)")
    add("--palette", type=Path, metavar="FILE", help="instead of palette.json in the folder")
    add("--teacher", type=Path, metavar="FILE", help="a .keras file, instead of training one")
    add(
        "--size",
        type=commands.side,
        default=128,
        help="of the patches, in pixels (default: %(default)s)",
    )
    add("--alpha", type=float, default=0.1, help="weight of the labels (default: %(default)s)")
    add("--temperature", type=float, default=1.0, help="T (default: %(default)s)")
    add("--seed", type=commands.seed, default=0, help="of both students (default: %(default)s)")
    add("--quick", action="store_true", help="only a few steps, to see that all works")


def _add_options_of_export(add):
    add("model", type=Path, metavar="MODEL", help="a .keras file")
    add("file", type=Path, metavar="FILE", help="ends in .onnx or .tflite")
    add("images", type=Path, nargs="+", metavar="IMAGE", help="to compare on: a few dozen")
    kinds = ["onnx", "litert-float32", "litert-float16", "litert-int8"]
    add("--format", choices=kinds, help="(default: by the suffix, in float32)")
    add("--size", type=commands.count, default=256, help="of what the file takes (default: 256)")


if __name__ == "__main__":
    sys.exit(main())
