"""Distillation: the teacher computes embedding and norm of the same views that the student gets.

This is the consistent teacher, or function matching, of Beyer et al. 2022 (arXiv:2106.05237). A label table
has the labels of unaugmented images only, and none of blends of two faces.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from keras import layers, ops

from facesieve_training.degrade import motion_blur, occlude
from facesieve_training.faces import SIZE, Image
from facesieve_training.networks import mobileface_forward
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.student.network import FEATURE, BinsLoss

NORM = "norm"
"""The label that the teacher computes: the length of its embedding. Other labels come from the table."""
FROM_TEACHER = -1
"""Marks a target of the norm that the teacher computes."""
COARSE = (12, 90)
"""Width of a face of low resolution, pixels."""
COVERED, SMEARED = (0.15, 0.5), (3.0, 21.0)
"""Side of the occluding rectangle, relative to the face's width; length of a motion blur, pixels."""


@dataclass(frozen=True)
class Change:
    """How an image is blended with another and augmented."""

    two: float = 0.7
    """Probability of a blend of two faces, each with a weight of at least 0.1."""
    rotation: float = 15.0
    """Largest rotation, degrees."""
    scale: float = 0.15
    """Largest change of size, natural logarithm."""
    shift: float = 6.0
    """Largest shift, pixels."""
    contrast: float = 0.4
    """Largest change of contrast, natural logarithm."""
    brightness: float = 40.0
    """Largest change of brightness, grey levels."""
    grey: float = 0.15
    """Probability of a grey image."""
    coarse: float = 0.25
    """Probability of a low resolution, 12 to 90 pixels across the face."""
    covered: float = 0.0
    """Probability of an occluding rectangle of one colour."""
    smeared: float = 0.0
    """Probability of a motion blur of 3 to 21 pixels."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        chances = ("two", "grey", "coarse", "covered", "smeared")
        found = [f"{n}: {getattr(self, n)} is not in 0..1" for n in chances if not 0 <= getattr(self, n) <= 1]
        spans = ("rotation", "scale", "shift", "contrast", "brightness")
        return found + [f"{n}: {getattr(self, n)} is below 0" for n in spans if getattr(self, n) < 0]


@dataclass(frozen=True)
class Distillation(Change):
    """Blends that are added to the images of the label table; of their labels only the norm is trained."""

    blends: float = 0.25
    """Share of the images of a batch."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = super().faults()
        return found if 0 <= self.blends <= 1 else [f"blends: {self.blends} is not in 0..1", *found]


def blend(images: Image, others: Image, config: Change, rng: np.random.Generator) -> Image:
    """Blend N images with N others, and augment each."""
    return np.stack([_blend(a, b, config, rng) for a, b in zip(images, others, strict=True)])


