"""MobileFaceNet (Chen et al. 2018, arXiv:1804.07573) for 112x112 faces, of any width and depth.

A stem, then blocks that add to a linear stream: a 1x1 convolution to hidden channels, a depthwise 3x3 one,
and a 1x1 one back, without activation. The stream has the published width, so that a network with fewer
hidden channels can be initialised from a trained one (`networks.prune`). There is no batch norm, because the
trained network's batch norms are folded. ReLU replaces PReLU, which int8 does not support. The last depthwise
convolution, over the whole map, is a product and a mean, which int8 kernels compute five times as fast.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from facesieve_training.faces import SIZE

BLOCKS = ((64, 2, 1), (64, 1, 4), (128, 2, 1), (128, 1, 6), (128, 2, 1), (128, 1, 2))
"""Width of the stream, stride and number of blocks, as published; those of stride 1 add to the stream."""
STRIDES = tuple(stride for _, stride, count in BLOCKS for _ in range(count))
"""Stride of each block, as published; a block with stride 2 does not add to the stream."""
_SAMPLING = (1, 2, 2, 2)
_STREAM = "stream"


@dataclass(frozen=True)
class MobileFaceConfig:
    """Widths, in channels; published are 64, twice or four times the stream's, and 512."""

    stem: int = 16
    hidden: tuple[int, ...] = (48, 0, 48, 0, 48, 80, 0, 96, 0, 96, 0, 96, 160, 160, 160)
    """Hidden channels of each block; 0 omits a block, which is not allowed for a block with stride 2."""
    last: int = 512
    strides: tuple[int, ...] = _SAMPLING
    """Strides of the stem's depthwise convolution and of the three blocks that sample; default as published.
    A stride of 2 makes all later maps smaller, so that more channels have the same cost.
    """

    def of_blocks(self) -> list[int]:
        """Stride of each block."""
        sampling = iter(self.strides[1:])
        return [next(sampling) if stride == 2 else 1 for stride in STRIDES]

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [f"{name}: must be above 0" for name in ("stem", "last") if getattr(self, name) < 1]
        least = [1 if stride == 2 else 0 for stride in STRIDES]
        if len(self.hidden) != len(STRIDES) or any(h < m for h, m in zip(self.hidden, least, strict=False)):
            found.append(f"hidden: must be {len(STRIDES)} numbers, one for each block, above 0 with a stride")
        if len(self.strides) != len(_SAMPLING) or not set(self.strides) <= {1, 2}:
            found.append(f"strides: must be {len(_SAMPLING)} numbers, of the stem and three blocks, 1 or 2")
        return found


@keras.saving.register_keras_serializable("facesieve")
class WeightedMean(layers.Layer):  # type: ignore[misc]
    """Weighted mean of a map, with one weight per position and channel: N x H x W x C to N x C."""

    def build(self, shape: Any) -> None:
        """Make the weights, H x W x C."""
        self.weight = self.add_weight(shape=shape[1:], initializer="ones", name="weight")

    def call(self, inputs: Any) -> Any:
        """Compute the weighted mean."""
        return ops.mean(inputs * self.weight, axis=(1, 2))


def mobileface(config: MobileFaceConfig, dtype: str = "float32") -> keras.Model:
    """Build the backbone: N x 112 x 112 x 3 in -1..1 (BGR) to N x `last` values, each the mean of a map.

    dtype is a Keras policy: float32, mixed_bfloat16 or mixed_float16.
    """

    def sampled(kind: Any, x: Any, stride: int, *width: int) -> Any:
        # Symmetric padding; "same" is asymmetric for a stride of 2 on an even side.
        padding = "valid" if stride == 2 and x.shape[1] % 2 == 0 else "same"
        if padding == "valid":
            x = layers.ZeroPadding2D(((1, 0), (1, 0)), dtype=dtype)(x)
        return kind(*width, 3, stride, padding=padding, activation="relu", dtype=dtype)(x)

    def dense(x: Any, width: int, activation: str | None = "relu", name: str | None = None) -> Any:
        return layers.Conv2D(width, 1, activation=activation, dtype=dtype, name=name)(x)

    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = sampled(layers.Conv2D, inputs, 2, config.stem)
    x = sampled(layers.DepthwiseConv2D, x, config.strides[0])
    wanted = iter(enumerate(zip(config.hidden, config.of_blocks(), strict=True)))
    for width, published, count in BLOCKS:
        for k, (channels, stride) in (next(wanted) for _ in range(count)):
            if not channels:
                continue
            y = sampled(layers.DepthwiseConv2D, dense(x, channels), stride)
            if published == 2:
                x = dense(y, width, None, stream_name(k))
            else:
                x = layers.Add(dtype=dtype, name=stream_name(k))([x, dense(y, width, None)])
    x = WeightedMean(dtype=dtype, name="pooled")(dense(x, config.last))
    return keras.Model(inputs, x, name=f"mobileface{config.last}")


def stream_name(block: int) -> str:
    """Name of the layer whose output is the stream after a block."""
    return f"{_STREAM}{block}"


def is_stream(layer: Any) -> bool:
    """Whether a layer's output is the stream after a block: a convolution begins a stream, a sum
    continues it.
    """
    return str(layer.name).startswith(_STREAM)


def convolutions(model: keras.Model) -> list[Any]:
    """The convolutions of a backbone, or of a network on it, in order: stem, stem's depthwise, three per
    block, and the last, before the weighted mean.
    """
    kinds = layers.Conv2D | layers.DepthwiseConv2D
    return [layer for layer in model.layers if isinstance(layer, kinds)]
