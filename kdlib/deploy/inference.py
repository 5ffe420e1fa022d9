"""Exported networks, run by their own runtimes: neither Keras nor TensorFlow is needed for it.

:func:`load` gives a file of :mod:`kdlib.deploy.export` back as something that is called like a
Keras model, so that :mod:`kdlib.metrics` scores *the file*: quantisation changes answers, and the
score of the network that it was made from says nothing about that. LiteRT files need the package
``ai-edge-litert``, ONNX files ``onnxruntime``.
"""

from pathlib import Path

import numpy as np

from kdlib._arguments import checked_whole
from kdlib._packages import needed


def load(path, threads=1):
    """Return an exported file as something that is called like a Keras model.

    Parameters
    ----------
    path : path
        A ``.tflite`` file, which the LiteRT interpreter runs, or an ``.onnx`` file, for ONNX
        Runtime. Both run on the CPU.
    threads : int
        How many threads of the processor the runtime may use, 1 or more.

    Returns
    -------
    ExportedModel

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of neither kind, or damaged, or ``threads`` is no positive integer.
    ImportError
        If the runtime is not installed.

    Examples
    --------
    >>> load("student.h5")
    Traceback (most recent call last):
    ...
    ValueError: student.h5 has the suffix '.h5'; expected '.tflite' or '.onnx'.
    """
    path = Path(path)
    if path.suffix not in _RUNTIMES:
        raise ValueError(
            f"{path} has the suffix {path.suffix!r}; expected {' or '.join(map(repr, _RUNTIMES))}."
        )
    threads = checked_whole(threads, "threads")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file. kdlib.deploy.export.write makes one.")
    return _RUNTIMES[path.suffix](path, threads)


class ExportedModel:
    """A file that is called like a Keras model: images in, probabilities out.

    Files have a batch of one image, of one size. Longer batches are run image by image.

    Parameters
    ----------
    run : callable
        Takes an array of float32, shape ``(1, height, width, 3)``; returns one of shape
        ``(1, height, width, n_classes)``.
    input_shape : tuple of int
        ``(1, height, width, 3)``.

    Examples
    --------
    >>> model = ExportedModel(lambda image: 1 - image, (1, 2, 2, 3))
    >>> model(np.zeros((5, 2, 2, 3), np.float32)).shape
    (5, 2, 2, 3)
    """

    def __init__(self, run, input_shape):
        self._run, self.input_shape = run, tuple(input_shape)

    def __call__(self, images, training=False):
        """Return the probabilities of some images.

        Parameters
        ----------
        images : array of float, shape (n, height, width, 3)
            Values from 0 to 1, as for the network that the file was made of.
        training : bool
            For the sake of :mod:`kdlib.metrics`, which says False. A file cannot be trained.

        Returns
        -------
        numpy.ndarray
            float32, shape ``(n, height, width, n_classes)``.

        Raises
        ------
        ValueError
            If the images have another size than the file, or ``training`` is true.
        """
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or images.shape[1:] != self.input_shape[1:] or len(images) == 0:
            raise ValueError(
                f"images of shape {images.shape} came; this file takes one or more of "
                f"{self.input_shape[1:]}. Cut the images into patches of that size."
            )
        if training:
            raise ValueError("an exported file cannot be trained; call it with training=False.")
        return np.concatenate([self._run(images[n : n + 1]) for n in range(len(images))])


def _litert(path, threads):
    litert = needed("ai_edge_litert.interpreter", "ai-edge-litert", "running a LiteRT file")
    try:
        interpreter = litert.Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be run: {error}. Export the network again.") from error
    given, result = _ends(path, interpreter.get_input_details(), interpreter.get_output_details())

    def run(image):
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return ExportedModel(run, map(int, given["shape"]))


def _onnx(path, threads):
    runtime = needed("onnxruntime", "onnxruntime", "running an ONNX file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        session = runtime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this one
        raise ValueError(f"{path} cannot be run: {error}. Export the network again.") from error
    given, _ = _ends(path, session.get_inputs(), session.get_outputs())
    return ExportedModel(lambda image: session.run(None, {given.name: image})[0], given.shape)


def _ends(path, inputs, outputs):
    """Return the one input and the one output of a file."""
    if (len(inputs), len(outputs)) != (1, 1):
        raise ValueError(
            f"{path} takes {len(inputs)} arrays and gives {len(outputs)}; expected one of each: "
            "images, and a number for each class at each pixel."
        )
    return inputs[0], outputs[0]


_RUNTIMES = {".tflite": _litert, ".onnx": _onnx}
