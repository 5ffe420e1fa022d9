"""A student that is made for speed: wider layers, and none of them at full resolution.

A U-Net of four features computes little, and uses a processor badly: see chapter 10. This one reads
blocks of 4 × 4 pixels as one place of many features, and writes its answer for 16 pixels at once.
The first is a convolution with stride 4, as in networks that begin with patches (Dosovitskiy et al.
2021); the second a sub-pixel convolution (Shi et al. 2016).
"""

import keras
from keras import layers, ops

from kdlib.unet import _Block, _check

COARSE_FILTERS = (8, 32, 64)
BLOCK = 4
"""Pixels that one place looks at, in height and in width."""


def multi_coarse_student_unet_model(
    n_classes=6,
    image_height=256,
    image_width=256,
    image_channels=3,
    *,
    dropout=0.1,
    normalization=None,
    filters=COARSE_FILTERS,
):
    """Return the coarse student: a U-Net over blocks of 4 × 4 pixels, with logits for each pixel.

    It has 0.9 times the parameters of the student and 0.4 times its multiply-adds, most of them in
    layers of 32 and 64 features.

    Parameters
    ----------
    n_classes, image_height, image_width, image_channels, dropout, normalization
        As for :func:`kdlib.unet.unet`: the sizes are divisible by 16 here too.
    filters : sequence of 3 int
        Filters of c1 to c3; u4 and u5 mirror the first two.

    Returns
    -------
    keras.Model
        Takes and returns what :func:`kdlib.unet.unet` does, with ``logits`` before the softmax.

    Raises
    ------
    ValueError
        As :func:`kdlib.unet.unet`.

    References
    ----------
    Dosovitskiy et al. (2021), An image is worth 16x16 words. Shi et al. (2016), Real-time single
    image and video super-resolution using an efficient sub-pixel convolutional neural network.

    Examples
    --------
    >>> f"{multi_coarse_student_unet_model().count_params():,}"
    '108,144'
    """
    size = image_height, image_width, image_channels
    _check(filters, n_classes, *size, dropout, normalization, blocks=3)
    block = _Block(dropout, normalization)
    inputs = keras.Input(size, name="image")
    x = layers.Conv2D(filters[0], BLOCK, BLOCK, name="stem")(inputs)
    c1 = block(x, filters[0], "c1")
    c2 = block(layers.MaxPooling2D(2, name="p1")(c1), filters[1], "c2")
    x = block(layers.MaxPooling2D(2, name="p2")(c2), filters[2], "c3")
    for name, skip, n_filters in (("u4", c2, filters[1]), ("u5", c1, filters[0])):
        x = layers.Conv2DTranspose(n_filters, 2, 2, padding="same", name=f"{name}_up")(x)
        x = block(layers.Concatenate(name=f"{name}_skip")([x, skip]), n_filters, name)
    x = layers.Conv2D(BLOCK**2 * n_classes, 1, dtype="float32", name="blocks")(x)
    logits = PixelShuffle(BLOCK, dtype="float32", name="logits")(x)
    outputs = layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name="coarse-student")


@keras.saving.register_keras_serializable(package="kdlib")
class PixelShuffle(layers.Layer):
    """Spread the features of each place over a block of pixels.

    Parameters
    ----------
    block : int
        Height and width of a block. An input of shape (batch, height, width, block² · features)
        becomes (batch, block · height, block · width, features).
    **kwargs
        As for any layer.

    References
    ----------
    Shi et al. (2016), Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network, equation 4.

    Examples
    --------
    >>> two_places = ops.reshape(ops.arange(8.0), (1, 1, 2, 4))
    >>> ops.convert_to_numpy(PixelShuffle(2)(two_places))[0, :, :, 0]
    array([[0., 1., 4., 5.],
           [2., 3., 6., 7.]], dtype=float32)
    """

    def __init__(self, block, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def call(self, x):
        """Return the pixels."""
        height, width, block = ops.shape(x)[1], ops.shape(x)[2], self.block
        features = x.shape[-1] // block**2
        x = ops.reshape(x, (-1, height, width, block, block, features))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, block * height, block * width, features))

    def compute_output_shape(self, shape):
        """Return the shape of the pixels."""
        batch, height, width, features = shape
        sides = (None if side is None else side * self.block for side in (height, width))
        return batch, *sides, features // self.block**2

    def get_config(self):
        """Return what Keras needs to save the layer."""
        return super().get_config() | {"block": self.block}
