"""A data set of two tiles with two tiny images each, laid out and listed like the Dubai data."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdlib import runtime
from kdlib.data import PALETTE, _integrity


def real_folder():
    """Return the folder of the real data, or skip the test where there is none."""
    if runtime.dubai_dir() is None:
        pytest.skip("needs the Dubai images: set KD_DUBAI_DIR")
    return _integrity.root(runtime.dubai_dir())


def write(folder, tiles=(1, 2)):
    """Write images and masks; the masks of the last tile are palette PNGs. Return the labels."""
    rng = np.random.default_rng(5)
    labels = {}
    for tile in tiles:
        for part in (1, 2):
            label = rng.integers(0, 6, (32 + part, 48), dtype=np.uint8)
            image = rng.integers(0, 256, (*label.shape, 3), dtype=np.uint8)
            image_path, mask_path = paths(folder, tile, part)
            for path in (image_path, mask_path):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(image_path)
            mask = Image.fromarray(PALETTE[label])
            if tile == tiles[-1]:
                mask = mask.convert("P", palette=Image.Palette.ADAPTIVE)
            mask.save(mask_path)
            labels[tile, part] = label
    return labels


def paths(folder, tile, part):
    """Return the paths of one image and of its mask."""
    base = Path(folder) / f"Tile {tile}"
    return base / f"images/image_part_{part:03d}.jpg", base / f"masks/image_part_{part:03d}.png"


def manifest_of(folder):
    """Return the SHA-256 of every file, as the vendored manifest holds them."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*.*"))
    }


def pack(folder, archive):
    """Pack the folder as Kaggle does, one folder deeper, and return the path of the zip file."""
    staged = archive.with_suffix("")
    shutil.copytree(folder, staged / "Semantic segmentation dataset")
    return Path(shutil.make_archive(str(archive.with_suffix("")), "zip", staged))
