"""One training on several devices: what Keras leaves to do.

Keras spreads a batch over devices: ``tf.distribute.MirroredStrategy`` on TensorFlow,
``keras.distribution.DataParallel`` on JAX. The Distiller runs under both as it is. This module has
the rest: each process its part of a batch, and a backup that all of them go on from. The page
*Several machines* of the book shows them at work.
"""

import contextlib
from pathlib import Path

import keras

from kdlib._files import whole


class Shard(keras.utils.PyDataset):
    """The part of each batch that one of several processes computes.

    Process k of n gets the k-th of n equal parts of every batch. Together they train on the
    batches that one process would train on, in the same order. Set
    ``keras.distribution.DataParallel(auto_shard_dataset=False)``, for it is shared already.

    Every process makes the whole batch and keeps its part: what a batch holds depends on one
    sequence of random numbers.

    Parameters
    ----------
    batches : keras.utils.PyDataset
        The batches of the training, the same in every process, such as
        :class:`kdlib.data.Batches`. Arrays, or dictionaries of arrays, with the batch first.
    process : int
        Number of this process, from 0: ``jax.process_index()``.
    processes : int
        How many there are: ``jax.process_count()``.

    Raises
    ------
    ValueError
        If there is no such process, or, when it is served, a batch cannot be divided.

    Examples
    --------
    >>> from kdlib.data import Batches, cut, synthetic
    >>> batches = Batches(cut(synthetic.city(n_images=1, size=64), size=32), batch_size=4)
    >>> x, y, weight = Shard(batches, process=1, processes=2)[0]
    >>> bool((x == batches[0][0][2:]).all())
    True
    """

    def __init__(self, batches, process, processes):
        super().__init__()
        if not 0 <= process < processes:
            raise ValueError(
                f"process {process} of {processes}; expected a number from 0 to processes - 1."
            )
        self.batches, self.process, self.processes = batches, process, processes

    def __len__(self):
        """Batches an epoch."""
        return len(self.batches)

    def __getitem__(self, index):
        """Give this process's part of one batch."""
        return keras.tree.map_structure(self._part, self.batches[index])

    def on_epoch_end(self):
        """Tell the batches that an epoch is over; ``fit`` calls this."""
        self.batches.on_epoch_end()

    def _part(self, array):
        size, rest = divmod(len(array), self.processes)
        if rest:
            raise ValueError(
                f"a batch of {len(array)} cannot be shared by {self.processes} processes in equal "
                "parts. Choose another batch size, and give the batches `steps`, so that the last "
                "one is whole."
            )
        return array[self.process * size : (self.process + 1) * size]


@contextlib.contextmanager
def alone():
    """Let one of several processes save a network without the others.

    Keras makes variables while it saves, and under a distribution that waits for all processes.

    Examples
    --------
    >>> with alone():  # in process 0 only: student.save("student.keras")
    ...     keras.distribution.distribution() is None
    True
    """
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)


class Backup(keras.callbacks.Callback):
    """A backup from which all processes of a training go on after one was lost.

    ``keras.callbacks.BackupAndRestore`` is for one process: it writes over the backup that it has,
    and a lost worker may first be noticed while it does. Here a backup is one file, there as a
    whole or not at all. The first process writes it after each epoch; when the training is started
    again, every process reads it; when all is done, it is removed.

    Call ``fit(..., initial_epoch=backup.epoch, callbacks=[EpochSeeds(batches), backup])``: then the
    resumed run equals the unbroken one.

    Parameters
    ----------
    folder : path
        Of this training alone, seen by all processes. On several machines: a shared folder.
    process : int
        Number of this process, from 0.

    Attributes
    ----------
    epoch : int
        How many epochs the backup has behind it; 0 if there is none.

    Examples
    --------
    >>> import tempfile
    >>> Backup(tempfile.mkdtemp(), process=1).epoch
    0
    """

    def __init__(self, folder, process):
        super().__init__()
        self.folder, self.first = Path(folder), process == 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.epoch = max(self._epochs(), default=0)

    def on_train_begin(self, logs=None):
        """Go on from the backup, if there is one."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        if self.epoch:
            self.model.load_weights(self._path(self.epoch))

    def on_epoch_end(self, epoch, logs=None):
        """Write the backup, in the first process."""
        if not self.first:
            return
        with whole(self._path(epoch + 1)) as partial, alone():
            self.model.save_weights(partial)
        self._remove(but=epoch + 1)

    def on_train_end(self, logs=None):
        """Remove the backup, in the first process."""
        if self.first:
            self._remove()

    def _path(self, epoch):
        return self.folder / f"epoch-{epoch}.weights.h5"

    def _epochs(self):
        return [int(path.name[6:-11]) for path in self.folder.glob("epoch-*.weights.h5")]

    def _remove(self, but=None):
        for epoch in self._epochs():
            if epoch != but:
                self._path(epoch).unlink()
