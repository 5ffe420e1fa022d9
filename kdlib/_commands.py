"""What all commands share. Nothing here needs Keras, so that ``--help`` comes at once."""

import argparse
import sys

import kdlib


def parser(name, description):
    """Return a parser of arguments that knows ``--help`` and ``--version``.

    - ``name``: what is typed.

    >>> parser("python -m kdbook.study", "Run the recorded experiments.").prog
    'python -m kdbook.study'
    """
    return with_version(argparse.ArgumentParser(prog=name, description=description))


def with_version(parser):
    """Return a parser, or that of a subcommand, which now knows ``--version``."""
    parser.add_argument("--version", action="version", version=f"kdlib {kdlib.__version__}")
    return parser


def status_of(act, options, stopped="stopped; what is done stays. The same command goes on."):
    """Do what a command line asks for; return the exit status.

    0, or what ``act(options)`` returns; 1 with a message on the error stream; 130 if stopped.
    """
    try:
        return act(options) or 0
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"error: {said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130


def said(error):
    """Return what an error says; if it is the system's, without its number."""
    if getattr(error, "errno", None):
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def count(text):
    """Read a number of things from the command line: an integer of 1 or more."""
    return _integer(text, least=1, step=1, expected="1 or more")


def side(text):
    """Read the height and width of an image from the command line: a multiple of 16."""
    return _integer(text, least=16, step=16, expected="a multiple of 16, as the U-Nets halve it")


def seed(text):
    """Read a seed from the command line: an integer from 0 to 2**32 - 1."""
    return _integer(text, least=0, step=1, expected="0 to 2**32 - 1", most=2**32 - 1)


def _integer(text, least, step, expected, most=None):
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least or number % step or (most is not None and number > most):
        raise argparse.ArgumentTypeError(f"{text!r} came; expected {expected}.")
    return number
