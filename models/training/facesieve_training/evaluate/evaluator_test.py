"""Pairs, bootstrap and evaluator on generated similarities."""

import numpy as np
import pytest

from facesieve_training.evaluate import bootstrap, edc
from facesieve_training.evaluate.evaluator import Comparisons, Evaluator, Rules, similarities
from facesieve_training.evaluate.pairs import Pairs, mated_pairs, nonmated_pairs

RULES = Rules(fmrs=[1e-2, 1e-3], replicates=60, recomputed_replicates=20)


def test_all_mated_pairs_up_to_the_cap() -> None:
    identity = np.array([3, 1, 3, 3, 2, 1])
    pairs = mated_pairs(identity, 10, np.random.default_rng(1))
    assert sorted(zip(pairs.left, pairs.right, strict=True)) == [(0, 2), (0, 3), (1, 5), (2, 3)]
    capped = mated_pairs(np.zeros(30, np.int64), 50, np.random.default_rng(1))
    assert len(set(zip(capped.left, capped.right, strict=True))) == 50


@pytest.mark.parametrize(
    ("people", "count", "expected"), [(40, 300, 300), (4, 10_000, 4 * 3 // 2 * 25), (90, 3000, 3000)]
)
def test_nonmated_pairs_are_different_people_and_no_pair_twice(
    people: int, count: int, expected: int
) -> None:
    identity = np.repeat(np.arange(people), 5)
    pairs = nonmated_pairs(identity, count, np.random.default_rng(2))
    assert len(pairs) == expected == len(set(zip(pairs.left, pairs.right, strict=True)))
    assert (identity[pairs.left] != identity[pairs.right]).all()
    assert (pairs.left < pairs.right).all()


def test_similarities_are_cosines() -> None:
    vectors = np.array([[3, 0], [0, 2], [1, 1]], np.float32)
    pairs = Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]))
    np.testing.assert_allclose(similarities(vectors, pairs, chunk=2), [0, 0.5**0.5, 0.5**0.5], atol=1e-6)
    vectors[1] = np.nan
    with pytest.raises(ValueError, match="1 embeddings are zero or not finite, the first in row 1"):
        similarities(vectors, pairs)


@pytest.fixture(scope="module")
def generated() -> tuple[Comparisons, np.ndarray]:
    """Faces whose quality lowers the similarity of their mated pairs."""
    rng = np.random.default_rng(3)
    identity = np.repeat(np.arange(120), 4)
    quality = rng.random(len(identity))
    mated = mated_pairs(identity, 200, rng)
    nonmated = nonmated_pairs(identity, 20_000, rng)
    lower = np.minimum(quality[mated.left], quality[mated.right])
    return Comparisons(
        identity, mated, nonmated, rng.normal(0.3 + 0.5 * lower, 0.15), rng.normal(0, 0.1, len(nonmated))
    ), quality


def test_a_good_score_beats_random_and_lies_in_its_interval(
    generated: tuple[Comparisons, np.ndarray],
) -> None:
    comparisons, quality = generated
    evaluator = Evaluator(comparisons, RULES, np.random.default_rng(4))
    good = evaluator.curves(quality)
    useless = evaluator.curves(np.random.default_rng(5).random(len(quality)))
    assert [(c.convention, c.fmr) for c in good] == [
        (edc.FIXED, 1e-2), (edc.FIXED, 1e-3), (edc.RECOMPUTED, 1e-2), (edc.RECOMPUTED, 1e-3)
    ]  # fmt: skip
    for ours, theirs in zip(good, useless, strict=True):
        assert ours.area_low <= ours.area <= ours.area_high < theirs.area_low
        assert theirs.area_low < 1 < theirs.area_high
        assert (np.diff(ours.points) < 0).all()
        assert (ours.points_low <= ours.points).all()
        assert (ours.points <= ours.points_high).all()
        assert ours.points[0] == pytest.approx(np.mean(comparisons.mated_similarity <= ours.threshold))


def test_the_best_possible_curve_drops_the_errors_first(generated: tuple[Comparisons, np.ndarray]) -> None:
    evaluator = Evaluator(generated[0], RULES, np.random.default_rng(4))
    for best, good in zip(evaluator.best(), evaluator.curves(generated[1]), strict=False):
        first = good.points[0]
        rates = np.array([max(0.0, first - r) / (1 - r) for r in RULES.points])
        np.testing.assert_allclose(best.points, rates, atol=1.5 / len(generated[0].mated))
        assert best.fmr == good.fmr
        assert best.area < good.area
        assert best.area_low <= best.area <= best.area_high


def test_both_conventions_start_at_the_same_fnmr(generated: tuple[Comparisons, np.ndarray]) -> None:
    curves = Evaluator(generated[0], RULES, np.random.default_rng(4)).curves(generated[1])
    assert curves[0].points[0] == curves[2].points[0]
    assert curves[0].area != curves[2].area


def test_judging_depends_on_the_seed_only(generated: tuple[Comparisons, np.ndarray]) -> None:
    first, second = (
        Evaluator(generated[0], RULES, np.random.default_rng(4)).curves(generated[1]) for _ in "ab"
    )
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours.area_draws, theirs.area_draws)


def test_interval_by_identity_is_wider_than_by_pair() -> None:
    """Ten people, one of whom always fails: the pairs of a person are not independent."""
    identity = np.repeat(np.arange(10), 20)
    errors = (identity == 0).astype(float)
    draws = bootstrap.Replicates.draw(10, 400, np.random.default_rng(1))
    rates = np.array([(w * errors).sum() / w.sum() for w in draws.mated(identity)])
    low, high = bootstrap.interval(rates[:, None])
    assert low[0] == 0
    assert high[0] >= 0.25
    by_pair = np.random.default_rng(1).binomial(200, 0.1, 400) / 200
    assert by_pair.max() < high[0]


def test_thresholds_of_replicates_scatter_around_that_of_all() -> None:
    rng = np.random.default_rng(2)
    identity = np.repeat(np.arange(60), 3)
    pairs = nonmated_pairs(identity, 10_000, rng)
    similarity = rng.normal(0, 1, len(pairs))
    draws = bootstrap.Replicates.draw(60, 200, rng)
    found = bootstrap.thresholds(draws, identity[pairs.left], identity[pairs.right], similarity, [0.01])
    assert np.median(found) == pytest.approx(edc.threshold_at(similarity, 0.01), abs=0.06)
