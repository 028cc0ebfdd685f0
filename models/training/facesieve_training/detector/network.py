"""The detector's network: YuNet's tree of plain convolutions on a different stem.

Each unit of YuNet, a 1x1 and a depthwise 3x3 convolution without an activation between, is one plain 3x3
convolution here, which has more capacity: with two the network is a third faster, misses more small faces and
has a landmark error up to 30 % larger. YuNet's first two stages work on large maps and take most of its time;
here they are a few strided convolutions.

There are only small plain 3x3 convolutions with batch norm and ReLU, which fold into int8 convolutions near
the processor's peak speed. No operation depends on the size of the input, so that the exported graph can be
resized: upsampling is a concatenation of four copies and depth_to_space.
"""

from dataclasses import dataclass
from typing import Any

import keras

from facesieve_training.detector.codec import STRIDES
from facesieve_training.networks.norm import BatchNorm

HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
OUTPUTS = tuple(f"{head}_{stride}" for head in HEADS for stride in STRIDES)
PAIRS = (("cls", "obj"), ("bbox", "kps"))
"""Heads that share one convolution, and with it an int8 scale: their ranges are similar."""
# A prior of 1 % faces among the cells avoids large gradients in the first steps.
_PRIOR_LOGIT = -2.3


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the detector, in channels.

    Above stride 4 it has the architecture of YuNet's tree.
    """

    stem: int = 16
    stage4: int = 32
    width: int = 48


@keras.saving.register_keras_serializable("facesieve")
class UpsampleNearest(keras.layers.Layer):  # type: ignore[misc]
    """Doubles height and width by repeating, without a resize operation."""

    def call(self, inputs: Any) -> Any:
        """Repeat each cell of [N,H,W,C] as [N,2H,2W,C]."""
        return keras.ops.depth_to_space(keras.ops.concatenate([inputs] * 4, axis=-1), 2)


def _conv(
    x: keras.KerasTensor, filters: int, name: str, stride: int = 1, kernel: int = 3
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = BatchNorm(momentum=0.97, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _head(x: keras.KerasTensor, stride: int) -> dict[str, keras.KerasTensor]:
    outputs = {}
    for pair in PAIRS:
        bias = _PRIOR_LOGIT if "cls" in pair else 0.0
        maps = keras.layers.Conv2D(
            sum(HEADS[head] for head in pair),
            3,
            padding="same",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(bias),
            name=f"{'_'.join(pair)}_{stride}",
            dtype="float32",
        )(x)
        first = HEADS[pair[0]]
        outputs[f"{pair[0]}_{stride}"] = maps[..., :first]
        outputs[f"{pair[1]}_{stride}"] = maps[..., first:]
    return outputs


def build(config: NetworkConfig, height: int | None = None, width: int | None = None) -> keras.Model:
    """The network: BGR scaled to -1..1, [N,H,W,3], H and W multiples of 32, to the maps of OUTPUTS."""

    def units(x: keras.KerasTensor, names: str) -> keras.KerasTensor:
        for name in names.split():
            x = _conv(x, config.width, name)
        return x

    def halved(x: keras.KerasTensor) -> keras.KerasTensor:
        # "same", though sizes are even: the exported graph starts at one pixel, which must not become zero.
        return keras.layers.MaxPooling2D(2, padding="same")(x)

    def merged(x: keras.KerasTensor, coarse: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.Add()([x, UpsampleNearest()(coarse)])

    inputs = keras.Input((height, width, 3), name="image")
    x = _conv(inputs, config.stem, "stem", stride=2)
    x = _conv(x, config.stage4, "stage4_down", stride=2)
    x = _conv(x, config.width, "stage8_down", stride=2)
    c8 = units(x, "stage8_conv0 stage8_conv1")
    c16 = units(halved(c8), "stage16_conv0 stage16_conv1")
    c32 = units(halved(c16), "stage32_conv0 stage32_conv1")
    p32 = units(c32, "neck32")
    p16 = units(merged(c16, p32), "neck16")
    p8 = units(merged(c8, p16), "neck8")
    outputs: dict[str, keras.KerasTensor] = {}
    for stride, level in zip(STRIDES, (p8, p16, p32), strict=True):
        outputs |= _head(level, stride)
    return keras.Model(inputs, {name: outputs[name] for name in OUTPUTS}, name="detector")


def multiply_adds(model: keras.Model) -> int:
    """Multiply-accumulate operations of the convolutions of a model built with a fixed input size."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, filters = layer.output.shape
            total += (
                height * width * filters * layer.kernel_size[0] * layer.kernel_size[1] * layer.input.shape[-1]
            )
    return total
