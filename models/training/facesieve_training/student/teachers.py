"""The teachers as functions of images: the same labels as those of the stage `label`.

A student can be trained with them on images that are in no label table: views, blends and degraded images.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.label import formulas
from facesieve_training.label import stage as label_stage
from facesieve_training.label.table import LIGHTQNET
from facesieve_training.networks import lightqnet, mobileface_forward
from facesieve_training.networks.lightqnet import LightQNet
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.networks.pixels import scaled

AGREEMENT, NORM, ROBUSTNESS = "agreement", "norm", "robustness"


@dataclass(frozen=True)
class Teachers:
    """The teachers that labelled a table."""

    layers: list[Layer]
    """Layers of the first teacher, a MobileFaceNet."""
    masks: NDArray[np.float32]
    """Dropout masks before its last layer, masks x values."""
    normalise: bool = True
    """Scale embeddings to length 1 before comparing those of the masks."""
    lightqnet: LightQNet | None = None

    @classmethod
    def of(cls, config: label_stage.Config, layers: list[Layer]) -> "Teachers":
        """The teachers of a label run; layers are those of its first teacher."""
        m = config.masks
        masks = formulas.masks(m.count, layers[-1].kernel.shape[0], m.rate, config.seed)
        return cls(layers, masks, m.normalise, _lightqnet(config.lightqnet) if config.lightqnet else None)

    def predict(self, faces: Any, others: Any) -> tuple[Any, dict[str, Any]]:
        """Embeddings [N,D] of N x 112 x 112 x 3 faces, BGR 0..255, and labels, each [N,1].

        others [N,D]: mean unit embedding of the person's other images.
        """
        *_, values = mobileface_forward.streams(self.layers, scaled(faces))
        embedding = mobileface_forward.embedding(self.layers, values)
        cosine = ops.sum(ops.normalize(embedding, axis=-1) * others, axis=-1, keepdims=True)
        labels = {NORM: length(embedding), ROBUSTNESS: self._robustness(values), AGREEMENT: (cosine + 1) / 2}
        if self.lightqnet:
            labels[LIGHTQNET] = lightqnet.score(self.lightqnet, faces)[:, None]
        return embedding, labels

    def _robustness(self, values: Any) -> Any:
        """`formulas.robustness` of the embeddings under all masks."""
        count, width = self.masks.shape
        dropped = ops.reshape(values, (-1, 1, width)) * self.masks
        embedded = ops.reshape(
            mobileface_forward.embedding(self.layers, dropped), (-1, count, self.layers[-1].kernel.shape[1])
        )
        embedded = ops.normalize(embedded, axis=-1) if self.normalise else embedded
        squares = ops.sum(ops.square(embedded), axis=-1)
        products = ops.einsum("nid,njd->nij", embedded, embedded)
        between = squares[:, :, None] + squares[:, None, :] - 2 * products
        # Each pair occurs twice, hence half of the sum. Rounding can make a square slightly negative.
        apart = ops.sqrt(ops.maximum(between, 0)) * (1 - np.eye(count, dtype=np.float32))
        return (2 * ops.sigmoid(-ops.sum(apart, axis=(1, 2)) / count**2))[:, None]


def _lightqnet(file: Path) -> LightQNet:
    try:
        return lightqnet.read(file)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: is not LightQNet's published file; label with that file or without lightqnet: {error}"
        ) from error


def of_others(embeddings: NDArray[np.floating], identity: NDArray[np.integer]) -> NDArray[np.float32]:
    """Mean unit embedding of the same person's other images, for each of N x D embeddings; NaN if none."""
    unit = formulas.unit_rows(embeddings.astype(np.float32))
    people = int(identity.max()) + 1
    sums = np.zeros((people, unit.shape[1]), np.float64)
    np.add.at(sums, identity, unit)
    others = np.bincount(identity, minlength=people)[identity] - 1
    means = np.full(unit.shape, np.nan, np.float32)
    some = others > 0
    means[some] = (sums[identity[some]] - unit[some]) / others[some, None]
    return means


def length(embedding: Any) -> Any:
    """Length of N x D embeddings: N x 1."""
    return ops.sqrt(ops.sum(ops.square(embedding), axis=-1, keepdims=True))


def ranked(values: Any, knots: list[float]) -> Any:
    """N x 1 values of a label, mapped to 0..1 piecewise linearly between the knots: N x 1."""
    # Equal knots would give an infinite slope.
    steps = np.maximum.accumulate(np.asarray(knots, np.float64) + 1e-6 * np.arange(len(knots)))
    low, span = steps[:-1].astype(np.float32), np.diff(steps).astype(np.float32)
    return ops.mean(ops.clip((values - low) / span, 0, 1), axis=-1, keepdims=True)


def mean_of_views(values: Any, count: int) -> Any:
    """For each of N rows the mean of all `count` views of the same image, which are adjacent: N x D."""
    views = ops.reshape(values, (-1, count, values.shape[-1]))
    return ops.repeat(ops.mean(views, axis=1), count, axis=0)
