"""Blueprint convolution: a 1x1 convolution and a depthwise 3x3 one with nothing between."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

Array = npt.NDArray[np.float32]
_SIDE = 3


@keras.saving.register_keras_serializable("facesieve")
class BlueprintConv2D(layers.Layer):  # type: ignore[misc]
    """As units of YuNet are built (BSConv-U of Haase and Amthor 2020, arXiv:2003.13549), padding "same".

    Both together are one plain 3x3 convolution, whose kernel for each output is a product of the two. It is
    computed so while it learns, for depthwise gradients are slow on a CPU; otherwise as two convolutions, a
    seventh of the multiply-adds at 64 channels, and so it is exported.
    """

    def __init__(
        self, filters: int, offset: float | None = None, initial: Any = "lecun_normal", **other: Any
    ):
        """With an offset every output has one, which starts there; `initial` is the 1x1 kernel's start."""
        super().__init__(**other)
        self.filters, self.offset = filters, offset
        self.initial = keras.initializers.get(initial)

    def build(self, input_shape: Any) -> None:
        """Learn the 1x1 kernel, in x out, the depthwise one, 3 x 3 x out, and offsets."""
        self.point = self.add_weight(
            shape=(input_shape[-1], self.filters), initializer=self.initial, name="point"
        )
        self.deep = self.add_weight(shape=(_SIDE, _SIDE, self.filters), initializer="he_normal", name="deep")
        if self.offset is not None:
            start = keras.initializers.Constant(self.offset)
            self.bias = self.add_weight(shape=(self.filters,), initializer=start, name="bias")

    @property
    def kernel(self) -> Any:
        """The plain convolution's kernel, 3 x 3 x in x out."""
        return ops.expand_dims(self.deep, 2) * ops.expand_dims(self.point, (0, 1))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return N x H x W x filters."""
        if training:
            maps = ops.conv(inputs, self.kernel, padding="same")
        else:
            # Channels of like range between the two: they share one int8 scale.
            size = ops.maximum(ops.norm(self.point, axis=0), 1e-12)
            maps = ops.conv(inputs, ops.expand_dims(self.point / size, (0, 1)), padding="same")
            maps = ops.depthwise_conv(maps, ops.expand_dims(self.deep * size, -1), padding="same")
        return maps + self.bias if self.offset is not None else maps

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As wide and high as the input."""
        return (*input_shape[:-1], self.filters)

    def multiply_adds(self) -> int:
        """Multiply-accumulates for each pixel of the map."""
        return int(self.filters * (self.point.shape[0] + _SIDE * _SIDE))

    def get_config(self) -> dict[str, Any]:
        """Keep what a copy needs."""
        initial = keras.initializers.serialize(self.initial)
        return {**super().get_config(), "filters": self.filters, "offset": self.offset, "initial": initial}


def factors(kernel: Array) -> tuple[Array, Array]:
    """Split a plain kernel, 3 x 3 x in x out, into the nearest `point` and `deep`."""
    ins, outs = kernel.shape[2:]
    left, values, right = np.linalg.svd(
        kernel.reshape(_SIDE * _SIDE, ins, outs).transpose(2, 0, 1), full_matrices=False
    )
    root = np.sqrt(values[:, :1])
    deep, point = (left[:, :, 0] * root).T, (right[:, 0] * root).T
    return np.asarray(point, np.float32), np.asarray(deep.reshape(_SIDE, _SIDE, outs), np.float32)
