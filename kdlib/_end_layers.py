"""The layers that stand in for the end of a network: what comes before it, or its logarithms."""

import keras
from keras import layers, ops


def policy_of(layer):
    """Return the policy of a layer, for one without weights to be quantised."""
    quantised = getattr(layer.dtype_policy, "quantization_mode", None)
    return layer.compute_dtype if quantised else layer.dtype_policy


@keras.saving.register_keras_serializable(package="kdlib", name="_BeforeActivation")
class BeforeActivation(layers.Layer):
    """What a layer computes before its activation, with the layer's own weights."""

    def __init__(self, layer, name=None):
        super().__init__(name=name or f"{layer.name}_before", dtype=policy_of(layer))
        self.layer, self.supports_masking = layer, True

    def call(self, inputs):
        """Call the layer with a linear activation."""
        kept, self.layer.activation = self.layer.activation, keras.activations.linear
        try:
            return self.layer(inputs)
        finally:
            self.layer.activation = kept

    def get_config(self):
        """Return what Keras needs to save the layer."""
        return {"layer": keras.saving.serialize_keras_object(self.layer), "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Return the layer that was saved."""
        return cls(keras.saving.deserialize_keras_object(config["layer"]), config["name"])


@keras.saving.register_keras_serializable(package="kdlib", name="_Logarithms")
class Logarithms(layers.Layer):
    """Logits of probabilities whose own logits are out of reach: their logarithms, in float32."""

    def __init__(self, kind, name="logarithms"):
        super().__init__(name=name, dtype="float32")
        self.kind, self.supports_masking = kind, True

    def call(self, inputs):
        """Return log p, or log p / (1 - p) of a sigmoid, which is known up to 16."""
        if self.kind == "softmax":
            return ops.log(ops.clip(inputs, 1e-37, 1.0))
        p = ops.clip(inputs, 1e-37, 1 - 6e-8)
        return ops.log(p) - ops.log1p(-p)

    def compute_mask(self, inputs, previous_mask=None):
        """Pass on a mask of places, and none of classes, as a softmax may have one."""
        places = previous_mask is not None and len(previous_mask.shape) < len(inputs.shape)
        return previous_mask if places else None

    def get_config(self):
        """Return what Keras needs to save the layer."""
        return {"kind": self.kind, "name": self.name}
