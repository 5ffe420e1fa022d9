"""A trained network as a LiteRT or ONNX file, compared with Keras before it is kept.

:mod:`kdlib.deploy.inference` runs the files. ``tf2onnx`` writes ONNX files, and the packages that
run them check them. What is missing is named when it is needed.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from kdlib import metrics
from kdlib._files import whole
from kdlib._tensors import shapes_differ
from kdlib.deploy._converting import convert, in_float32
from kdlib.network_ends import check_class_scores

FORMATS = {
    "litert-float32": ".tflite",
    "litert-float16": ".tflite",
    "litert-int8": ".tflite",
    "onnx": ".onnx",
}
"""What can be written, and the suffix of such a file.

float16 halves the weights and computes in float32. int8 is static quantisation (Jacob et al. 2018):
weights and features are integers of 8 bits, whose ranges are measured on real patches.
"""

LEAST_AGREEMENT = {
    "litert-float32": 0.9999,
    "litert-float16": 0.999,
    "litert-int8": 0.97,
    "onnx": 0.9999,
}
"""Share of the pixels that must have the class that Keras gives them, for a file to be kept."""


class DisagreementError(ValueError):
    """A file answers otherwise than the network it was made of, and was not kept.

    Examples
    --------
    >>> issubclass(DisagreementError, ValueError)
    True
    """


@dataclasses.dataclass(frozen=True)
class Checked:
    """A file that was kept, and how near it is to its network on the patches of the check.

    Attributes
    ----------
    path : pathlib.Path
    format : str
        One of :data:`FORMATS`.
    size : int
        Bytes.
    agreement : float
        Share of the pixels with the same most probable class, 0 to 1.
    mean_difference : float
        Of the probabilities: the mean of the absolute differences.

    Examples
    --------
    >>> Checked(Path("student.onnx"), "onnx", 498_000, 1.0, 2e-7).agreement
    1.0
    """

    path: Path
    format: str
    size: int
    agreement: float
    mean_difference: float


def write(model, path, format, patches, calibration=None, least_agreement=None):
    """Write a network to a file, compare the file with Keras, and keep it only if they agree.

    The file takes one image of the size of the patches, and computes in float32 or in integers: a
    network of mixed precision is written, and compared, as it answers in float32. The file
    replaces an older one of that name, and not before it has passed. Needs Keras on TensorFlow.

    Parameters
    ----------
    model : keras.Model
        Takes float images in [0, 1] of shape (batch, height, width, 3), returns probabilities.
    path : path
        With the suffix of the format.
    format : str
        One of :data:`FORMATS`.
    patches : kdlib.data.Patches
        Real ones, to compare on. A few dozen are enough. Their height and width become those of
        the file.
    calibration : kdlib.data.Patches, optional
        For "litert-int8", and needed there: real patches of the same size, to measure the ranges
        of the features on. Take training patches, since the file is fitted to them.
    least_agreement : float, optional
        Instead of the entry of :data:`LEAST_AGREEMENT`.

    Returns
    -------
    Checked

    Raises
    ------
    DisagreementError
        If fewer pixels than ``least_agreement`` have the same class. There is no file then.
    ValueError
        If an argument does not fit, the network cannot be written in this format, or Keras runs on
        another backend.
    ImportError
        If a package is missing.

    References
    ----------
    B. Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018.

    Examples
    --------
    >>> from kdlib import data, unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> write(unet.unet((1, 1, 1, 1, 1), 6, 16, 16), "student.bin", "onnx", patches)
    Traceback (most recent call last):
    ...
    ValueError: student.bin has the suffix '.bin'; a file of format 'onnx' has '.onnx'.
    """
    path = Path(path)
    least = _check(path, format, patches, calibration, least_agreement)
    _check_network(model, patches)
    with whole(path) as partial:
        with in_float32(model):
            exported = convert(model, partial, format, patches, calibration)
            checked = _compare(model, exported, patches, path, format, partial.stat().st_size)
        if not checked.agreement >= least:
            raise DisagreementError(_complaint(checked, least, len(patches)))
    return checked


def _compare(model, exported, patches, path, format, size):
    """Return how near the file is to its network, patch by patch, so that memory stays flat."""
    same, difference = [], []
    for number in range(len(patches)):
        one = patches.take([number])
        expected = metrics.predict_probabilities(model, one)
        found = metrics.predict_probabilities(exported, one)
        same.append(metrics.agreement(expected.argmax(axis=-1), found.argmax(axis=-1)))
        difference.append(np.abs(expected - found).mean())
    return Checked(path, format, size, float(np.mean(same)), float(np.mean(difference)))


def _complaint(checked, least, count):
    cure = (
        "Calibrate on more patches, of the kind that the network was trained on"
        if checked.format == "litert-int8"
        else "Look for a layer that the converter does otherwise"
    )
    return (
        f"{checked.path} was not kept: on {count} patches {checked.agreement:.4%} of the pixels "
        f"have the class that Keras gives them, expected at least {least:.4%}; the probabilities "
        f"differ by {checked.mean_difference:.2g} on average. {cure}, or set least_agreement."
    )


def _check(path, format, patches, calibration, least):
    """Raise if an argument does not fit; return the least agreement."""
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; expected one of {', '.join(FORMATS)}.")
    if path.suffix != FORMATS[format]:
        raise ValueError(
            f"{path} has the suffix {path.suffix!r}; a file of format {format!r} has "
            f"{FORMATS[format]!r}."
        )
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is no folder; make it first.")
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}; files are written on TensorFlow. Set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )
    _check_patches(format, patches, calibration)
    least = LEAST_AGREEMENT[format] if least is None else least
    if not 0 <= least <= 1:
        raise ValueError(f"least_agreement is {least!r}; expected a share from 0 to 1.")
    return least


def _check_network(model, patches):
    """Raise unless weights are float32, and a patch gets one array with a number for each class."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"the network is {model!r}; expected a keras.Model.")
    shape = patches.images.shape[1:]
    takes = getattr(model, "input_shape", (None, *shape))  # not known of every subclass
    takes = takes[0] if isinstance(takes, list) and len(takes) == 1 else takes
    if not isinstance(takes, tuple) or shapes_differ(takes, (None, *shape)):
        raise ValueError(
            f"the network takes {takes}, and the patches are {shape}; expected a network that "
            "takes such images. Any other is written by Keras itself: model.export."
        )
    answer = model(patches.images[:1] * np.float32(1 / 255), training=False)
    shapes = [tuple(array.shape) for array in keras.tree.flatten(answer)]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(
            f"the network returns {', '.join(map(str, shapes))} for a patch; expected one array of "
            "shape (batch, height, width, n_classes). Make a keras.Model that ends there. What "
            "gives an image one class is written by Keras itself: model.export."
        )
    check_class_scores(shapes[0])
    if np.isnan(keras.tree.flatten(answer)[0]).any():
        raise ValueError("the network returns NaN: its training diverged. Lower the rate.")
    types = {str(variable.dtype) for variable in model.weights} & {"float16", "bfloat16", "float64"}
    if types:
        raise ValueError(
            f"the network has weights of {', '.join(sorted(types))}; expected float32. Build it "
            "anew under keras.config.set_dtype_policy('float32'), and give it the weights: "
            "new.set_weights([np.float32(w) for w in old.get_weights()])."
        )


