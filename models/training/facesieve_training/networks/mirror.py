"""Layers of a network that is invariant to mirroring, at the cost of an ordinary network.

Channels are in two halves. Mirroring the input mirrors every map and swaps its halves: the second half of a
convolution's kernels are the first half, mirrored, with the halves of their inputs swapped (a group
convolution of Cohen and Welling 2016, for the group of the mirror). The network needs no second pass on the
mirrored image, and half as many weights are trained on as many faces. At export all kernels are constants, so
that only convolutions remain.

The mirror needs symmetric sampling: a stride of 2 needs an even kernel on an even width and an odd one on an
odd width (`stride_kernel`).
"""

from typing import Any

import keras
from keras import layers, ops

from facesieve_training.networks.norm import BatchNorm

_PACKAGE = "facesieve"


def swap(x: Any, axis: int = -1) -> Any:
    """Swap the halves of the channels."""
    first, second = ops.split(x, 2, axis=axis)
    return ops.concatenate([second, first], axis=axis)


def stride_kernel(width: int, kernel: int) -> int:
    """Side of a kernel with stride 2 on this width, near `kernel` (3 or 1), that samples symmetrically."""
    return kernel if width % 2 else kernel + 1


@keras.saving.register_keras_serializable(_PACKAGE)
class MirrorConv2D(layers.Layer):  # type: ignore[misc]
    """Convolution without bias, padding "same", on N x H x W x C maps of two halves, or on an image."""

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, lift: bool = False, **other: Any):
        """With `lift` the input is an image, whose channels are not in halves."""
        super().__init__(**other)
        self.filters, self.kernel_size, self.strides, self.lift = filters, kernel_size, strides, lift

    def build(self, input_shape: Any) -> None:
        """Create the weights of half of the kernels."""
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters // 2)
        self.half = self.add_weight(shape=shape, initializer="he_normal", name="half")

    @property
    def kernel(self) -> Any:
        """All kernels, height x width x in x out."""
        half = ops.convert_to_tensor(self.half)
        mirrored = ops.flip(half, axis=1)
        return ops.concatenate([half, mirrored if self.lift else swap(mirrored, axis=2)], axis=-1)

    def call(self, inputs: Any) -> Any:
        """Return N x H' x W' x filters."""
        return ops.conv(inputs, self.kernel, strides=self.strides, padding="same")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of a copy."""
        own = {name: getattr(self, name) for name in ("filters", "kernel_size", "strides", "lift")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(_PACKAGE)
class MirrorNorm(BatchNorm):
    """Batch norm whose two halves share weights and moving statistics.

    In training each half of a map is normalised by its own statistics. Their difference is only noise when
    faces are mirrored at random.
    """

    def build(self, input_shape: Any) -> None:
        """Create the weights of one half."""
        super().build((*input_shape[:-1], input_shape[-1] // 2))
        self.input_spec = None

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise; without the fused operation the halves are placed side by side in a map of double
        width.
        """
        if keras.backend.backend() == "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        height, width, channels = inputs.shape[1:]
        wide = ops.reshape(inputs, (-1, height, width * 2, channels // 2))
        normal = super().call(wide, training=training, mask=mask)
        return ops.reshape(normal, (-1, height, width, channels))

    def of_channels(self, weights: Any) -> Any:
        """Repeat the weights for both halves."""
        return ops.tile(weights, 2)

    def of_weights(self, channels: Any) -> Any:
        """Mean of both halves."""
        return ops.mean(ops.reshape(channels, (2, -1)), axis=0)


class _Units(layers.Layer):  # type: ignore[misc]
    """A dense layer by the number of its units."""

    def __init__(self, units: int, **other: Any) -> None:
        super().__init__(**other)
        self.units = units

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of a copy."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(_PACKAGE)
class MirrorDense(_Units):
    """Dense layer and ReLU on two halves: the second half of its units gets the halves swapped."""

    def build(self, input_shape: Any) -> None:
        """Create the weights of half of the units."""
        self.half = self.add_weight(shape=(input_shape[-1], self.units // 2), name="half")
        self.bias = self.add_weight(shape=(self.units // 2,), initializer="zeros", name="bias")

    @property
    def kernel(self) -> Any:
        """All weights, in x out."""
        half = ops.convert_to_tensor(self.half)
        return ops.concatenate([half, swap(half, axis=0)], axis=-1)

    def call(self, inputs: Any) -> Any:
        """Return N x units."""
        return ops.relu(ops.matmul(inputs, self.kernel) + ops.tile(ops.convert_to_tensor(self.bias), 2))


@keras.saving.register_keras_serializable(_PACKAGE)
class MirrorReadout(_Units):
    """Dense layer with equal weights for both halves, so that its output is invariant to mirroring."""

    def build(self, input_shape: Any) -> None:
        """Create the weights of one half."""
        self.half = self.add_weight(shape=(input_shape[-1] // 2, self.units), name="half")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    @property
    def kernel(self) -> Any:
        """All weights, in x out."""
        return ops.tile(ops.convert_to_tensor(self.half), (2, 1))

    def call(self, inputs: Any) -> Any:
        """Return N x units."""
        return ops.matmul(inputs, self.kernel) + ops.convert_to_tensor(self.bias)
