"""What runs in each epoch of a training: seeds, and curves that can be compared."""

import keras

from kdlib.data import Batches


class EpochSeeds(keras.callbacks.Callback):
    """Make each epoch depend on seed and epoch alone, so that a resumed run equals an unbroken one.

    At the start of an epoch it sets the epoch of the batches and the seeds of all dropout layers.
    Put it before ``keras.callbacks.BackupAndRestore`` in the list of callbacks.

    Parameters
    ----------
    batches : Batches
        The training batches.
    seed : int
        The seed of the run.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.recipes import build
    >>> batches = Batches(cut(synthetic.city(n_images=1, size=32), size=32), batch_size=1)
    >>> seeds = EpochSeeds(batches)
    >>> seeds.set_model(build("student"))
    >>> seeds.on_epoch_begin(7)
    >>> batches.epoch
    7
    """

    def __init__(self, batches, seed=0):
        super().__init__()
        self.batches, self.seed = batches, seed

    def on_epoch_begin(self, epoch, logs=None):
        """Seed the epoch."""
        self.batches.epoch = epoch
        if keras.backend.backend() == "torch":
            # There Keras draws dropout from PyTorch's own generator, whatever the layer's.
            import torch

            torch.manual_seed(self.seed * 1000 + epoch)
        network = getattr(self.model, "student", self.model)
        for place, layer in enumerate(network.layers):
            # A dropout layer of rate 0 draws nothing and has no generator.
            if generator := getattr(layer, "seed_generator", None):
                generator.state.assign([self.seed * 1000 + epoch, place])


class FairCurves(keras.callbacks.Callback):
    """After each epoch, evaluate in inference mode on fixed patches: curves that can be compared.

    The loss that ``fit`` prints is an average over the epoch, with dropout on and over changing
    crops. This one has the same definition for every set of patches.

    Parameters
    ----------
    sets : dict of str to Patches
        What to evaluate on, by name, for example ``{"training": ..., "validation": ...}``.
    batch_size : int
        Patches at a time.

    Attributes
    ----------
    curves : dict
        For each name a list of dicts, one an epoch, of what ``evaluate`` returns.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.recipes import compile_alone, recipe
    >>> from kdlib.unet import unet
    >>> curves = FairCurves({"validation": cut(synthetic.city(n_images=1, size=32), size=16)})
    >>> model = unet((1, 1, 1, 1, 1), image_height=16, image_width=16)
    >>> compile_alone(model, recipe("student"))
    >>> curves.set_model(model)
    >>> curves.on_epoch_end(0)
    >>> [list(epoch) for epoch in curves.curves["validation"]]
    [['loss']]
    """

    def __init__(self, sets, batch_size=16):
        super().__init__()
        self.batches = {name: Batches(patches, batch_size) for name, patches in sets.items()}
        self.curves = {name: [] for name in sets}

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate on every set."""
        for name, batches in self.batches.items():
            scores = self.model.evaluate(batches, verbose=0, return_dict=True)
            self.curves[name].append(scores)
