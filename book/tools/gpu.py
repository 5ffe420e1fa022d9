"""Whether chapters can run, and did run, on a GPU: what ``make test-gpu`` asks before and after.

::

    gpu.py driver     is there an NVIDIA GPU? Before anything is installed: standard library only
    gpu.py keras      does Keras see it, and does memory fill on it when it computes?
"""

import shutil
import subprocess
import sys

REFUSED = (
    "make test-gpu runs every chapter on an NVIDIA GPU, and {}.\n"
    "Without a GPU, `make test KD_MODE=full` runs them on the processor."
)
# These two compute in NumPy and read the record of the study: they have nothing for a GPU to do.
WITHOUT_NETWORK = ("01_soft_targets", "03_aerial_images")
LEAST_MIB = 1  # less than one layer's output of one patch


def driver():
    """Return what ``nvidia-smi`` lists, or exit: no driver, or no GPU."""
    if not shutil.which("nvidia-smi"):
        sys.exit(REFUSED.format("this machine has no NVIDIA driver: there is no nvidia-smi"))
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    if listed.returncode or "GPU" not in listed.stdout:
        said = (listed.stdout + listed.stderr).strip()
        sys.exit(REFUSED.format(f"the driver of this machine finds none: {said!r}"))
    return listed.stdout.strip()


def in_keras():
    """Return a line on the GPU that Keras computed on just now, or exit."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        sys.exit(
            REFUSED.format("Keras sees none here, though the driver may")
            + "\n`make gpu` installs the CUDA libraries that TensorFlow needs. If it did, the "
            "driver is too old for them, or CUDA_VISIBLE_DEVICES hides the GPU."
        )
    images = keras.ops.ones((8, 64, 64, 16))
    keras.ops.conv(images, keras.ops.ones((3, 3, 16, 16)), padding="same")
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    if peak < 2 * images.shape.num_elements() * 4 / 2**20:
        sys.exit(f"A convolution filled only {peak:.1f} MiB of the GPU: it ran somewhere else.")
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__} computes on {name}"


def not_used(record):
    """Return a sentence for each chapter of a record of runs that did not use the GPU.

    Parameters
    ----------
    record : dict
        As ``execute.run_all`` returns it.
    """
    problems = []
    for name, run in sorted(record.items()):
        peak = run.get("gpu_peak_memory_mib", 0)
        if run["device"] != "GPU":
            problems.append(f"{name} ran on the {run['device']}")
        elif peak < LEAST_MIB and name not in WITHOUT_NETWORK:
            problems.append(f"{name} saw a GPU, and used {peak} MiB of its memory")
    return problems


if __name__ == "__main__":
    print({"driver": driver, "keras": in_keras}[sys.argv[1]]())
