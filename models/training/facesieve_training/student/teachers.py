"""What the teachers tell of images as they are seen: the labels that the stage `label` would give them.

So a student can learn them of images that no table holds: views, blends, and what a camera leaves of them.
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
from facesieve_training.student.distillation import NORM, length

AGREEMENT, ROBUSTNESS = "agreement", "robustness"


@dataclass(frozen=True)
class Teachers:
    """Those who labelled a table."""

    layers: list[Layer]
    """Of the first, a MobileFaceNet."""
    masks: NDArray[np.float32]
    """Dropout before its last layer, masks x values."""
    normalise: bool = True
    """Scale embeddings to length 1 before the masks' are compared."""
    lightqnet: LightQNet | None = None

    @classmethod
    def of(cls, config: label_stage.Config, layers: list[Layer]) -> "Teachers":
        """The teachers of a label run; layers are those of its first teacher."""
        m = config.masks
        masks = formulas.masks(m.count, layers[-1].kernel.shape[0], m.rate, config.seed)
        return cls(layers, masks, m.normalise, _lightqnet(config.lightqnet) if config.lightqnet else None)

    def predict(self, faces: Any, others: Any) -> tuple[Any, dict[str, Any]]:
        """Embeddings [N,D] of N x 112 x 112 x 3 faces, BGR 0..255, and labels, each [N,1]; others [N,D]
        is the mean of the unit embeddings of other images of each one's person.
        """
        *_, values = mobileface_forward.streams(self.layers, scaled(faces))
        embedding = mobileface_forward.embedding(self.layers, values)
        cosine = ops.sum(ops.normalize(embedding, axis=-1) * others, axis=-1, keepdims=True)
        labels = {NORM: length(embedding), ROBUSTNESS: self._robustness(values), AGREEMENT: (cosine + 1) / 2}
        if self.lightqnet:
            labels[LIGHTQNET] = lightqnet.score(self.lightqnet, faces)[:, None]
        return embedding, labels

    def _robustness(self, values: Any) -> Any:
        """As `formulas.robustness` has it, of the embeddings under all masks."""
        count, width = self.masks.shape
        dropped = ops.reshape(values, (-1, 1, width)) * self.masks
        embedded = ops.reshape(
            mobileface_forward.embedding(self.layers, dropped), (-1, count, self.layers[-1].kernel.shape[1])
        )
        embedded = ops.normalize(embedded, axis=-1) if self.normalise else embedded
        squares = ops.sum(ops.square(embedded), axis=-1)
        products = ops.einsum("nid,njd->nij", embedded, embedded)
        between = squares[:, :, None] + squares[:, None, :] - 2 * products
        # Of one pair each, so half of all; rounding must not leave a root of less than nothing.
        apart = ops.sqrt(ops.maximum(between, 0)) * (1 - np.eye(count, dtype=np.float32))
        return (2 * ops.sigmoid(-ops.sum(apart, axis=(1, 2)) / count**2))[:, None]


def _lightqnet(file: Path) -> LightQNet:
    try:
        return lightqnet.read(file)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: cannot tell what it tells of views; give the label run LightQNet's published file, or "
            f"none: {error}"
        ) from error


def of_others(embeddings: NDArray[np.floating], identity: NDArray[np.integer]) -> NDArray[np.float32]:
    """For each of N x D embeddings the mean of the unit ones of the same person's other images, N x D; NaN
    where there is none.
    """
    unit = formulas.unit_rows(embeddings.astype(np.float32))
    people = int(identity.max()) + 1
    sums = np.zeros((people, unit.shape[1]), np.float64)
    np.add.at(sums, identity, unit)
    others = np.bincount(identity, minlength=people)[identity] - 1
    means = np.full(unit.shape, np.nan, np.float32)
    some = others > 0
    means[some] = (sums[identity[some]] - unit[some]) / others[some, None]
    return means
