"""Training one arm: the same start, batches and steps for every arm of a seed."""

import dataclasses

import keras
import numpy as np
from keras import ops

from kdbook.study import answers, controls
from kdbook.study.fused import fused
from kdbook.study.kept_logits import KeptBatches
from kdlib import recipes, runtime
from kdlib.beyond import METHODS, BeyondDistiller
from kdlib.data import cut, synthetic
from kdlib.distiller import Distiller
from kdlib.losses import LabelCrossEntropy

UNLABELLED = 255
"""Stands for the class of a pixel whose label is not seen, in the labels of a training."""

SIMPLER = 9
"""Pixels of the side of the square whose most frequent class a simplified mask has."""


def train(arm, split, seed, teacher=None, callbacks=(), keep=None, initial_epoch=0):
    """Train the network of an arm.

    Arms of one seed start from the same weights and see the same crops in the same order, as long
    as they see the same images.

    - ``split``: kdlib.data.Split. Its training patches are used.
    - ``seed``: decides weights, crops, dropout, and the chance in the controls.
    - ``teacher``: the trained network that ``arm.teacher`` is made from.
    - ``callbacks``: sequence of keras.callbacks.Callback.
    - ``keep``: folder in which the teacher's logits are kept for the other arms of this seed, or
      its answers for all of them: an arm with ``answers`` needs it.
    - ``initial_epoch``: where to go on, if a callback brings the weights of that epoch back.
    - Returns keras.Model: the trained network.
    - ``ValueError`` if the arm has a teacher and none is given, or names one that is unknown.
    """
    patches = transfer_set(arm, split.train) or training_patches(arm, split.train, seed)
    network = recipes.build(arm.network, seed, arm.recipe, len(patches.palette))
    model = learner = fused(network)
    answered = None
    if arm.answers:
        answered = answers.answers(patches, teacher, arm.answers, keep)
    if arm.labels:
        patches = relabelled(arm, patches, answered, seed)
    batches = arm.recipe.batches(patches, seed)
    if arm.teacher is None:
        recipes.compile_alone(learner, arm.recipe)
    else:
        source = _source(arm, teacher, seed)
        model = distiller_of(arm, learner, source, _share(patches))
        if answered is not None:
            batches = _answered_batches(arm, patches, answered, seed, keep)
        elif keep is not None:
            batches = KeptBatches(batches, source, arm.recipe.epochs, keep)
    recipes.fit(
        model, patches, arm.recipe, seed, callbacks, batches=batches, initial_epoch=initial_epoch
    )
    if isinstance(batches, KeptBatches):
        batches.release()
    network.set_weights(learner.get_weights())
    return network


def relabelled(arm, patches, answered, seed):
    """Return the patches with what an arm has for labels instead of those of people.

    - ``ValueError`` if it is unknown, or there are no answers of a teacher that it could be made
      from.
    """
    if arm.labels == "simplified":
        labels = answers.simplified(patches.labels, SIMPLER)
    elif arm.labels in ("decisions", "mixed") and answered is not None:
        labels = answers.decisions(patches, answered)
        if arm.labels == "mixed":
            ours = np.random.default_rng([seed, 8]).random(len(patches)) < 0.5
            labels = np.where(ours[:, None, None], labels, patches.labels)
    else:
        raise ValueError(
            f"arm {arm.name} has labels {arm.labels!r} and answers {arm.answers!r}; expected "
            "'simplified', or 'decisions' or 'mixed' with answers."
        )
    return dataclasses.replace(patches, labels=labels)


def _answered_batches(arm, patches, answered, seed, keep):
    if arm.teacher == "shuffled":
        answered = answers.shuffled(answered, seed, keep)
    elif arm.teacher != "trained":
        raise ValueError(f"arm {arm.name}: there are no answers for the teacher {arm.teacher!r}.")
    plain = arm.recipe.batches(patches, seed)
    options = ("crop", "augment", "steps", "shuffle", "jitter", "seed")
    options = {name: getattr(plain, name) for name in options}
    return answers.AnsweredBatches(answered, patches, plain.batch_size, **options)


def logits_suffice(arm):
    """Tell whether an arm needs no more of its teacher than the logits.

    >>> from kdlib.recipes import RECIPES
    >>> from kdbook.study.arms import Arm
    >>> recipe = RECIPES["student"]["full"]
    >>> [logits_suffice(Arm("x", recipe, method=name)) for name in ("squared-error", "hint")]
    [True, False]
    """
    return arm.method is None or METHODS[arm.method]().over_logits