def _check_patches(format, patches, calibration):
    for name, given in (("patches", patches), ("calibration", calibration)):
        images = getattr(given, "images", None)
        if name == "calibration" and given is None or getattr(images, "dtype", None) == np.uint8:
            continue
        kind = type(given).__name__
        what = kind if images is None else f"{kind} of other images"
        raise ValueError(
            f"{name} is {what}; expected kdlib.data.Patches with images of uint8, as "
            "kdlib.data.cut makes them: the file is shown their colours, divided by 255."
        )
    shape = patches.images.shape
    if len(patches) == 0 or shape[1] % 16 or shape[2] % 16:
        raise ValueError(
            f"{len(patches)} patches of {shape[1]} × {shape[2]} pixels came; expected one or more, "
            "with a height and width divisible by 16."
        )
    if (calibration is not None) != (format == "litert-int8"):
        raise ValueError(
            f"format {format!r} with calibration {'' if calibration is not None else 'not '}given; "
            "'litert-int8' needs patches to calibrate on, and no other format uses them."
        )
    if calibration is None:
        return
    if len(calibration) == 0:
        raise ValueError(
            "calibration has 0 patches; expected some dozens. Without them every range is a guess."
        )
    if calibration.images.shape[1:] != shape[1:]:
        raise ValueError(
            f"calibration has images of shape {calibration.images.shape[1:]}, patches {shape[1:]}; "
            "expected the same."
        )
