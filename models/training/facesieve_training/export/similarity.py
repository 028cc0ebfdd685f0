"""Similarity thresholds of an embedding by score, and their error rates with intervals.

A pair is in the band of the lower score of its two faces. Mated pairs are of two photographs of a person;
pairs of two versions of one photograph are counted apart: the faces of a visit lie between both. Intervals
are 95 %, by the jackknife over people, because the pairs of a person are not independent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate.evaluator import unit_features

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_BINS = 4000  # of the similarities -1..1
_ROWS = 512
_NORMAL = 1.96


@dataclass(frozen=True)
class Faces:
    """Faces to compare."""

    identity: Ints
    photo: Ints
    """Number of the photograph; degraded versions have that of their original."""
    score: Floats
    embedding: NDArray[np.floating]
    """N x D, of any length."""


@dataclass(frozen=True)
class Rate:
    """An error rate with its 95 % interval."""

    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        """The rate with its interval in brackets, or a dash without pairs."""
        return "-" if np.isnan(self.rate) else f"{self.rate:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Band:
    """Thresholds and error rates of the pairs whose lower score is in a band, one for each FMR."""

    min_score: float
    thresholds: tuple[float, ...]
    pairs: tuple[int, int, int]
    """Mated, of one photograph, and non-mated."""
    fmr: tuple[Rate, ...]
    fnmr: tuple[Rate, ...]
    same_photo: tuple[Rate, ...]
    """FNMR of the pairs of one photograph."""


def bands(
    faces: Faces, starts: Sequence[float], fmrs: Sequence[float],
    thresholds: Sequence[Sequence[float]] | None = None,
) -> list[Band]:  # fmt: skip
    """Measure each band, which starts at a score; without `thresholds` they are chosen on these faces."""
    of_face = (np.digitize(faces.score, starts) - 1).astype(np.int8)
    unit = unit_features(faces.embedding.astype(np.float32))
    _, person = np.unique(faces.identity, return_inverse=True)
    nonmated = _NonMated(unit, person.astype(np.int64), of_face, len(starts))
    if thresholds is None:
        thresholds = nonmated.thresholds(fmrs)
    fmr = nonmated.rates(thresholds)
    left, right = _pairs_of_people(person)
    cosine = np.einsum("ij,ij->i", unit[left], unit[right])
    lower, one = np.minimum(of_face[left], of_face[right]), faces.photo[left] == faces.photo[right]
    found = []
    for k, start in enumerate(starts):
        rates = []
        for kind in (~one, one):
            here = (lower == k) & kind
            who, total = person[left[here]], np.bincount(person[left[here]], minlength=person.max() + 1)
            rates.append(
                tuple(
                    jackknife(np.bincount(who, cosine[here] <= t, len(total)), total) for t in thresholds[k]
                )
            )
        pairs = (int(((lower == k) & ~one).sum()), int(((lower == k) & one).sum()), nonmated.pairs(k))
        found.append(Band(float(start), tuple(thresholds[k]), pairs, fmr[k], rates[0], rates[1]))
    return found


def jackknife(errors: NDArray[np.number], totals: NDArray[np.number], shared: int = 1) -> Rate:
    """Rate of errors among pairs, which are counted by person; `shared`: people who count the same pair."""
    involved = totals > 0
    errors, totals = errors[involved].astype(np.float64), totals[involved].astype(np.float64)
    n = len(totals)
    if n < 2:
        return Rate(float("nan"), float("nan"), float("nan"))
    all_errors, all_pairs = errors.sum() / shared, totals.sum() / shared
    rate = all_errors / all_pairs
    without = (all_errors - errors) / np.maximum(all_pairs - totals, 1)
    error = _NORMAL * np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())
    if all_errors == 0:  # the rule of three, by people
        error = 3 / n
    return Rate(float(rate), float(max(0, rate - error)), float(min(1, rate + error)))


def _pairs_of_people(person: Ints) -> tuple[Ints, Ints]:
    order = np.argsort(person, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(person[order])) + 1)
    pairs = [(rows[i], rows[j]) for rows in groups for i, j in [np.triu_indices(len(rows), 1)]]
    left, right = (np.concatenate(side).astype(np.int64) for side in zip(*pairs, strict=True))
    return left, right


class _NonMated:
    """All pairs of faces of two people, by band."""

    def __init__(self, unit: NDArray[np.float32], person: Ints, band: NDArray[np.int8], count: int) -> None:
        self._unit, self._person, self._band, self._count = unit, person, band, count
        self._totals = self._pairs_by_person()

    def pairs(self, band: int) -> int:
        """Number of pairs of a band."""
        return int(self._totals[band].sum() // 2)

    def thresholds(self, fmrs: Sequence[float]) -> list[list[float]]:
        """For each band and FMR the lowest of 4,000 evenly spaced similarities that no more exceed."""
        counts = np.zeros((self._count, _BINS), np.int64)
        for _, cosine, lower, apart in self._blocks():
            place = np.clip(((cosine + 1) * (_BINS / 2)).astype(np.int32), 0, _BINS - 1)
            codes = lower[apart].astype(np.int64) * _BINS + place[apart]
            counts += np.bincount(codes, minlength=counts.size).reshape(counts.shape)
        # The number of pairs in each place or above it.
        above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        edges = np.linspace(-1, 1, _BINS + 1)
        return [
            [round(float(edges[np.searchsorted(-row, -fmr * row[0])]), 4) for fmr in fmrs] for row in above
        ]

    def rates(self, thresholds: Sequence[Sequence[float]]) -> list[tuple[Rate, ...]]:
        """For each band and threshold the share of the pairs that exceed it."""
        limits, people = np.array(thresholds, np.float32), self._totals.shape[1]
        errors = np.zeros((len(limits), limits.shape[1], people))
        for first, cosine, lower, apart in self._blocks():
            for k in range(limits.shape[1]):
                rows, columns = np.nonzero((cosine > limits[:, k][lower]) & apart)
                band = lower[rows, columns]
                np.add.at(errors[:, k], (band, self._person[first + rows]), 1)
                np.add.at(errors[:, k], (band, self._person[columns]), 1)
        return [
            tuple(jackknife(e, total, 2) for e in row)
            for row, total in zip(errors, self._totals, strict=True)
        ]

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int8], NDArray[np.bool_]]]:
        """Similarities of some rows to all faces, the band of each pair, and which pairs count here."""
        columns = np.arange(len(self._unit))
        for first in range(0, len(self._unit), _ROWS):
            rows = slice(first, first + _ROWS)
            cosine = self._unit[rows] @ self._unit.T
            lower = np.minimum(self._band[rows, None], self._band[None])
            apart = (self._person[rows, None] != self._person) & (columns > columns[rows, None])
            yield first, cosine, lower, apart

    def _pairs_by_person(self) -> Floats:
        """Bands x people: the number of pairs of the band with a face of the person."""
        faces = np.zeros((self._count, self._person.max() + 1))
        np.add.at(faces, (self._band, self._person), 1)
        others = faces.sum(axis=1, keepdims=True) - faces
        above, others_above = (np.cumsum(x[::-1], axis=0)[::-1] for x in (faces, others))
        # Both faces in the band or above it, less those that are both above it.
        both = above * others_above
        both[:-1] -= above[1:] * others_above[1:]
        return np.asarray(both)
