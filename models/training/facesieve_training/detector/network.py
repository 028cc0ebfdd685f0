"""The detector's network: a plain convolutional pyramid with YuNet's heads.

Only small plain 3x3 and 1x1 convolutions with batch norm and ReLU: all of it folds into int8 convolutions
that run near the processor's peak. No operation knows the size of the input, so that the exported graph can
be resized: upsampling is a concatenation of four copies and depth_to_space.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from facesieve_training.detector.codec import STRIDES
from facesieve_training.networks.norm import BatchNorm

HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
OUTPUTS = tuple(f"{head}_{stride}" for head in HEADS for stride in STRIDES)
# A prior of 1 % of the cells being faces keeps the first steps calm.
_PRIOR_LOGIT = -2.3


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the detector, in channels."""

    stem: int = 16
    stage4: int = 32
    stage8: int = 48
    stage16: int = 64
    stage32: int = 96
    neck: int = 48
    blocks4: int = 0
    blocks8: int = 1
    blocks16: int = 2
    blocks32: int = 1


@keras.saving.register_keras_serializable("facesieve")
class UpsampleNearest(keras.layers.Layer):  # type: ignore[misc]
    """Doubles height and width by repeating, without a resize operation."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Repeat each cell of [N,H,W,C] as [N,2H,2W,C]."""
        return tf.nn.depth_to_space(tf.concat([inputs] * 4, axis=-1), 2)


def _conv(
    x: keras.KerasTensor, filters: int, name: str, stride: int = 1, kernel: int = 3
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = BatchNorm(momentum=0.97, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _stage(x: keras.KerasTensor, filters: int, blocks: int, name: str) -> keras.KerasTensor:
    x = _conv(x, filters, f"{name}_down", stride=2)
    for block in range(blocks):
        x = _conv(x, filters, f"{name}_conv{block}")
    return x


def _head(x: keras.KerasTensor, stride: int) -> dict[str, keras.KerasTensor]:
    outputs = {}
    for head, channels in HEADS.items():
        bias = _PRIOR_LOGIT if head in ("cls", "obj") else 0.0
        outputs[f"{head}_{stride}"] = keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(bias),
            name=f"{head}_{stride}",
            dtype="float32",
        )(x)
    return outputs


def build(config: NetworkConfig, height: int | None = None, width: int | None = None) -> keras.Model:
    """The network: BGR scaled to -1..1, [N,H,W,3], H and W multiples of 32, to the maps of OUTPUTS."""
    inputs = keras.Input((height, width, 3), name="image")
    x = _conv(inputs, config.stem, "stem", stride=2)
    x = _stage(x, config.stage4, config.blocks4, "stage4")
    c8 = _stage(x, config.stage8, config.blocks8, "stage8")
    c16 = _stage(c8, config.stage16, config.blocks16, "stage16")
    c32 = _stage(c16, config.stage32, config.blocks32, "stage32")
    p32 = _conv(c32, config.neck, "lateral32", kernel=1)
    p16 = _conv(c16, config.neck, "lateral16", kernel=1)
    p16 = keras.layers.Add(name="merge16")([p16, UpsampleNearest(name="up32")(p32)])
    p8 = _conv(c8, config.neck, "lateral8", kernel=1)
    p8 = keras.layers.Add(name="merge8")([p8, UpsampleNearest(name="up16")(p16)])
    outputs: dict[str, keras.KerasTensor] = {}
    for stride, level in zip(STRIDES, (p8, p16, p32), strict=True):
        outputs |= _head(_conv(level, config.neck, f"neck{stride}"), stride)
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
