"""The recomputed convention against its definition, pair by pair."""

import numpy as np

from facesieve_training.evaluate import edc
from facesieve_training.evaluate.edc import Discard, Floats, Ints
from facesieve_training.evaluate.recomputed import Mated, NonMated

FRACTIONS = np.array([0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.55, 0.9])
NOBODY: Ints = np.zeros(0, np.int64)


def naive_recomputed(
    mated: tuple[Floats, Floats], nonmated: tuple[Floats, Floats], fmr: float, fraction: float
) -> float:
    """Without ties: drop pairs below the cut-off one by one, then the definition."""
    quality, similarity = mated
    dropped = int(np.floor(fraction * len(quality) + 1e-9))
    order: Ints = np.argsort(quality)
    cut = quality[order[dropped - 1]] if dropped else -np.inf
    left = nonmated[1][nonmated[0] > cut]
    threshold = np.sort(left)[::-1][int(fmr * len(left))]
    return float(np.mean(similarity[order[dropped:]] <= threshold))


def test_recomputed_equals_definition_without_ties() -> None:
    rng = np.random.default_rng(3)
    mated = (rng.random(200), rng.normal(1, 1, 200))
    nonmated = (rng.random(3000), rng.normal(-1, 1, 3000))
    drawn = NonMated.by(*nonmated, top=1000).weighted(NOBODY, NOBODY)
    got = Mated(Discard.by(mated[0]), *mated).fnmr(drawn, 0.03, FRACTIONS)
    expected = [naive_recomputed(mated, nonmated, 0.03, f) for f in FRACTIONS]
    np.testing.assert_allclose(got, expected)


def test_recomputed_with_everything_tied_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    similarity, other = rng.normal(1, 1, 300), rng.normal(-1, 1, 5000)
    drawn = NonMated.by(np.zeros(5000), other).weighted(NOBODY, NOBODY)
    got = Mated(Discard.by(np.zeros(300)), np.zeros(300), similarity).fnmr(drawn, 0.01, FRACTIONS)
    np.testing.assert_allclose(got, np.mean(similarity <= edc.threshold_at(other, 0.01)), atol=0.005)


def test_counts_equal_repeated_pairs() -> None:
    rng = np.random.default_rng(6)
    left, right = rng.integers(0, 10, 500), rng.integers(10, 20, 500)
    quality, similarity = rng.random(500), rng.normal(0, 1, 500)
    counts = rng.integers(0, 3, 20).astype(float)
    repeated = np.repeat(np.arange(500), (counts[left] * counts[right]).astype(int))
    plain = NonMated.by(quality[repeated], similarity[repeated]).weighted(NOBODY, NOBODY)
    drawn = NonMated.by(quality, similarity).weighted(left, right, counts)
    for cut in (-np.inf, 0.2, 0.7):
        assert drawn.threshold(0.05, cut, 0.0) == plain.threshold(0.05, cut, 0.0)
