"""The student: a backbone with a feature head for distillation and an output of bins for each label."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from facesieve_training.label.table import COMPONENTS
from facesieve_training.networks.resnet import NetworkConfig, resnet

FEATURE, CLASSES = "feature", "classes"


@dataclass(frozen=True)
class StudentConfig:
    """The student's form."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    bins: int = 16
    """Bins of each label's output; the label is their centres' expectation."""
    hidden: int = 64
    """Width of the layer between backbone and the labels' outputs."""


def centres(bins: int) -> NDArray[np.float32]:
    """Values of the bins, 0..1 inclusive, so that the extremes can be told."""
    return np.linspace(0, 1, bins, dtype=np.float32)


def build(config: StudentConfig, features: int, classes: int = 0, dtype: str = "float32") -> keras.Model:
    """Build the student: outputs FEATURE (N x features), each of COMPONENTS (N x bins), CLASSES if any."""
    backbone = resnet(config.network, dtype)
    pooled = backbone.output
    outputs: dict[str, Any] = {FEATURE: _dense(pooled, features, FEATURE)}
    hidden = layers.Dense(config.hidden, activation="relu", name="hidden", dtype=dtype)(pooled)
    for name in COMPONENTS:
        outputs[name] = _dense(hidden, config.bins, name)
    if classes:
        outputs[CLASSES] = _dense(pooled, classes, CLASSES)
    return keras.Model(backbone.input, outputs, name=f"student_{backbone.name}")


def _dense(x: Any, width: int, name: str) -> Any:
    return layers.Dense(width, name=name, dtype="float32")(x)


def expectation(logits: Any) -> Any:
    """Expected bin value of N x bins logits under their softmax."""
    return ops.sum(ops.softmax(logits) * centres(logits.shape[-1]), axis=-1)


def bins_loss(truth: Any, logits: Any) -> Any:
    """Cross entropy to the two bins beside the truth (N x 1, 0..1) and squared error of the expectation."""
    count = logits.shape[-1]
    place = ops.reshape(truth, (-1, 1)) * (count - 1)
    soft = ops.maximum(1 - ops.abs(place - ops.arange(count, dtype="float32")), 0)
    entropy = ops.categorical_crossentropy(soft, logits, from_logits=True)
    return entropy + 10 * ops.square(expectation(logits) - ops.reshape(truth, (-1,)))
