"""A cache of soft targets: what the teacher says of each view of each patch, asked once.

A teacher that never changes says the same of the same picture in every epoch. Written down once,
its logits cost a read from the disk instead of a forward pass. They hold for that very view only:
the same pixels, flipped and turned in the same way (Beyer et al. 2021, Knowledge distillation: a
good teacher is patient and consistent). So the cache holds each patch either as it is, or in all
eight flips and quarter turns; for crops, cut them once (:func:`kdlib.data.fixed_crops`) and
cache those.

>>> import tempfile, keras
>>> from kdlib import cache, data
>>> from kdlib.distiller import Distiller
>>> from kdlib.unet import unet
>>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
>>> teacher, student = unet((2, 2, 2, 2, 2), 6, 16, 16), unet((1, 1, 1, 1, 1), 6, 16, 16)
>>> targets = cache.write(tempfile.mkdtemp(), teacher, patches, views=8)
>>> batches = cache.CachedBatches(patches, targets, batch_size=2, augment=True)
>>> distiller = Distiller(student, teacher)
>>> distiller.compile("sgd")
>>> history = distiller.fit(batches, verbose=0)  # the teacher is not run
"""

from kdlib.cache.cached_batches import CachedBatches
from kdlib.cache.identity import hash_of_images, hash_of_teacher
from kdlib.cache.stores import STORES, decoded, encoded
from kdlib.cache.targets import SoftTargets, read
from kdlib.cache.writing import write

__all__ = [
    "STORES",
    "CachedBatches",
    "SoftTargets",
    "decoded",
    "encoded",
    "hash_of_images",
    "hash_of_teacher",
    "read",
    "write",
]
