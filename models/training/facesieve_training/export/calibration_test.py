import numpy as np
import pytest

from facesieve_training.export import calibration
from facesieve_training.export.held_out import Comparisons


def test_50_is_the_median_and_90_the_upper_decile_of_clean_faces() -> None:
    rng = np.random.default_rng(0)
    clean = np.arange(6000) < 2000
    raw = np.where(clean, rng.normal(0.7, 0.1, 6000), rng.normal(0.3, 0.2, 6000))
    curve = calibration.calibrate(raw, clean, 41)
    score = np.interp(raw, curve.raw, curve.score)
    assert np.all(np.diff(curve.raw) > 0)
    assert np.mean(score[clean] >= 50) == pytest.approx(0.5, abs=0.01)
    assert np.mean(score[clean] >= 90) == pytest.approx(0.1, abs=0.01)
    worse = score[raw < np.median(raw[clean])]
    assert np.mean(worse < 25) == pytest.approx(0.5, abs=0.01)


def test_equal_values_still_make_a_rising_curve() -> None:
    curve = calibration.calibrate(np.full(100, 0.5), np.arange(100) < 50, 11)
    assert np.all(np.diff(curve.raw) > 0)


def test_the_curve_has_the_kept_share_and_its_error_rate() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0, 100, 5000)
    probe = rng.integers(0, 5000, 20_000)
    similarity = np.where(score[probe] < 40, 0.0, 1.0)
    person, other = np.zeros(20_000, np.int64), rng.integers(0, 5000, 20_000)
    pairs = Comparisons(probe, other, similarity, threshold=0.5, identity=person, nonmated=1000)
    curve = calibration.fnmr_curve(score, pairs, 1e-3, 21, "a set")
    assert curve.pairs == 20_000
    assert curve.score[6] == 30
    assert curve.kept[6] == pytest.approx(0.7, abs=0.02)
    assert curve.fnmr[0] == pytest.approx(0.4, abs=0.02)
    assert curve.fnmr[8] == 0
