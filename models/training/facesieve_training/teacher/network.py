"""The recognition network: residual backbone, dropout, feature, and the class layer for training."""

from dataclasses import dataclass, field
from typing import Any, Literal

import keras
from keras import layers

from facesieve_training.faces import SIZE
from facesieve_training.networks.resnet import BLOCKS, NetworkConfig, resnet
from facesieve_training.teacher.margin import Cosines, arcface

EMBEDDING, CUT, LOW = "embedding", "cut", "low"
_LOW_STAGE = 1


@dataclass(frozen=True)
class Head:
    """The loss that separates people."""

    kind: Literal["softmax", "arcface"] = "softmax"
    margin: float = 0.5
    """arcface: the angle, radians."""
    scale: float = 64.0
    """arcface: scale of the cosines."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if 0 <= self.margin < 1.5 else [f"margin: {self.margin} is not an angle in 0..1.5"]
        return found if self.scale > 0 else [*found, f"scale: {self.scale} must be above 0"]


@dataclass(frozen=True)
class TeacherNetwork:
    """Architecture; the defaults are the paper's."""

    backbone: NetworkConfig = field(default_factory=lambda: NetworkConfig(101, 1.0))
    feature: int = 256
    dropout: float = 0.5
    """Share of the averaged values that is dropped before the feature's layer, in training."""
    head: Head = field(default_factory=Head)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.feature > 0 else [f"feature: {self.feature} must be above 0"]
        return found if 0 <= self.dropout < 1 else [*found, f"dropout: {self.dropout} is not in 0..1"]


@dataclass(frozen=True)
class Built:
    """Two models that share weights: for training and for use."""

    trained: keras.Model
    """N x 112 x 112 x 3 uint8 BGR to the classes' N x C logits, or cosines for arcface."""
    teacher: keras.Model
    """The same input to a dictionary of EMBEDDING (N x feature), CUT (N x K) and LOW (N x H x W x C)."""


def build(config: TeacherNetwork, classes: int, dtype: str = "float32") -> Built:
    """Build the network; dtype is the backbone's Keras policy, feature and later layers are float32."""
    backbone = resnet(config.backbone, dtype)
    low = stage_end(backbone, config.backbone.depth, _LOW_STAGE)
    images = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="pictures")
    scaled = layers.Rescaling(1 / 128, -1.0, name="scaled")(images)
    low_values, cut = keras.Model(backbone.input, [low, backbone.output], name=backbone.name)(scaled)
    kept = layers.Dropout(config.dropout, name="dropout", dtype="float32")(cut)
    feature = layers.Dense(config.feature, name="feature", dtype="float32")(kept)
    head: Any = layers.Dense if config.head.kind == "softmax" else Cosines
    logits = head(classes, name="classes", dtype="float32")(feature)
    return Built(
        keras.Model(images, logits, name="training"),
        keras.Model(images, {EMBEDDING: feature, CUT: cut, LOW: low_values}, name="teacher"),
    )


def stage_end(backbone: keras.Model, depth: int, stage: int) -> Any:
    """Output of a stage (1 to 4) of the backbone: the sum of its last block."""
    sums = [layer for layer in backbone.layers if isinstance(layer, layers.Add)]
    return sums[sum(BLOCKS[depth][:stage]) - 1].output


def loss(head: Head) -> Any:
    """Return the loss of the trained model's output against class numbers."""
    if head.kind == "softmax":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return arcface(head.margin, head.scale)
