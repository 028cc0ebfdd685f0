"""EDC against a reference that follows the definition pair by pair, over every order of the ties."""

import itertools

import numpy as np
import pytest

from facesieve_training.evaluate import edc
from facesieve_training.evaluate.edc import Bools, Discard, Floats


def naive_orders(quality: Floats) -> list[list[int]]:
    """Every order of the pairs, worst first, that agrees with the qualities."""
    groups = [np.flatnonzero(quality == q).tolist() for q in np.unique(quality)]
    return [
        list(itertools.chain.from_iterable(p))
        for p in itertools.product(*(list(itertools.permutations(g)) for g in groups))
    ]


def naive_fnmr(quality: Floats, errors: Bools, fraction: float) -> float:
    """Mean over all orders of the FNMR after dropping floor(fraction * N)."""
    dropped = int(np.floor(fraction * len(errors) + 1e-9))
    return float(np.mean([np.mean(errors[order[dropped:]]) for order in naive_orders(quality)]))


def naive_area(quality: Floats, errors: Bools, limit: float) -> float:
    """Riemann sum of the step curve on a grid much finer than its steps."""
    grid = (np.arange(20_000) + 0.5) / 20_000 * limit
    steps = {int(r * len(errors)) for r in grid}
    values = {k: naive_fnmr(quality, errors, k / len(errors)) for k in steps}
    return float(np.mean([values[int(r * len(errors))] for r in grid]) / np.mean(errors))


FRACTIONS = np.array([0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.55, 0.9])


@pytest.mark.parametrize("levels", [2, 3, 100])
def test_fixed_equals_definition(levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(5):
        quality = rng.integers(0, levels, 8 if levels < 4 else 13).astype(float)
        errors = rng.random(len(quality)) < 0.4
        got = Discard.by(quality).fnmr(errors, FRACTIONS)
        np.testing.assert_allclose(got, [naive_fnmr(quality, errors, f) for f in FRACTIONS], atol=1e-12)


@pytest.mark.parametrize("levels", [3, 100])
def test_area_is_that_of_the_step_curve(levels: int) -> None:
    rng = np.random.default_rng(levels)
    quality = rng.integers(0, levels, 9).astype(float)
    errors = rng.random(9) < 0.5
    got = Discard.by(quality).area(errors, 0.3)
    assert got == pytest.approx(naive_area(quality, errors, 0.3), abs=2e-4)


def test_random_order_has_area_one() -> None:
    rng = np.random.default_rng(5)
    errors = rng.random(400) < 0.1
    areas = [Discard.by(rng.random(400)).area(errors, 0.3) for _ in range(2000)]
    assert np.mean(areas) == pytest.approx(1.0, abs=0.01)
    assert Discard.by(np.zeros(400)).area(errors, 0.3) == pytest.approx(1.0)


def test_perfect_and_inverse_order() -> None:
    errors = np.arange(100) < 10
    assert Discard.by(np.where(errors, 0.0, 1.0)).fnmr(errors, np.array([0.05, 0.1]))[1] == 0
    assert Discard.by(np.where(errors, 1.0, 0.0)).area(errors, 0.3) > 1.1


def test_weights_equal_repeated_pairs() -> None:
    rng = np.random.default_rng(7)
    quality, errors = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.3
    weights = rng.integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), weights)
    plain, weighted = Discard.by(quality[repeated]), Discard.by(quality)
    expected = plain.fnmr(errors[repeated], FRACTIONS)
    np.testing.assert_allclose(weighted.fnmr(errors, FRACTIONS, weights.astype(float)), expected)
    area = weighted.area(errors, 0.3, weights.astype(float))
    assert area == pytest.approx(plain.area(errors[repeated], 0.3))


def test_no_error_has_no_area() -> None:
    assert np.isnan(Discard.by(np.arange(5.0)).area(np.zeros(5, bool), 0.3))


def test_unknown_quality_is_dropped_first() -> None:
    quality = edc.pair_quality(np.array([0.5, np.nan, -3.0]), np.array([0, 0, 1]), np.array([1, 2, 2]))
    np.testing.assert_array_equal(quality, [-np.inf, -3.0, -np.inf])


@pytest.mark.parametrize(("fmr", "expected"), [(0.0, 10.0), (0.1, 9.0), (0.25, 8.0), (1.0, 1.0)])
def test_the_threshold_keeps_the_false_match_rate(fmr: float, expected: float) -> None:
    similarity = np.random.default_rng(1).permutation(np.arange(1.0, 11.0))
    threshold = edc.threshold_at(similarity, fmr)
    assert threshold == expected
    falling = np.sort(similarity)[::-1]
    assert edc.threshold_of_top(falling, np.ones(10), 10.0, fmr) == expected


def test_relative_area_of_a_flat_curve_is_one() -> None:
    assert edc.relative_area(np.arange(0, 0.31, 0.01), np.full(31, 0.2), 0.3) == pytest.approx(1.0)
