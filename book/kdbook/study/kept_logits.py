"""The teacher's logits for the batches of a training, kept for all arms that see the same ones.

The arms of one seed see the same crops in the same order, so the teacher needs to be asked once.
A cache of views (:mod:`kdlib.cache`) cannot hold random crops; what is kept here is good for one
training only: these steps, of this seed.
"""

import hashlib
import io

import keras
import numpy as np

from kdlib._files import put
from kdlib.cache import hash_of_images, hash_of_teacher
from kdlib.unet import logits_model

_MEANT = ("batch_size", "crop", "augment", "seed", "steps", "shuffle", "jitter")


class KeptBatches(keras.utils.PyDataset):
    """Serve the batches of a training with the teacher's logits for them, in float16.

    The inputs are ``{"image": images, "teacher_logits": logits}``, with which a Distiller does not
    run its teacher. The logits are written at first use, as a whole file or not at all.

    - ``teacher``: with a layer named ``logits``.
    - ``epochs``: length of the training.
    - ``folder``: where logits are kept.
    - ``ValueError`` if what is kept is not what the teacher says of the first batch.

    >>> import tempfile, pathlib
    >>> from kdlib import data
    >>> from kdlib.unet import unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=32)
    >>> batches = data.Batches(patches, batch_size=2, crop=16, steps=3)
    >>> teacher = unet((1, 1, 1, 1, 1), 6, None, None)
    >>> kept = KeptBatches(batches, teacher, epochs=2, folder=pathlib.Path(tempfile.mkdtemp()))
    >>> inputs, labels, weight = kept[0]
    >>> inputs["teacher_logits"].shape
    (2, 16, 16, 6)
    """

    def __init__(self, batches, teacher, epochs, folder):
        super().__init__()
        self.batches, self._path = batches, folder / f"{_key(batches, teacher, epochs)}.npy"
        found = self._path.exists()
        if not found:
            folder.mkdir(parents=True, exist_ok=True)
            _write(self._path, batches, logits_model(teacher), epochs)
        self._logits = np.load(self._path, mmap_mode="r")
        # Not what was just written: a teacher that draws at random says something else by now.
        if found:
            _check(self._path, self._logits[0], _said(logits_model(teacher), batches[0][0]))

    @property
    def epoch(self):
        """Number of the current epoch, as of the batches."""
        return self.batches.epoch

    @epoch.setter
    def epoch(self, number):
        self.batches.epoch = number

    def __len__(self):
        """Batches an epoch."""
        return len(self.batches)

    def __getitem__(self, index):
        """Give inputs with the teacher's logits, labels and sample weights of one batch."""
        images, labels, weight = self.batches[index]
        logits = np.asarray(self._logits[self.epoch * len(self) + index])
        return {"image": images, "teacher_logits": logits}, labels, weight

    def on_epoch_end(self):
        """Go on to the next epoch; ``fit`` calls this."""
        self.batches.on_epoch_end()

    def release(self):
        """Let go of images and logits: TensorFlow holds on to every data set that it has read."""
        self.batches.patches = self._logits = None


def _key(batches, teacher, epochs):
    meant = [getattr(batches, name) for name in _MEANT]
    told = (hash_of_teacher(teacher), hash_of_images(batches.patches), epochs, *meant)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _write(path, batches, model, epochs):
    """Ask the teacher for every batch of every epoch, and write each answer as it comes."""
    put(path, _file(batches, model, epochs))


def _file(batches, model, epochs):
    """Yield the parts of a file of NumPy: all of it at once may be more than the memory holds."""
    for batches.epoch in range(epochs):
        for index in range(len(batches)):
            said = _said(model, batches[index][0]).astype("float16")
            if batches.epoch == index == 0:
                yield npy_header((epochs * len(batches), *said.shape))
            yield said
    batches.epoch = 0


def npy_header(shape):
    """Return how a file of NumPy begins that holds an array of float16 of this shape."""
    file, kind = io.BytesIO(), np.lib.format.dtype_to_descr(np.dtype("float16"))
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def _said(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def _check(path, kept, said):
    """Raise unless the first batch is what the teacher says, as far as float16 can hold it."""
    if kept.shape != said.shape or np.abs(kept - said).max() > 0.01 * max(1, np.abs(said).max()):
        raise ValueError(
            f"{path} does not hold what this teacher says of the first batch. Delete the file; it "
            "is written anew."
        )
