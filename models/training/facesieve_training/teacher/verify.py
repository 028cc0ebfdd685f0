"""Verification accuracy of a network on pairs in ten folds: the protocol of LFW (view 2)."""

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.evaluate.edc import threshold_at
from facesieve_training.evaluate.evaluator import similarities
from facesieve_training.evaluate.gallery import Gallery, open_gallery
from facesieve_training.evaluate.pairs import Pairs
from facesieve_training.faces import Image
from facesieve_training.prepare.readers.lfw import Lfw
from facesieve_training.prepare.shards import INDEX, Shards
from facesieve_training.prepare.source import Pair

log = logging.getLogger(__name__)

_FOLDS = 10
_BATCH = 64
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Verify:
    """Pairs of faces of people outside the training set."""

    faces: Path
    """Directory of faces by identity, or one that `prepare` wrote."""
    pairs: Path | None = None
    """LFW's pairs.txt; null to use the protocol that `prepare` wrote beside the faces."""


class Verifier:
    """The pairs with their faces; created once, called after every epoch."""

    def __init__(self, config: Verify) -> None:
        """Read the protocol and find its faces; pairs with a missing face are left out and logged."""
        self._gallery: Gallery = open_gallery(config.faces)
        row_of = {key: row for row, key in enumerate(self._gallery.keys)}
        listed = list(_pairs(config))
        kept = [pair for pair in listed if pair.left in row_of and pair.right in row_of]
        mated = sum(pair.mated for pair in kept)
        if min(mated, len(kept) - mated) < 2:
            raise DataError(
                f"{config.pairs or config.faces}: of {len(listed)} pairs {len(kept)} have their faces in "
                f"{config.faces}; at least two mated and two non-mated ones are needed"
            )
        if len(kept) < len(listed):
            log.warning(
                "%d of %d pairs are left out: a face is missing", len(listed) - len(kept), len(listed)
            )
        found = np.array([(row_of[pair.left], row_of[pair.right]) for pair in kept], np.int64)
        self._rows, at = np.unique(found, return_inverse=True)
        at = at.reshape(found.shape)
        self._pairs = Pairs(at[:, 0], at[:, 1])
        self._mated = np.array([pair.mated for pair in kept])

    def __call__(self, embed: Callable[[Image], NDArray[np.float32]]) -> dict[str, float]:
        """Embed the faces; return the balanced accuracy over the folds, 0..1, its standard error, and the
        share of the mated pairs that match at FMR 1e-3.
        """
        parts = []
        with tqdm(total=len(self._rows), desc="verify", unit="face", leave=False, disable=None) as bar:
            for start in range(0, len(self._rows), _BATCH):
                rows = self._rows[start : start + _BATCH]
                parts.append(embed(self._gallery.read(rows).aligned))
                bar.update(len(rows))
        cosine = similarities(np.concatenate(parts), self._pairs)
        mean, error = accuracy(cosine, self._mated)
        matched = cosine[self._mated] > threshold_at(cosine[~self._mated], 1e-3)
        return {
            "accuracy_pairs": mean,
            "accuracy_pairs_error": error,
            "tar_pairs": float(matched.mean()),
        }


def accuracy(similarity: NDArray[np.float64], mated: Bools) -> tuple[float, float]:
    """Mean and standard error, over ten folds in order, of the balanced accuracy at the best threshold of the
    other nine.

    Balanced: the mean of the rates of correct decisions on mated and on non-mated pairs, 0.5 for a network
    that separates nothing, whatever the shares of both. Each fold has a tenth of both kinds; for LFW, which
    has as many of each, folds and accuracy are those of its protocol.
    """
    kinds = np.flatnonzero(mated), np.flatnonzero(~mated)
    count = min(_FOLDS, *(len(kind) for kind in kinds))
    folds = [
        np.concatenate(parts) for parts in zip(*(np.array_split(kind, count) for kind in kinds), strict=True)
    ]
    accuracies = []
    for fold in folds:
        rest = np.delete(np.arange(len(mated)), fold)
        threshold = best_threshold(similarity[rest], mated[rest])
        accepted, true = similarity[fold] > threshold, mated[fold]
        accuracies.append((accepted[true].mean() + (~accepted[~true]).mean()) / 2)
    return float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(count))


def best_threshold(similarity: NDArray[np.float64], mated: Bools) -> float:
    """Threshold of the highest balanced accuracy, halfway between two similarities; the lowest of equals."""
    order = np.argsort(similarity)
    values, is_mated = similarity[order], mated[order]
    # Rates of correct decisions, times two, when the first k are non-mated; a threshold cannot separate equal
    # values. Products of whole numbers, because sums of fractions would decide between equals by rounding.
    positives, negatives = int(is_mated.sum()), int((~is_mated).sum())
    rejected = np.concatenate([[0], np.cumsum(~is_mated)])
    accepted = positives - np.concatenate([[0], np.cumsum(is_mated)])
    right = rejected * positives + accepted * negatives
    cuts = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
    right[1:-1][values[1:] == values[:-1]] = -1
    return float(cuts[np.argmax(right)])


def _pairs(config: Verify) -> Iterator[Pair]:
    if config.pairs:
        yield from Lfw(config.faces, config.pairs).pairs()
        return
    table = Shards(config.faces).pairs() if (config.faces / INDEX).exists() else None
    if table is None:
        raise DataError(
            f"{config.faces}: has no protocol beside its faces; name LFW's pairs.txt in verify.pairs"
        )
    yield from itertools.starmap(Pair, zip(table["left"], table["right"], table["mated"], strict=True))
