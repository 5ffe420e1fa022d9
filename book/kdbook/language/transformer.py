r"""A small causal transformer in Keras, for any backend: from words to logits of the next word.

Blocks of causal self-attention and a feed-forward network, each behind a layer normalisation and
with a way around it (Vaswani et al. 2017; the order is that of Radford et al. 2019).
"""

import keras
import numpy as np
from keras import layers

from kdbook.language.markov import STOP, draw
from kdlib.softening import softmax


@keras.saving.register_keras_serializable(package="kdbook")
class Positions(layers.Layer):
    """Add to each place of a sequence a vector of its own, which is learned.

    >>> Positions()(np.zeros((2, 5, 8))).shape[1:] == (5, 8)
    True
    """

    def build(self, shape):
        """Make a vector for each place."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x):
        """Return the sum."""
        return x + self.vectors


def transformer(words, length, width=32, blocks=1, heads=2, dropout=0.0, name=None):
    """Return a causal transformer, untrained: the answer at a place depends on no later word.

    - ``words``: the size of the vocabulary.
    - ``length``: the length of all sentences.
    - ``width``, ``blocks``, ``heads``: features at each place, a multiple of the number of heads;
      blocks one upon the other.
    - ``dropout``: from 0 to 1, in each block.
    - Returns keras.Model: from int tokens of shape (batch, length) to probabilities (batch, length,
      words). The layer before its softmax is called ``logits``.
    - ``ValueError`` if the width is no multiple of the number of heads.
    - After Vaswani et al. (2017), Attention is all you need.

    >>> transformer(words=7, length=5, width=8).output_shape
    (None, 5, 7)
    """
    if heads < 1 or width % heads:
        raise ValueError(f"width is {width}, heads is {heads}; expected a multiple of the heads.")
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = Positions(name="positions")(layers.Embedding(words, width, name="embedding")(tokens))
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(heads, width // heads)(y, y, use_causal_mask=True)
        x = layers.Add()([x, layers.Dropout(dropout)(y)])
        y = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dropout(dropout)(layers.Dense(width)(y))])
    # In float32 under mixed precision too, as in the U-Nets.
    head = layers.Dense(words, name="logits", dtype="float32")
    softmax_layer = layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(tokens, softmax_layer(head(layers.LayerNormalization()(x))), name=name)


def write(answers, count, seed=0, temperature=1.0):
    """Return sentences that a network writes, each word drawn from its own probabilities.

    - ``answers``: from tokens to logits, as :func:`kdlib.unet.logits_model` makes it of a
      transformer.
    - ``count``: how many sentences.
    - ``temperature``: T > 0.
    - Returns numpy.ndarray: int32, shape (count, length), filled up with full stops.

    >>> from kdlib.unet import logits_model
    >>> write(logits_model(transformer(words=7, length=5, width=8)), count=2).shape
    (2, 5)
    """
    rng, length = np.random.default_rng(seed), answers.input_shape[1]
    inputs = np.full((count, length + 1), STOP, np.int32)
    ended = np.zeros(count, bool)
    for place in range(length):
        said = answers.predict_on_batch(inputs[:, :length])[:, place]
        inputs[:, place + 1] = np.where(ended, STOP, draw(softmax(said, temperature), rng))
        ended |= inputs[:, place + 1] == STOP
    return inputs[:, 1:]