def distiller_of(arm, network, source, labelled_share=1.0):
    """Return a compiled Distiller: with a third term, or for images without labels among them."""
    options = {"alpha": arm.alpha, "temperature": arm.temperature}
    options["jit_compile"] = runtime.jit_compile()
    if arm.method is not None:
        if arm.labelled < 1:
            raise ValueError(f"arm {arm.name} has a method, which needs the labels of all images.")
        distiller = BeyondDistiller(network, source, METHODS[arm.method]())
        options["weight"] = arm.weight
    else:
        distiller = Distiller(network, source)
        if arm.labelled < 1 or arm.transfer:
            options["student_loss_fn"] = SeenLabels(labelled_share)
    distiller.compile(arm.recipe.optimizer(), **options)
    return distiller


class SeenLabels(LabelCrossEntropy):
    """The loss on labels of which some are not seen: :data:`UNLABELLED` pixels add nothing.

    Where the label is seen, the loss is divided by the share of such pixels, so that it stays a
    mean over what is labelled and alpha keeps its meaning.

    - ``share``: share of the pixels that have a label, above 0 to 1.
    """

    ignore_class = UNLABELLED

    def __init__(self, share):
        super().__init__(name="seen_labels")
        self.share = share

    def call(self, y_true, y_pred):
        """Return the cross-entropy of each pixel over the share, and 0 where no label is seen."""
        seen = ops.not_equal(y_true, UNLABELLED)
        return ops.where(seen, super().call(ops.where(seen, y_true, 0), y_pred), 0) / self.share


def training_patches(arm, patches, seed=0):
    """Return the patches that an arm learns from, labels hidden where it must not see them.

    Without a teacher, unlabelled images are left out: batches full of void pixels would only make
    the comparison easy for the teacher's side. With one, or with its decisions, their labels are
    :data:`UNLABELLED`.
    """
    seen = labelled_images(patches, arm.labelled, seed if arm.redraw else 0)
    if arm.teacher is None and arm.labels is None:
        return patches if seen.all() else patches.take(seen)
    labels = np.where(seen[:, None, None], patches.labels, np.uint8(UNLABELLED))
    return dataclasses.replace(patches, labels=labels)


def transfer_set(arm, patches):
    """Return as many other patches, all labels hidden, or None if the arm has no transfer set.

    - ``ValueError`` if the arm would need their labels, or the set is unknown.
    """
    if arm.transfer is None:
        return None
    if arm.teacher is None or arm.alpha or arm.method is not None:
        raise ValueError(
            f"arm {arm.name} learns from a transfer set, which has no labels: it needs a teacher, "
            "α = 0 and no method."
        )
    if arm.transfer not in TRANSFER_SETS:
        raise ValueError(
            f"arm {arm.name} wants the transfer set {arm.transfer!r}; "
            f"there are {', '.join(TRANSFER_SETS)}."
        )
    side = patches.images.shape[1]
    found = TRANSFER_SETS[arm.transfer](len(patches), side)
    return dataclasses.replace(found, labels=np.full_like(found.labels, UNLABELLED))


def _city(count, side):
    # Four patches an image, as far as they go; a seed that no other city has.
    images = synthetic.city(n_images=-(-count // 4), size=2 * side, seed=9)
    return cut(images, side).take(np.arange(count))


TRANSFER_SETS = {"city": _city}
"""Functions of a number of patches and their side that give patches."""


def labelled_images(patches, share, seed=0):
    """Mark the patches of the images that count as labelled.

    Images are chosen, not patches: whoever labels an image labels all of it. The images of a
    small share are among those of a larger one, and they come from as many tiles as possible.

    - ``share``: above 0 to 1; rounded to whole images, at least one.
    - ``seed``: decides which images.
    - Returns array of bool, shape (number of patches,).
    - ``ValueError`` if the share is not above 0, up to 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of labelled images is {share!r}; expected above 0, up to 1.")
    images, first = np.unique(patches.image_index, return_index=True)
    order = np.random.default_rng(seed).permutation(len(images))
    tiles = patches.tile[first][order]
    # One image of each tile, then a second one of each, and so on.
    turn = [int((tiles[:place] == tile).sum()) for place, tile in enumerate(tiles)]
    chosen = images[order[np.argsort(turn, kind="stable")]][: max(1, round(share * len(images)))]
    return np.isin(patches.image_index, chosen)


def _share(patches):
    """Share of the pixels that are labelled, void ones left aside; 1 if none is labelled."""
    count = np.bincount(patches.labels.ravel(), minlength=UNLABELLED + 1)
    if patches.palette.void is not None:
        count[patches.palette.void] = 0
    return float(1 - count[UNLABELLED] / count.sum()) or 1.0


def _source(arm, teacher, seed):
    if arm.teacher not in controls.TEACHERS:
        raise ValueError(
            f"arm {arm.name} wants a teacher {arm.teacher!r}; expected one of "
            f"{', '.join(controls.TEACHERS)}, or None."
        )
    if not isinstance(teacher, keras.Model):
        raise ValueError(f"arm {arm.name} learns from a teacher; got {teacher!r} for it.")
    return controls.TEACHERS[arm.teacher](teacher, seed)
