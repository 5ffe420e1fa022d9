"""The converters of Keras, TensorFlow and ONNX behind one function, quiet, and checked."""

import contextlib
import io
import re
import textwrap
import warnings

import keras
import numpy as np

from kdlib._packages import needed
from kdlib._quiet import without_native_messages, without_warnings_of
from kdlib.deploy.inference import load


@contextlib.contextmanager
def in_float32(model):
    """Let all layers compute in float32: converters hardly know another type, nor do runtimes."""
    others = [layer for layer in model._flatten_layers() if layer.compute_dtype != "float32"]
    policies = [layer.dtype_policy for layer in others]
    try:
        for layer in others:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in zip(others, policies, strict=True):
            layer.dtype_policy = policy


@contextlib.contextmanager
def _quiet():
    """Keep to itself what the converters say of their temporary files. Errors come through."""
    with (
        without_warnings_of("tensorflow"),
        without_native_messages(),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def convert(model, path, format, patches, calibration):
    """Write a network to a file of a format of :mod:`kdlib.deploy.export`; return it, loaded."""
    options = _options(format, calibration)
    signature = [keras.InputSpec(dtype="float32", shape=(1, *patches.images.shape[1:]))]
    try:
        with _quiet():
            kind = "onnx" if format == "onnx" else "litert"
            model.export(
                str(path), format=kind, input_signature=signature, verbose=False, **options
            )
            exported = load(path)
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # converters and runtimes raise whatever they like
        # Without its cause, which brings pages of the converter's inner language.
        raise ValueError(_why_not(error, format)) from None
    if format == "litert-int8":
        _check_integers(path)
    return exported


def _options(format, calibration):
    """Return what ``model.export`` needs to know; raise if a package is missing."""
    if format == "onnx":
        # Newer versions of onnx bring a newer protobuf than TensorFlow 2.20 can do with.
        needed("tf2onnx", "tf2onnx", "writing an ONNX file", beside=' "onnx<1.23"')
        needed("onnxruntime", "onnxruntime", "checking an ONNX file")
        return {}
    needed("ai_edge_litert.interpreter", "ai-edge-litert", "checking a LiteRT file")
    return _converter_options(format, calibration)


def _why_not(error, format):
    """Say in a sentence or two why a network has no file of a format."""
    said = str(error.__cause__ or error)
    named = re.findall(r"'tf\.(\w+)' op |\(Flex(\w+)\)|No Op registered for (\w+)", said)
    if operations := sorted({name for names in named for name in names if name}):
        why = f"nothing computes its {', '.join(operations)} there"
        cure = "Build it of other layers, or choose another format"
    elif format == "litert-int8" and "XNNPACK" in said:
        why = "the file does not start"
        cure = (
            "Look for a layer whose output is the same number on all calibration patches, as in a "
            "network that was never trained: it has no range"
        )
    else:
        why = textwrap.shorten(said, 300, placeholder=" …").rstrip(".")
        cure = "Leave out the layer that is meant, or choose another format"
    return f"this network cannot be written as {format!r}: {why}. {cure}."


def _check_integers(path):
    """Raise if anything between input and output of a file is no integer."""
    litert = needed("ai_edge_litert.interpreter", "ai-edge-litert", "checking a LiteRT file")
    file = litert.Interpreter(str(path))
    ends = {part["index"] for part in file.get_input_details() + file.get_output_details()}
    inside = [part for part in file.get_tensor_details() if part["index"] not in ends]
    floats = [part for part in inside if np.dtype(part["dtype"]).kind not in "iub"]
    if floats:
        kinds = ", ".join(sorted({np.dtype(part["dtype"]).name for part in floats}))
        raise ValueError(
            f"the file was not kept: {len(floats)} of the {len(inside)} arrays inside are of "
            f"{kinds}, {floats[0]['name']!r} for example; expected integers alone in "
            "'litert-int8'. Leave out the layer that has none, or choose another format."
        )


def _converter_options(format, calibration):
    if format == "litert-float32":
        return {}
    import tensorflow as tf

    smaller = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if format == "litert-float16":
        return smaller | {"target_spec": {"supported_types": [tf.float16]}}

    def representative():
        for image in calibration.images:
            yield [image[np.newaxis] * np.float32(1 / 255)]

    # Integers only: an operation that has none is an error, and no silent float32.
    only = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}
    return smaller | {"representative_dataset": representative, "target_spec": only}
