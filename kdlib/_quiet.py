"""What compiled code has to say, and nobody wants to read."""

import contextlib
import logging
import os


@contextlib.contextmanager
def without_native_messages():
    """Drop what compiled code writes to the error stream. Python's errors still show."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def without_warnings_of(name):
    """Drop what a logger has to say below an error."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
