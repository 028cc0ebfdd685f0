"""An exported student on the held-out people: the basis of calibration, weights, FNMR and parity."""

from dataclasses import dataclass
from math import ceil

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.evaluate import edc
from facesieve_training.evaluate.evaluator import similarities
from facesieve_training.evaluate.network import Network, Runner, session
from facesieve_training.evaluate.pairs import Pairs, mated_pairs, nonmated_pairs
from facesieve_training.export.similarity import Rate, jackknife
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.student import data
from facesieve_training.student.network import expectation
from facesieve_training.student.stage import predict

Floats = NDArray[np.float64]
_CAP, _NONMATED, _CHUNK = 200, 1_000_000, 256
# Pairs above the threshold for a reliable one, as in the stage evaluate.
_RELIABLE = 30
LEAST_PAIRS = 200
"""Mated pairs for a point of the curve of FNMR over the score."""
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class HeldOut:
    """The held-out people's images, clean and degraded, with their data."""

    rows: NDArray[np.int64]
    identity: NDArray[np.int64]
    clean: NDArray[np.bool_]
    image: NDArray[np.int64]
    """Number of the file: a degraded version has that of its original."""
    embedding: NDArray[np.float32]
    """The matcher's embeddings."""


def gather(labels: data.Labels, images: data.Images, rows: NDArray[np.int64], matcher: Network) -> HeldOut:
    """Embed the held-out images with the matcher."""
    run = Runner(session(matcher.file))
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    parts = [
        run(matcher.prepared(images[chunk]))
        for chunk in tqdm(chunks, desc="matcher", unit="chunk", disable=None)
    ]
    names = [f"{labels.identity[row]}/{labels.file[int(row)]}" for row in rows]
    _, image = np.unique(names, return_inverse=True)
    identity = labels.identity[rows].astype(np.int64)
    return HeldOut(rows, identity, labels.variant[rows] == 0, image, np.concatenate(parts))


def float_labels(model: keras.Model, images: data.Images, rows: NDArray[np.int64]) -> Floats:
    """Predict the labels with the float network, N x labels."""
    return predict(model, images, rows).astype(np.float64)


def int8_outputs(
    network: Int8Network, images: data.Rows, rows: NDArray[np.int64], count: int
) -> tuple[Floats, NDArray[np.float32]]:
    """Predict the labels, N x count, with the int8 network; the second array has its outputs after those."""
    labels, others = [np.zeros((0, count))], []
    for first in tqdm(range(0, len(rows), _CHUNK), desc="int8", unit="chunk", disable=None):
        outputs = [network.run(face) for face in images[rows[first : first + _CHUNK]]]
        logits = [np.concatenate(each) for each in list(zip(*outputs, strict=True))[:count]]
        labels.append(np.stack([np.asarray(expectation(some), np.float64) for some in logits], axis=1))
        others += [np.concatenate([_NOTHING, *(o.ravel() for o in out[count:])]) for out in outputs]
    return np.concatenate(labels), np.array(others)


@dataclass(frozen=True)
class Comparisons:
    """Mated pairs of the held-out people with their similarity, and the threshold of one FMR."""

    probe: NDArray[np.int64]
    reference: NDArray[np.int64]
    """Positions in HeldOut; the reference is always clean."""
    similarity: Floats
    threshold: float
    identity: NDArray[np.int64]
    """Person of each pair."""
    nonmated: int
    """Non-mated pairs that gave the threshold."""

    @property
    def fnmr(self) -> Rate:
        """FNMR without discard, with its 95 % interval over people."""
        return jackknife(np.bincount(self.identity, self.errors), np.bincount(self.identity))

    @property
    def errors(self) -> NDArray[np.bool_]:
        """Pairs that do not match."""
        return np.asarray(self.similarity <= self.threshold)

    def area(self, quality: Floats, limit: float = 0.3) -> float:
        """Relative area under the error-versus-discard curve; the pair's quality is the lower one."""
        lower = edc.pair_quality(quality, self.probe, self.reference)
        return edc.Discard.by(lower).area(self.errors, limit)


def compare(held: HeldOut, fmr: float, degraded: bool, seed: int) -> Comparisons:
    """Compare every clean (or, with degraded, every) image with the other clean ones of its identity.

    The threshold comes from a million pairs of two identities, drawn in the same way, without discard.
    """
    rng = np.random.default_rng([seed, 3])
    usable = np.flatnonzero(held.clean | degraded)
    mated = _ordered(mated_pairs(held.identity[usable], _CAP, rng), usable, held)
    nonmated = _ordered(nonmated_pairs(held.identity[usable], _NONMATED, rng), usable, held)
    threshold = edc.threshold_at(similarities(held.embedding, nonmated), fmr)
    return Comparisons(
        mated.left,
        mated.right,
        similarities(held.embedding, mated),
        threshold,
        held.identity[mated.left],
        len(nonmated),
    )


def check(identity: NDArray[np.int64], fmr: float, knots: int) -> None:
    """Raise DataError if these people, one entry a clean image, are too few for calibration and threshold."""
    faces = np.unique(identity, return_counts=True)[1]
    several = int((faces > 1).sum())
    mated = int((faces * (faces - 1)).sum()) // 2
    nonmated = (len(identity) ** 2 - int((faces**2).sum())) // 2
    needed = ceil(1 / fmr)
    if nonmated >= needed and several > 1 and len(identity) >= knots:
        return
    raise DataError(
        f"{len(faces)} people are held out, with {len(identity):,} clean faces, {mated:,} mated pairs of "
        f"{several} people and {nonmated:,} non-mated pairs; needed are at least {knots} faces for {knots} "
        f"knots, mated pairs of two people, and {needed:,} non-mated pairs for FMR {fmr:g} "
        f"({ceil(_RELIABLE / fmr):,} for a reliable threshold)"
        ": hold out more people (held_out of the stage student), or set fmr higher and knots lower"
    )


def warnings(pairs: Comparisons, fmr: float) -> list[str]:
    """What makes the figures of these comparisons unreliable."""
    found, above = [], int(fmr * pairs.nonmated + 1e-9)
    if above < _RELIABLE:
        found.append(
            f"The threshold at FMR {fmr:g} rests on {above} of {pairs.nonmated:,} non-mated pairs; "
            f"{ceil(_RELIABLE / fmr):,} are needed for {_RELIABLE}."
        )
    if len(pairs.similarity) < LEAST_PAIRS:
        found.append(f"The FNMR rests on {len(pairs.similarity)} mated pairs; {LEAST_PAIRS} are needed.")
    if not pairs.errors.any():
        found.append(f"No mated pair fails at FMR {fmr:g}: the relative area (pauc) has no value.")
    return found


def _ordered(pairs: Pairs, usable: NDArray[np.int64], held: HeldOut) -> Pairs:
    """Order each pair with the clean image second; pairs without a clean image, or of one image, are
    dropped.
    """
    left, right = usable[pairs.left], usable[pairs.right]
    swap = held.clean[left] & ~held.clean[right]
    probe, reference = np.where(swap, right, left), np.where(swap, left, right)
    good = held.clean[reference] & (held.image[probe] != held.image[reference])
    return Pairs(probe[good], reference[good])
