"""ArcFace (Deng et al. 2019, arXiv:1801.07698): softmax with an angular margin for the true class."""

import math
from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("facesieve")
class Cosines(layers.Layer):  # type: ignore[misc]
    """Cosines between features (N x D) and the direction of each class: N x classes, in -1..1."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the directions, D x classes."""
        self.kernel = self.add_weight(
            shape=(shape[-1], self.classes), initializer="glorot_normal", name="kernel"
        )

    def call(self, feature: Any) -> Any:
        """Compute the cosines."""
        return ops.matmul(ops.normalize(feature, axis=-1), ops.normalize(self.kernel, axis=0))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of a copy."""
        return {**super().get_config(), "classes": self.classes}


def arcface(margin: float, scale: float) -> Any:
    """Loss of N x classes cosines: cross entropy of scale * cos(angle), with the true class's angle increased
    by margin.

    Where angle + margin exceeds pi, cos would rise again; there the authors' code uses
    cos(angle) - margin * sin(margin), which continues to fall.
    """
    cos_m, sin_m = math.cos(margin), math.sin(margin)

    def loss(truth: Any, cosines: Any) -> Any:
        classes = cosines.shape[-1]
        right = ops.cast(ops.one_hot(ops.reshape(truth, (-1,)), classes), cosines.dtype)
        cosine = ops.clip(ops.sum(right * cosines, axis=-1, keepdims=True), -1 + 1e-6, 1 - 1e-6)
        moved = cosine * cos_m - ops.sqrt(1 - ops.square(cosine)) * sin_m
        moved = ops.where(cosine > -cos_m, moved, cosine - sin_m * margin)
        logits = scale * (cosines + right * (moved - cosine))
        return ops.sparse_categorical_crossentropy(ops.reshape(truth, (-1,)), logits, from_logits=True)

    return loss
