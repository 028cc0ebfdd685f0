"""EDC with the threshold recomputed after every discard, as in some published code; defined in edc.py."""

from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate.edc import Discard, Floats, Ints, kept, threshold_of_top


@dataclass(frozen=True)
class NonMated:
    """Non-mated pairs ordered once by similarity and once by one score's quality, for many replicates."""

    similarity: Floats
    """Of the most similar pairs, falling."""
    quality: Floats
    """Pair quality of the most similar pairs, in the same order."""
    rising: Floats
    """Pair quality of all pairs, sorted."""
    _top: Ints
    _by_quality: Ints

    @classmethod
    def by(cls, quality: Floats, similarity: Floats, top: int | None = None) -> "NonMated":
        """Order these pairs; only the `top` most similar may become thresholds, None: all."""
        falling = _largest(similarity, len(similarity) if top is None else min(top, len(similarity)))
        rising = np.argsort(quality, kind="stable")
        return cls(similarity[falling], quality[falling], quality[rising], falling, rising)

    def weighted(self, left: Ints, right: Ints, counts: Floats | None = None) -> "Drawn":
        """Weight each pair by the product of its identities' counts; without counts, by 1."""
        if counts is None:
            return Drawn(self, np.ones(len(self._top)), np.arange(len(self.rising) + 1, dtype=np.float64))
        ordered = counts[left[self._by_quality]] * counts[right[self._by_quality]]
        mass = np.concatenate(([0.0], np.cumsum(ordered, dtype=np.float64)))
        return Drawn(self, counts[left[self._top]] * counts[right[self._top]], mass)


@dataclass(frozen=True)
class Drawn:
    """Non-mated pairs with the weights of one replicate."""

    pairs: NonMated
    weights: Floats
    """Of the most similar pairs."""
    mass: Floats
    """Summed weight of the 0, 1, 2, ... pairs of lowest quality."""

    def threshold(self, fmr: float, cut: float, share: float) -> float:
        """Threshold that gives this FMR on the pairs that remain after `Discard.cut`; NaN if none remain."""
        low = np.searchsorted(self.pairs.rising, cut, "left")
        high = np.searchsorted(self.pairs.rising, cut, "right")
        total = float(self.mass[-1] - self.mass[low] - share * (self.mass[high] - self.mass[low]))
        if total <= 0:
            return float("nan")
        left = kept(self.pairs.quality, cut, share) * self.weights
        if left.sum() < fmr * total and len(left) < len(self.pairs.rising):
            raise ValueError(f"{len(left)} most similar pairs are too few for the threshold at FMR {fmr:g}")
        return threshold_of_top(self.pairs.similarity, left, total, fmr)


def _largest(values: Floats, count: int) -> Ints:
    """Indices of the `count` largest values, largest first."""
    if count >= len(values):
        return np.argsort(-values, kind="stable")
    part = np.argpartition(-values, count)[:count]
    return part[np.argsort(-values[part], kind="stable")]


@dataclass(frozen=True)
class Mated:
    """Mated pairs in the order of one score."""

    discard: Discard
    quality: Floats
    similarity: Floats

    def fnmr(self, drawn: Drawn, fmr: float, fractions: Floats, weights: Floats | None = None) -> Floats:
        """FNMR after dropping each fraction of the pairs, with a recomputed threshold."""
        rates = np.full(len(fractions), np.nan)
        for i, fraction in enumerate(fractions):
            cut, share = self.discard.cut(float(fraction), weights)
            threshold = drawn.threshold(fmr, cut, share)
            left = kept(self.quality, cut, share) * (1.0 if weights is None else weights)
            total = left.sum()
            if total > 0 and not np.isnan(threshold):
                rates[i] = left[self.similarity <= threshold].sum() / total
        return rates
