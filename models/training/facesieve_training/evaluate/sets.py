"""The sets of faces of an evaluation: their faces, templates and pairs."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.evaluate import pairs
from facesieve_training.evaluate.evaluator import Comparisons, similarities
from facesieve_training.evaluate.gallery import Gallery, open_gallery
from facesieve_training.evaluate.network import Embeddings, Network
from facesieve_training.evaluate.templates import Templates

log = logging.getLogger(__name__)

Kind = Literal["all", "protocol"]


@dataclass(frozen=True)
class EvaluationSet:
    """One set of faces."""

    faces: Path
    """A directory of aligned images for each identity, or the shards of `prepare`."""
    name: str | None = None
    """Name in the tables; null for the directory's."""
    limit: int | None = None
    """Number of identities, the first ones; null for all."""
    pairs: Kind | None = None
    """all: every mated pair and a sample of the others; protocol: the set's own (.bin, IJB-C's of templates,
    CFP, LFW). Default: all; protocol for a .bin, where a person has several names, and for IJB-C."""


@dataclass(frozen=True)
class Drawn:
    """A set, open, with the pairs to compare."""

    name: str
    faces: Path
    gallery: Gallery
    templates: Templates | None
    """Templates, if the set compares templates instead of faces."""
    mated: pairs.Pairs
    nonmated: pairs.Pairs

    @classmethod
    def of(cls, config: EvaluationSet, cap: int, nonmated: int, seed: list[int]) -> "Drawn":
        """Open a set and draw its pairs, at most `cap` mated ones of an identity."""
        gallery = open_gallery(config.faces, config.limit)
        own = config.pairs == "protocol" or (config.pairs is None and gallery.only_pairs())
        templates = Templates.by(gallery) if own else None
        if own:
            both = _protocol(config.faces, gallery, templates)
        else:
            rng = np.random.default_rng(seed)
            mated = pairs.mated_pairs(gallery.identity, cap, rng)
            both = mated, pairs.nonmated_pairs(gallery.identity, nonmated, rng)
        if not len(both[0]) or not len(both[1]):
            raise DataError(
                f"{config.faces}: gives {len(both[0])} mated and {len(both[1])} non-mated pairs; at least "
                "two people, and one of them with two images, are needed"
            )
        name = config.name or config.faces.resolve().name
        log.info("%s: %d mated and %d non-mated pairs of %d faces", name, *map(len, both), len(gallery))
        return cls(name, config.faces, gallery, templates, *both)

    def compare(self, embeddings: Embeddings, matcher: Network) -> Comparisons:
        """Compare the pairs by the embeddings of a matcher."""
        try:
            features = self.templates.features(embeddings) if self.templates else embeddings
            return Comparisons(
                self.templates.identity if self.templates else self.gallery.identity,
                self.mated,
                self.nonmated,
                similarities(features, self.mated),
                similarities(features, self.nonmated),
            )
        except ValueError as error:
            raise DataError(f"{matcher.file}: {error}; check its input (color, mean, std)") from error


def _protocol(faces: Path, gallery: Gallery, templates: Templates | None) -> tuple[pairs.Pairs, pairs.Pairs]:
    table = gallery.protocol()
    if table is None:
        raise DataError(f"{faces}: has no pairs of its own; use pairs: all")
    found = pairs.protocol_pairs(templates.names if templates else gallery.keys, table)
    if found.lost:
        what = "template without a face" if templates else "face that is not in the set"
        log.warning("%d of %d pairs are left out: they have a %s", found.lost, len(table), what)
    return found.mated, found.nonmated
