"""Interface of a teacher: it embeds faces, and runs its last layer separately."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """The teacher's outputs for N faces."""

    embedding: Floats
    """N x D, not normalised."""
    cut: Floats
    """N x K, the values before the last layer, where dropout masks go."""
    low: Floats
    """N x L, the low-level feature, flattened."""


class Teacher(Protocol):
    """A recognition network that labels faces."""

    cut_width: int
    """K, the width of a dropout mask."""

    def __call__(self, images: Image) -> Features:
        """Embed N x 112 x 112 x 3 aligned faces, BGR uint8."""

    def embed_cut(self, cut: Floats) -> Floats:
        """Run the last layer alone on N x K values of the cut; returns N x D."""