def _blend(image: Image, other: Image, c: Change, rng: np.random.Generator) -> Image:
    if rng.random() < c.two:
        weight = float(rng.uniform(0.1, 0.9))
        image = cv2.addWeighted(image, weight, other, 1 - weight, 0)
    centre, move = (SIZE - 1) / 2, rng.uniform(-c.shift, c.shift, 2)
    if rng.random() < c.covered:
        image = occlude(image, float(rng.uniform(*COVERED)), rng.random(8))
    matrix = cv2.getRotationMatrix2D(
        (centre, centre), rng.uniform(-c.rotation, c.rotation), math.exp(rng.uniform(-c.scale, c.scale))
    )
    matrix[:, 2] += move
    image = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    gain = math.exp(rng.uniform(-c.contrast, c.contrast))
    lift = rng.uniform(-c.brightness, c.brightness) + 128 * (1 - gain)
    image = cv2.LUT(image, np.clip(np.arange(256) * gain + lift, 0, 255).astype(np.uint8))
    if rng.random() < c.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < c.smeared:
        image = motion_blur(image, float(rng.uniform(*SMEARED)), float(rng.uniform(0, 180)))
    if rng.random() < c.coarse:
        side = int(np.exp(rng.uniform(*np.log(COARSE))))
        few = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(few, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(image, np.uint8)


class TeacherEmbedding(layers.Layer):  # type: ignore[misc]
    """The teacher's embedding of N x 112 x 112 x 3 images, BGR in -1..1; never trained."""

    def __init__(self, teacher: list[Layer]) -> None:
        super().__init__(dtype="float32", trainable=False, name="taught")
        self._held = [Layer(*map(self._keep, (layer.kernel, layer.bias, layer.slope))) for layer in teacher]

    def _keep(self, values: Any) -> Any:
        if values is None:
            return None
        weight = self.add_weight(shape=values.shape, initializer="zeros", trainable=False)
        weight.assign(values)
        return weight

    def call(self, images: Any) -> Any:
        """Embed."""
        *_, values = mobileface_forward.streams(self._held, images)
        return ops.stop_gradient(mobileface_forward.embedding(self._held, values))


def length(embedding: Any) -> Any:
    """Length of N x D embeddings: N x 1."""
    return ops.sqrt(ops.sum(ops.square(embedding), axis=-1, keepdims=True))


def ranked(values: Any, knots: list[float]) -> Any:
    """N x 1 values of a label, mapped to 0..1 piecewise linearly between the knots: N x 1."""
    # Equal knots would give an infinite slope.
    steps = np.maximum.accumulate(np.asarray(knots, np.float64) + 1e-6 * np.arange(len(knots)))
    low, span = steps[:-1].astype(np.float32), np.diff(steps).astype(np.float32)
    return ops.mean(ops.clip((values - low) / span, 0, 1), axis=-1, keepdims=True)


class Ranked(layers.Layer):  # type: ignore[misc]
    """The length of N x D embeddings, mapped to the label's 0..1: N x 1."""

    def __init__(self, knots: list[float]) -> None:
        super().__init__(dtype="float32", trainable=False, name="ranked")
        self._knots = knots

    def call(self, embedding: Any) -> Any:
        """Compute the length and map it."""
        return ranked(length(embedding), self._knots)


def mean_of_views(values: Any, count: int) -> Any:
    """For each of N rows the mean of all `count` views of the same image, which are adjacent: N x D."""
    views = ops.reshape(values, (-1, count, values.shape[-1]))
    return ops.repeat(ops.mean(views, axis=1), count, axis=0)


class MeanOfViews(layers.Layer):  # type: ignore[misc]
    """`mean_of_views` as a layer."""

    def __init__(self, count: int) -> None:
        super().__init__(dtype="float32", trainable=False)
        self._count = count

    def compute_output_shape(self, shape: Any) -> Any:
        """The input's shape, which JAX cannot infer."""
        return shape

    def call(self, values: Any) -> Any:
        """Average."""
        return mean_of_views(values, self._count)


def distillation_outputs(
    outputs: dict[str, Any], inputs: Any, teacher: list[Layer], knots: list[float], views: int
) -> dict[str, Any]:
    """Append the teacher's targets to a student's embedding and norm: means over the views of an image.

    With means the student does not learn the teacher's errors under mirroring.
    """
    wanted, mean = TeacherEmbedding(teacher)(inputs), MeanOfViews(views)
    beside = {FEATURE: mean(wanted), NORM: mean(Ranked(knots)(wanted))}
    return outputs | {n: layers.Concatenate(dtype="float32")([outputs[n], beside[n]]) for n in beside}


def feature_loss(_: Any, outputs: Any) -> Any:
    """Mean squared error of the first half of N x 2D values to the second."""
    mine, wanted = ops.split(outputs, 2, axis=-1)
    return ops.mean(ops.square(mine - wanted), axis=-1)


class NormLoss:
    """BinsLoss with the teacher's target, the last of N x (bins + 1) values, where the truth is
    FROM_TEACHER.
    """

    def __init__(self, bins: BinsLoss) -> None:
        self._bins = bins

    def __call__(self, truth: Any, outputs: Any) -> Any:
        """Return the loss of each row."""
        truth = ops.reshape(truth, (-1, 1))
        return self._bins(ops.where(truth < 0, outputs[:, -1:], truth), outputs[:, :-1])
