"""What a network costs whoever runs it: operations, bytes, milliseconds and memory.

Times and memory are taken in a process of their own, which has nothing else in it. An exported file
is measured without Keras and TensorFlow, as it would be run on a telephone.
"""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

from kdlib._arguments import checked_whole
from kdlib._packages import needed
from kdlib._processes import apart
from kdlib.deploy import inference

WARM_UP = 3
"""Runs that are not counted: the first ones allocate, compile and fill caches."""

PROCESSOR_ONLY = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
"""What the measuring process finds in its environment, so that Keras leaves a GPU alone.

``OMP_NUM_THREADS`` is set as well: TensorFlow's own number of threads does not bind the libraries
that it calls.
"""


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What one image costs.

    Attributes
    ----------
    bytes : int
        Size of the file.
    threads : int
        Threads of the processor that the runtime could use.
    median, percentile_95 : float
        Milliseconds from an image in memory to its probabilities.
    processor : float
        Milliseconds that the threads computed for it, all together: a median too. On a machine at
        rest one thread has as much as the latency. Where it has much less, other programs were in
        the way.
    peak_memory : float
        Of the whole process, its runtime included, in MiB.

    Examples
    --------
    >>> Footprint(144_000, 1, 8.0, 8.5, processor=7.9, peak_memory=70).images_per_second
    125.0
    """

    bytes: int
    threads: int
    median: float
    percentile_95: float
    processor: float
    peak_memory: float

    @property
    def images_per_second(self):
        """One after the other, each taking the median time."""
        return 1000 / self.median


def measure(path, size=256, threads=1, repeats=50):
    """Return what it costs a processor to run a file on one image, in a process of its own.

    A GPU is not used, also where there is one. Figures of two files compare only if they come from
    the same machine, at rest. Linux and macOS only: elsewhere nothing tells the peak of the memory.

    Parameters
    ----------
    path : path
        A ``.keras`` file, as ``model.save`` writes it, or a file of :mod:`kdlib.deploy.export`.
    size : int
        Height and width of the image, in pixels; an exported file has a size of its own.
    threads : int
        1 or more.
    repeats : int
        Runs that are timed, 2 or more.

    Returns
    -------
    Footprint

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be run, or a number is out of its range.

    Examples
    --------
    >>> measure("nowhere.onnx")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.onnx is no file; expected one of model.save or ...
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is no file; expected one of model.save or kdlib.deploy.export.write."
        )
    size, threads = checked_whole(size, "size", least=16), checked_whole(threads, "threads")
    repeats = checked_whole(repeats, "repeats", least=2)
    environment = PROCESSOR_ONLY | {"OMP_NUM_THREADS": str(threads)}
    try:
        latency, processor, peak = apart(
            "kdlib.deploy.footprint._run", str(path), size, threads, repeats,
            environment=environment,
        )  # fmt: skip
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be measured: {error}") from error
    figures = *np.percentile(latency, [50, 95]).tolist(), float(np.median(processor)), peak
    return Footprint(path.stat().st_size, threads, *figures)


def multiply_adds(model, height=256, width=256):
    r"""Return how many products of a weight and a feature a network sums for one image.

    A convolution from :math:`c` to :math:`d` features with a kernel of :math:`k × k` computes

    .. math:: h \cdot w \cdot k^2 \cdot c \cdot d

    of them, with :math:`h × w` the size of its output; a transposed convolution with the size of
    its *input*. Normalisation, pooling and the softmax are left out: they are a few percent.

    Parameters
    ----------
    model : keras.Model
        A functional one, whose weights are in convolutions and normalisations.
    height, width : int
        Of the image, in pixels.

    Returns
    -------
    int

    Examples
    --------
    >>> import keras
    >>> image = keras.Input((None, None, 3))
    >>> model = keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(image))
    >>> multiply_adds(model, 10, 20) == 10 * 20 * 3**2 * 3 * 4
    True
    """
    import keras  # here, so that the measuring of an exported file does without

    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    found = [layer for layer in model.layers if isinstance(layer, kinds)]
    if not found:
        raise ValueError(f"{model.name} has no convolution, so there is nothing to count.")
    probe = keras.Model(
        model.inputs, [each for layer in found for each in (layer.input, layer.output)]
    )
    image = keras.KerasTensor((1, height, width, model.inputs[0].shape[-1]))
    shapes = [tensor.shape for tensor in probe.compute_output_spec(image)]
    total = 0
    for layer, given, made in zip(found, shapes[::2], shapes[1::2], strict=True):
        place = given if isinstance(layer, keras.layers.Conv2DTranspose) else made
        total += place[1] * place[2] * int(np.prod(layer.kernel.shape))
    return total


def _run(path, size, threads, repeats):
    """Time a file here; return latency and processor time of each run, and the peak memory."""
    model = _keras(path, threads) if path.endswith(".keras") else inference.load(path, threads)
    side = model.input_shape[1:3] if all(model.input_shape[1:3]) else (size, size)
    image = np.random.default_rng(0).random((1, *side, 3), np.float32)
    call = model.predict_on_batch if path.endswith(".keras") else model
    clocks = time.perf_counter_ns, time.process_time_ns
    times = []
    for _ in range(WARM_UP + repeats):
        start = [clock() for clock in clocks]
        call(image)
        times.append([(clock() - begun) / 1e6 for clock, begun in zip(clocks, start, strict=True)])
    return *zip(*times[WARM_UP:], strict=True), peak_memory()


def peak_memory():
    """Return the largest memory that this process has had, in MiB.

    Examples
    --------
    >>> peak_memory() > 1
    True
    """
    if sys.platform == "win32":
        psutil = needed("psutil", "psutil", "measuring memory on Windows")
        return psutil.Process().memory_info().peak_wset / 2**20
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    except (OSError, IndexError):
        # On macOS. On Linux this number would be at least that of the parent process, whose memory
        # a new one starts with.
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _keras(path, threads):
    import keras

    # The one sets what TensorFlow reads when it is imported, the other knows a layer of its own.
    from kdlib import coarse_unet, runtime  # noqa: F401

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return keras.models.load_model(path, compile=False)
