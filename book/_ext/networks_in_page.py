"""Sphinx extension: the networks that a page runs, written from the weights that kdlib ships.

For each role ``_static/networks`` gets a manifest, ``student.json``, and the weights, packed with
gzip. Nothing of it is stored in the repository: it would be the weights a second time. The script
``book/_static/figures/unet.js`` reads it.

The kernels keep the very 16 bits that the library stores. Batch normalisation is folded into a
scale and a shift a channel, in float32, so that nothing is rounded a second time.
"""

import gzip
import json
from pathlib import Path

import numpy as np

from kdlib import models

NETWORKS = ("student", "teacher")
EPSILON = 1e-3
"""What Keras' batch normalisation adds to the variance."""

BLOCKS = [f"c{n}" for n in range(1, 6)] + [f"u{n}" for n in range(6, 10)]


def layers(weights):
    """Yield name, kernel, scale and shift of each layer, in the order of the forward pass.

    The kernels are float16 in the order in which the script reads them: (outputs, inputs, 3, 3)
    for a convolution, (2, 2, outputs, inputs) for a transposed one.
    """
    for block in BLOCKS:
        if block.startswith("u"):
            yield f"{block}_up", weights[f"{block}_up/kernel"], *plain(weights, f"{block}_up")
        for name in (f"{block}_first", block):
            normalised = f"{name}_norm/gamma" in weights
            kernel = weights[f"{name}_conv/kernel" if normalised else f"{name}/kernel"]
            scale_and_shift = (folded if normalised else plain)(weights, name)
            yield name, kernel.transpose(3, 2, 0, 1), *scale_and_shift
    yield "logits", weights["logits/kernel"].transpose(3, 2, 0, 1), *plain(weights, "logits")


def folded(weights, name):
    """Return scale and shift of a batch normalisation: gamma (x - mean) / deviation + beta."""
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = (weights[f"{name}_norm/{p}"].astype(float) for p in parts)
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale, beta - mean * scale


def plain(weights, name):
    """Return scale and shift of a layer with a bias: one, and the bias."""
    bias = weights[f"{name}/bias"].astype(float)
    return np.ones_like(bias), bias


def packed(weights):
    """Return manifest and bytes of a network: first scales and shifts, then the kernels."""
    listed, floats, halves = [], [], []
    for name, kernel, scale, shift in layers(weights):
        if kernel.dtype != np.float16 or (kernel.shape[2:] == (3, 3) and len(kernel) % 4):
            raise ValueError(
                f"layer {name!r} has a kernel of {kernel.dtype}, shape {kernel.shape}; the script "
                "of the page takes float16, and a multiple of 4 filters."
            )
        at, start = 2 * sum(map(len, floats[::2])), sum(map(np.size, halves))
        listed.append({
            "name": name,
            "inputs": kernel.shape[3] if name.endswith("_up") else kernel.shape[1],
            "outputs": len(scale),
            "scale": at,
            "shift": at + len(scale),
            "kernel": [start, start + kernel.size],
        })  # fmt: skip
        floats += [scale, shift]
        halves.append(kernel)
    data = np.concatenate(floats).astype("<f4").tobytes()
    data += b"".join(np.ascontiguousarray(kernel, "<f2").tobytes() for kernel in halves)
    return {"floats": sum(map(len, floats)), "bytes": len(data), "layers": listed}, data


def write(folder):
    """Write manifest and weights of each network into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        weights = models.read(models.weights_path(name))
        manifest, data = packed(weights)
        # The hash of the weights in the name: no browser mixes an old file with a new manifest.
        file = f"{name}-{models.digest(weights)}.bin"
        for old in folder.glob(f"{name}-*.bin"):
            old.unlink()
        (folder / file).write_bytes(gzip.compress(data, mtime=0))
        text = json.dumps({"name": name, "weights": file} | manifest, separators=(",", ":"))
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def write_networks(app):
    """Write the networks into the pages."""
    if app.builder.format == "html":
        write(Path(app.outdir, "_static", "networks"))


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", write_networks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
