import numpy as np
import pytest

from facesieve_training.export import similarity
from facesieve_training.export.similarity import Faces, jackknife

FMRS = (0.1, 0.02)


@pytest.fixture
def faces() -> Faces:
    """30 people with 4 photographs in two versions each; low scores have noisy embeddings."""
    rng = np.random.default_rng(0)
    identity, photo = np.repeat(np.arange(30), 8), np.repeat(np.arange(120), 2)
    score = rng.uniform(0, 100, 240)
    noise = rng.normal(0, 1, (240, 16)) * np.where(score < 50, 1.5, 0.4)[:, None]
    person, other = rng.normal(0, 1, (30, 16)), rng.normal(0, 0.3, (120, 16))
    return Faces(identity, photo, score, person[identity] + other[photo] + noise)


def slow(faces: Faces, low: float, high: float) -> tuple[list[float], list[float], list[float]]:
    """Similarities of the pairs of a band: mated, of one photograph, non-mated."""
    unit = faces.embedding / np.linalg.norm(faces.embedding, axis=1, keepdims=True)
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for i in range(len(unit)):
        for j in range(i):
            if low <= min(faces.score[i], faces.score[j]) < high:
                kind = 2 if faces.identity[i] != faces.identity[j] else int(faces.photo[i] == faces.photo[j])
                found[kind].append(float(unit[i] @ unit[j]))
    return found


def test_bands_equal_a_loop_over_all_pairs(faces: Faces) -> None:
    bands = similarity.bands(faces, [0, 50, 80], FMRS)
    for band, (low, high) in zip(bands, [(0, 50), (50, 80), (80, 101)], strict=True):
        mated, one, nonmated = map(np.array, slow(faces, low, high))
        assert band.pairs == (len(mated), len(one), len(nonmated))
        for k, (fmr, threshold) in enumerate(zip(FMRS, band.thresholds, strict=True)):
            assert np.mean(nonmated > threshold) <= fmr
            assert np.mean(nonmated > threshold - 0.001) >= fmr - 1 / len(nonmated)
            assert band.fmr[k].rate == pytest.approx(np.mean(nonmated > threshold))
            assert band.fnmr[k].rate == pytest.approx(np.mean(mated <= threshold))
            assert band.same_photo[k].rate == pytest.approx(np.mean(one <= threshold))
            assert band.fmr[k].low <= band.fmr[k].rate <= band.fmr[k].high
    assert bands[0].fnmr[0].rate > bands[2].fnmr[0].rate + 0.1


def test_given_thresholds_are_used(faces: Faces) -> None:
    (band,) = similarity.bands(faces, [0], FMRS, [(0.0, 0.5)])
    mated, _, nonmated = map(np.array, slow(faces, 0, 101))
    assert band.thresholds == (0.0, 0.5)
    assert band.fmr[0].rate == pytest.approx(np.mean(nonmated > 0))
    assert band.fnmr[1].rate == pytest.approx(np.mean(mated <= 0.5))


def test_the_jackknife_of_independent_pairs_is_the_binomial_interval() -> None:
    rng = np.random.default_rng(1)
    errors = rng.random(4000) < 0.2
    rate = jackknife(errors.astype(float), np.ones(4000))
    width = 2 * 1.96 * np.sqrt(0.2 * 0.8 / 4000)
    assert rate.high - rate.low == pytest.approx(width, rel=0.05)


def test_the_jackknife_of_pairs_of_one_person_is_wider() -> None:
    rng = np.random.default_rng(2)
    errors = np.where(rng.random(200) < 0.2, 20.0, 0.0)  # all pairs of a person have the same result
    rate = jackknife(errors, np.full(200, 20.0))
    assert rate.rate == pytest.approx(errors.mean() / 20)
    assert rate.high - rate.low == pytest.approx(
        2 * 1.96 * np.sqrt(rate.rate * (1 - rate.rate) / 200), rel=0.05
    )


def test_without_errors_the_interval_follows_the_rule_of_three() -> None:
    rate = jackknife(np.zeros(100), np.full(100, 7.0))
    assert (rate.rate, rate.low, rate.high) == (0, 0, 0.03)


def test_a_rate_without_pairs_is_a_dash() -> None:
    assert str(jackknife(np.zeros(3), np.zeros(3))) == "-"
