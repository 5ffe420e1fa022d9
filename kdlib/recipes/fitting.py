"""Building a network of a recipe, compiling and fitting it."""

import keras

from kdlib import runtime
from kdlib.beyond import multi_assistant_unet_model
from kdlib.coarse_unet import multi_coarse_student_unet_model
from kdlib.data import N_CLASSES
from kdlib.recipes.budget import recipe
from kdlib.recipes.callbacks import EpochSeeds
from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model

BUILDERS = {
    "teacher": multi_teacher_unet_model,
    "assistant": multi_assistant_unet_model,
    "student": multi_student_unet_model,
    "coarse-student": multi_coarse_student_unet_model,
}
"""The function that builds the network of each role."""


def build(role, seed=0, chosen=None, n_classes=N_CLASSES):
    """Return a fresh, untrained teacher or student of the recipe, for images of any size.

    Parameters
    ----------
    role : {"teacher", "assistant", "student", "coarse-student"}
    seed : int
        Decides the initial weights: the same seed gives the same weights.
    chosen : Recipe, optional
        Gives dropout, normalisation and precision; by default the recipe of the run mode.
    n_classes : int
        Number of outputs a pixel, the void class included: ``len(palette)``.

    Returns
    -------
    keras.Model
        Takes any height and width divisible by 16.

    Examples
    --------
    >>> build("student").input_shape
    (None, None, None, 3)
    """
    chosen = chosen or recipe(role)
    precision = runtime.faster_precision() if chosen.fastest_precision else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    runtime.set_seed(seed)
    try:
        return BUILDERS[role](
            n_classes=n_classes,
            image_height=None,
            image_width=None,
            dropout=chosen.dropout,
            normalization=chosen.normalization,
        )
    finally:
        keras.config.set_dtype_policy(before)


def fit(model, patches, chosen, seed=0, callbacks=(), verbose=0, batches=None, initial_epoch=0):
    """Train a compiled model or Distiller by a recipe; return its Keras history.

    Parameters
    ----------
    model : keras.Model
        Compiled, with ``chosen.optimizer()`` if the rates are to follow the recipe.
    patches : Patches
        The training patches.
    chosen : Recipe
        Gives length, batch size and crops.
    seed : int
        Decides order, crops, flips, turns and dropout: the same seed gives two models the same
        batches, which is what makes a comparison paired.
    callbacks : sequence of keras.callbacks.Callback
        Run after the one that seeds the epochs.
    verbose : {0, 1, 2}
        As in ``keras.Model.fit``: 2 prints one line an epoch.
    batches : keras.utils.PyDataset, optional
        With an attribute ``epoch``, instead of ``chosen.batches(patches, seed)``.
    initial_epoch : int
        Where to go on, if a callback such as :class:`kdlib.parallel.Backup` brings the weights of
        that epoch back.

    Returns
    -------
    keras.callbacks.History

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.unet import unet
    >>> patches = cut(synthetic.city(n_images=1, size=64), size=32)
    >>> from kdlib.recipes import Recipe
    >>> chosen = Recipe(2, steps_per_epoch=1, batch_size=2, crop=16, learning_rate=1e-3)
    >>> model = unet((1, 1, 1, 1, 1), image_height=16, image_width=16)
    >>> compile_alone(model, chosen)
    >>> len(fit(model, patches, chosen).history["loss"])
    2
    """
    batches = batches or chosen.batches(patches, seed)
    return model.fit(
        _as_read(batches),
        epochs=chosen.epochs,
        initial_epoch=initial_epoch,
        callbacks=[EpochSeeds(batches, seed), *callbacks],
        # The batches shuffle by seed and epoch; Keras would shuffle them again, by chance.
        shuffle=False,
        verbose=verbose,
    )


def _as_read(batches):
    """Return batches as ``fit`` should read them: on TensorFlow as a data set that is not tuned.

    TensorFlow tunes how data are read in a thread, and waits for it when an epoch ends: up to as
    long as the epoch took (seen in 2.21). There is nothing to tune in batches that are made one by
    one. The epoch is that of the batches, so a callback has to set it: EpochSeeds does.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    def signature(values):
        return tf.TensorSpec((None, *values.shape[1:]), values.dtype)

    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_generator(
            lambda: (batches[index] for index in range(len(batches))),
            output_signature=keras.tree.map_structure(signature, batches[0]),
        )
        .apply(tf.data.experimental.assert_cardinality(len(batches)))
        .prefetch(2)
        .with_options(options)
    )


def compile_alone(model, chosen, metrics=None):
    """Compile a model to learn from labels only, with the loss that the Distiller uses at α = 1.

    Examples
    --------
    >>> compile_alone(build("student"), recipe("student"))
    """
    on_torch = keras.backend.backend() == "torch"
    loss = _PixelsInARow if on_torch else keras.losses.SparseCategoricalCrossentropy
    model.compile(
        chosen.optimizer(),
        loss=loss(),
        weighted_metrics=metrics,
        jit_compile=runtime.jit_compile(),
    )
    # Otherwise TensorFlow traces the first step twice: once to make these variables.
    model.optimizer.build(model.trainable_variables)


@keras.saving.register_keras_serializable(package="kdlib")
class _PixelsInARow(keras.losses.SparseCategoricalCrossentropy):
    """Keras' own loss, which on PyTorch has no gradient for images: for their pixels it has."""

    def call(self, y_true, y_pred):
        """Return the loss of each pixel."""
        flat = keras.ops.reshape(y_pred, (-1, y_pred.shape[-1]))
        losses = super().call(keras.ops.reshape(y_true, (-1,)), flat)
        return keras.ops.reshape(losses, y_pred.shape[:-1])
