"""Residual networks for 112x112 faces, of any width: teacher (101), paper's student (34), small students.

Plain convolution, batch norm, ReLU, and a sum followed by ReLU: batch norm folds into the convolutions, and
every activation is at least 0, which suits int8. Stem and stages are those of He et al. 2016 (depth 32 is the
34 without a block at 28x28). Strides pad "same", which needs no extra operation in TFLite.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from facesieve_training.faces import SIZE
from facesieve_training.networks import mirror
from facesieve_training.networks.norm import BatchNorm

BLOCKS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    32: (2, 4, 6, 3),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
"""Blocks in each of the four stages, by depth; from 50 on they are bottlenecks."""
_CHANNELS = (64, 128, 256, 512)
_BOTTLENECK_FROM, _EXPANSION = 50, 4


@dataclass(frozen=True)
class NetworkConfig:
    """Which residual network."""

    depth: int = 34
    width: float = 0.25
    """Multiplier of the channels."""
    stem: int = 7
    """Side of the first convolution's kernel; 7 as published, 3 or 4 for fewer multiply-adds."""
    mirror: bool = False
    """Invariance to mirroring, see `mirror`."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        depths = ", ".join(map(str, BLOCKS))
        found = [] if self.depth in BLOCKS else [f"depth: {self.depth} is none of {depths}"]
        stems = (4, 6, 8) if self.mirror else (3, 5, 7)
        found += [] if self.stem in stems else [f"stem: {self.stem} is none of {', '.join(map(str, stems))}"]
        if self.mirror and self.depth >= _BOTTLENECK_FROM:
            found.append(f"mirror: depth {self.depth} has bottlenecks; take {_BOTTLENECK_FROM} or less")
        return found if self.width > 0 else [*found, f"width: {self.width} must be above 0"]


def resnet(config: NetworkConfig, dtype: str = "float32") -> keras.Model:
    """Build the backbone: N x 112 x 112 x 3 in -1..1 (BGR) to N x C averaged features.

    dtype is a Keras policy: float32, mixed_bfloat16 or mixed_float16.
    """
    make = _Mirrored(dtype) if config.mirror else _Layers(dtype)
    widths = [max(8, round(c * config.width)) for c in _CHANNELS]
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = make.relu(make.conv(inputs, widths[0], config.stem, 2))
    x = layers.MaxPooling2D(2 if config.mirror else 3, 2, padding="same", dtype=dtype)(x)
    block = make.bottleneck if config.depth >= _BOTTLENECK_FROM else make.basic
    for stage, (width, count) in enumerate(zip(widths, BLOCKS[config.depth], strict=True)):
        for number in range(count):
            x = block(x, width, 2 if stage and not number else 1)
    x = layers.GlobalAveragePooling2D(dtype=dtype, name="pooled")(x)
    return keras.Model(
        inputs, x, name=f"resnet{config.depth}{'m' if config.mirror else ''}w{round(100 * config.width):03d}"
    )


class _Layers:
    """Builds blocks with one dtype policy."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def conv(self, x: Any, width: int, kernel: int, stride: int = 1, gamma: str = "ones") -> Any:
        x = layers.Conv2D(
            width,
            kernel,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype,
        )(x)
        return BatchNorm(momentum=0.97, gamma_initializer=gamma, dtype=self.dtype)(x)

    def relu(self, x: Any) -> Any:
        return layers.ReLU(dtype=self.dtype)(x)

    def _join(self, x: Any, y: Any, width: int, stride: int) -> Any:
        if stride != 1 or x.shape[-1] != width:
            x = self.conv(x, width, 1, stride)
        return self.relu(layers.Add(dtype=self.dtype)([x, y]))

    def basic(self, x: Any, width: int, stride: int) -> Any:
        y = self.relu(self.conv(x, width, 3, stride))
        return self._join(x, self.conv(y, width, 3, gamma="zeros"), width, stride)

    def bottleneck(self, x: Any, width: int, stride: int) -> Any:
        y = self.relu(self.conv(x, width, 1))
        y = self.relu(self.conv(y, width, 3, stride))
        return self._join(x, self.conv(y, width * _EXPANSION, 1, gamma="zeros"), width * _EXPANSION, stride)


class _Mirrored(_Layers):
    """Builds basic blocks of mirrored layers."""

    def conv(self, x: Any, width: int, kernel: int, stride: int = 1, gamma: str = "ones") -> Any:
        lift = x.shape[-1] == 3
        if stride == 2 and not lift:
            kernel = mirror.stride_kernel(x.shape[2], kernel)
        x = mirror.MirrorConv2D(width, kernel, stride, lift, dtype=self.dtype)(x)
        return mirror.MirrorNorm(momentum=0.97, gamma_initializer=gamma, dtype=self.dtype)(x)


def macs(model: keras.Model) -> int:
    """Multiply-accumulates of one image in convolutions and dense layers (papers call them FLOPs)."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += macs(layer)
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | mirror.MirrorConv2D):
            _, height, width, _ = layer.output.shape
            total += math.prod(layer.kernel.shape) * height * width
        elif isinstance(layer, layers.Dense | mirror.MirrorDense | mirror.MirrorReadout):
            total += math.prod(layer.kernel.shape)
    return total
