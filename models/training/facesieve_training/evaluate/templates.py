"""Templates: several images of a person that are compared as one item, as in IJB-C's protocol.

feature   of each image scaled to length 1; the mean over the images of a medium (the frames of a video),
          then the mean over the media, so that a long video counts no more than a photograph;
          scaled to length 1 again
quality   the mean over the template's images, of those that have one; NaN where none has

Images that `prepare` rejected are missing from their template; a template without images is left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.evaluate.edc import Floats, Ints
from facesieve_training.evaluate.evaluator import unit_features
from facesieve_training.evaluate.gallery import Gallery

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Templates:
    """Which images of a gallery make up each template."""

    names: list[str]
    identity: Ints
    """Of each template, as the gallery numbers people."""
    of: Ints
    """Template of each image."""
    medium: Ints
    """Medium of each image; no medium is shared by two templates."""

    @classmethod
    def by(cls, gallery: Gallery) -> "Templates | None":
        """The templates of a gallery's images, or None for a gallery without templates."""
        if gallery.templates is None:
            return None
        names, first, of = np.unique(gallery.templates, return_index=True, return_inverse=True)
        identity = gallery.identity[first]
        strange = np.flatnonzero(identity[of] != gallery.identity)
        if len(strange):
            raise DataError(f"template {names[of[strange[0]]]} holds faces of two people; fix its tables")
        # An image of an unknown medium counts as a separate medium.
        media = [m or f"\0{row}" for row, m in enumerate(gallery.media)]
        _, medium = np.unique([f"{t}\0{m}" for t, m in zip(of, media, strict=True)], return_inverse=True)
        return cls(names.tolist(), identity, of.astype(np.int64), medium.astype(np.int64))

    def __len__(self) -> int:
        """Number of templates."""
        return len(self.names)

    def features(self, embeddings: Features) -> Features:
        """One feature of length 1 per template, from one embedding per image."""
        media = _means(unit_features(embeddings), self.medium)
        template = np.zeros(len(media), np.int64)
        template[self.medium] = self.of
        return unit_features(_means(media, template))

    def quality(self, quality: Floats) -> Floats:
        """One quality per template, from one per image."""
        finite = ~np.isnan(quality)
        sums = np.bincount(self.of, np.where(finite, quality, 0.0), len(self))
        counts = np.bincount(self.of, finite, len(self))
        means: Floats = np.divide(sums, counts, out=np.full(len(self), np.nan), where=counts > 0)
        return means

    def best(self, quality: Floats, template: int) -> int:
        """The image of a template that has the highest quality."""
        rows = np.flatnonzero(self.of == template)
        return int(rows[np.argmax(np.nan_to_num(quality[rows], nan=-np.inf))])


def _means(values: Features, group: Ints) -> Features:
    """Mean of the rows of each group, groups numbered 0, 1, 2, ... without a gap."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return np.asarray(np.add.reduceat(values[order], starts) / counts[:, None], np.float32)
