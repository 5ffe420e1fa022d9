"""Students of a language: trained with the Distiller, and measured against the truth."""

import keras
import numpy as np

from kdbook.language.markov import pairs
from kdbook.language.transformer import write
from kdlib import runtime
from kdlib.distiller import Distiller
from kdlib.softening import log_softmax
from kdlib.unet import logits_model

NEVER = -60.0
"""The logarithm that stands for a probability of 0."""


class Batches(keras.utils.PyDataset):
    """Batches of sentences with a teacher's logits, in an order that the seed decides.

    - ``tokens``: array of int, shape (sentences, length).
    - ``said``: array of float, shape (sentences, length, words). The teacher's logits, or others in
      their place.
    - ``weight``: array of float, shape (sentences, length). What each place counts, up to the full
      stop; 1 by default.
    - ``epochs``, ``steps``, ``batch``: how many batches in an epoch, and sentences in a batch. The
      sentences are gone through pass after pass, each in an order of its own, whatever an epoch is.

    >>> batches = Batches(np.array([[3, 0]]), np.zeros((1, 2, 7)), steps=4, batch=5)
    >>> len(batches), batches[0][0]["image"].shape
    (4, (5, 2))
    """

    def __init__(self, tokens, said, weight=None, epochs=1, steps=1, batch=32, seed=0):
        super().__init__()
        inputs, targets, counts = pairs(tokens)
        self.parts = inputs, said, targets, counts if weight is None else counts * weight
        rng, needed = np.random.default_rng(seed), epochs * steps * batch
        passes = [rng.permutation(len(tokens)) for _ in range(-(-needed // len(tokens)))]
        self.order = np.concatenate(passes)[:needed].reshape(epochs, steps, batch)
        self.epoch = 0

    def __len__(self):
        """Return the number of batches in an epoch."""
        return self.order.shape[1]

    def __getitem__(self, index):
        """Return tokens and logits, targets, weights."""
        rows = self.order[self.epoch, index]
        tokens, said, targets, weight = (part[rows] for part in self.parts)
        return {"image": tokens, "teacher_logits": said}, targets, weight

    def on_epoch_end(self):
        """Go on to the next batches."""
        self.epoch = (self.epoch + 1) % len(self.order)


class Student:
    """A network and its Distiller, compiled once and trained as often as you like.

    - ``network``: a transformer.
    - ``temperature``, ``loss``: as in :meth:`kdlib.distiller.Distiller.compile`; α is 0.
    - ``rate``: of Adam. It rises for a tenth of the steps, then falls to 0 along a cosine, epoch by
      epoch.

    >>> from kdbook.language import transformer
    >>> student = Student(transformer(words=7, length=5, width=8))
    >>> student.words
    7
    """

    EPOCHS = 20

    def __init__(self, network, temperature=1.0, loss=None, rate=5e-3):
        self.network, self.rate = network, rate
        self.answers = logits_model(network)
        self.words = self.answers.output_shape[-1]
        # The Distiller wants a teacher, which is never asked: logits come with the sentences.
        self.distiller = Distiller(network, keras.models.clone_model(network))
        self.distiller.compile(
            keras.optimizers.Adam(rate), alpha=0.0, temperature=temperature,
            distillation_loss_fn=loss, jit_compile=keras.backend.backend() == "jax",
            steps_per_execution=5,
        )  # fmt: skip
        variables = self.distiller.optimizer.variables
        self._fresh = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]

    def train(self, tokens, said, validation, steps, seed, start=None, weight=None, keep="best"):
        """Train, keep the weights that did best on validation, or the last; return the curve.

        - ``tokens``, ``said``, ``weight``: as for :class:`Batches`.
        - ``validation``: array of int, shape (sentences, length).
        - ``steps``: a multiple of 20: after each twentieth the validation sentences are looked at.
        - ``seed``: of the order of the sentences.
        - ``start``: list of array. The weights to start from, as of :func:`new_weights`; by default
          those that it has.
        - ``keep``: {"best", "last"}.
        - ``ValueError`` if the steps are no multiple of 20.
        - Returns list of float: the cross-entropy of the validation words after each twentieth, in
          nats per word.
        """
        if start is not None:
            self.network.set_weights(start)
        self._forget()
        best = keras.callbacks.EarlyStopping(
            "val_student_loss", mode="min", patience=self.EPOCHS, restore_best_weights=True
        )
        batches = Batches(tokens, said, weight, self.EPOCHS, self._twentieth(steps), seed=seed)
        callbacks = {"best": [best], "last": []}[keep]
        return self._fit(batches, range(self.EPOCHS), validation, callbacks)

    def follow(self, teacher, validation, steps, seed, count=800):
        """Go on with the student's own sentences, written anew after each twentieth of the steps.

        - ``teacher``: from tokens to logits: says what the student should have said.
        - ``validation``, ``steps``, ``seed``: as for :meth:`train`. The weights at the end are
          kept.
        - ``count``: how many sentences are written each time.
        - Returns list of float: as of :meth:`train`.
        """
        self._forget()
        twentieth, curve = self._twentieth(steps), []
        for epoch in range(self.EPOCHS):
            own = write(self.answers, count, seed * 1000 + epoch)
            batches = Batches(own, ask(teacher, own), steps=twentieth, seed=epoch)
            curve += self._fit(batches, [epoch], validation)
        return curve

    def _twentieth(self, steps):
        if steps < self.EPOCHS or steps % self.EPOCHS:
            raise ValueError(f"steps is {steps}; expected a multiple of {self.EPOCHS}, above 0.")
        return steps // self.EPOCHS

    def _fit(self, batches, epochs, validation, callbacks=()):
        x, y, weight = pairs(validation)
        held_out = {"image": x, "teacher_logits": np.zeros((*x.shape, self.words), np.float32)}
        schedule = keras.callbacks.LearningRateScheduler(self._rate_of)
        found = self.distiller.fit(
            batches, initial_epoch=epochs[0], epochs=epochs[-1] + 1, shuffle=False, verbose=0,
            validation_data=(held_out, y, weight / weight.mean()), validation_batch_size=len(x),
            callbacks=[schedule, *callbacks],
        )  # fmt: skip
        return [float(value) for value in found.history["val_student_loss"]]

    def _forget(self):
        """Forget what the optimizer gathered in another training."""
        for variable, fresh in zip(self.distiller.optimizer.variables, self._fresh, strict=True):
            variable.assign(fresh)

    def _rate_of(self, epoch, rate=None):
        """Return the learning rate of a twentieth of the training."""
        share = (epoch + 0.5) / self.EPOCHS
        return self.rate * min(share / 0.1, (1 + np.cos(np.pi * share)) / 2)


def new_weights(network, seed):
    """Return weights of a network of the same kind, new and by the seed.

    >>> from kdbook.language import transformer
    >>> network = transformer(words=7, length=5, width=8)
    >>> len(new_weights(network, seed=0)) == len(network.weights)
    True
    """
    runtime.set_seed(seed)
    return type(network).from_config(network.get_config()).get_weights()


def truth(language, tokens):
    """Return the logarithm of the true next-word probabilities, float32, finite.

    What cannot come has the logarithm :data:`NEVER`, so that a softmax gives it nothing.

    >>> from kdbook.language import small_english
    >>> english = small_english()
    >>> truth(english, english.tokens("the dogs .")).shape
    (1, 3, 63)
    """
    p = language.next_probabilities(tokens)
    return np.log(np.maximum(p, np.exp(NEVER))).astype(np.float32)


def ask(answers, tokens):
    """Return what a network says at each place of sentences, as logits.

    >>> from kdbook.language import transformer
    >>> answers = logits_model(transformer(words=7, length=5, width=8))
    >>> ask(answers, np.ones((2, 5), int)).shape
    (2, 5, 7)
    """
    # Batches of one size: a graph is compiled for each other one.
    return answers.predict(pairs(tokens)[0], batch_size=50, verbose=0)


def excess(answers, language, tokens, by_place=False, reverse=False):
    r"""Return how far a network is from the truth, in nats per word.

    It is the mean over the words of :math:`KL(p \,\|\, q)`, with the true probabilities p and the
    network's q, given the words before: the cross-entropy of the network above the entropy of the
    language.

    - ``answers``: from tokens to logits.
    - ``tokens``: array of int, shape (sentences, length).
    - ``by_place``: whether to return the mean of each place, shape (length,), in place of the
      overall mean.
    - ``reverse``: whether to return :math:`KL(q \,\|\, p)`. On sentences that the network wrote,
      the sum over the places of a sentence is the divergence of whole sentences.
    - Returns float or numpy.ndarray.

    >>> from kdbook.language import small_english, transformer
    >>> english = small_english()
    >>> answers = logits_model(transformer(len(english.words), length=4, width=8))
    >>> bool(excess(answers, english, english.sample(2, 4)) > 0)
    True
    """
    weight = pairs(tokens)[2]
    log_p, log_q = truth(language, tokens).astype(float), log_softmax(ask(answers, tokens))
    first, second = (log_q, log_p) if reverse else (log_p, log_q)
    gap = np.sum(np.exp(first) * (first - second), axis=-1)
    axis = 0 if by_place else None
    return (gap * weight).sum(axis) / np.maximum(weight.sum(axis), 1)
