"""Calibration of raw values to 0..100, and the curve of expected FNMR over the score."""

import numpy as np
from numpy.typing import NDArray

from facesieve_training.export import manifest
from facesieve_training.export.held_out import LEAST_PAIRS, Comparisons

Floats = NDArray[np.float64]
_LEAST_STEP = 1e-6


def calibrate(raw: Floats, clean: NDArray[np.bool_], knots: int) -> manifest.Calibration:
    """Map raw values to 0..100 by a fixed set of clean and degraded images.

    From 50 on, a score is a percentile of the clean images: 50 is their median, 90 their upper tenth. Below
    50 it is half the percentile among all images below that median: 25 is better than half of them, most of
    which are degraded.
    """
    score = np.linspace(0, 100, knots)
    middle = np.median(raw[clean])
    worse = np.quantile(raw[raw <= middle], np.minimum(score / 50, 1))
    values = np.where(score < 50, worse, np.quantile(raw[clean], score / 100))
    for i in range(1, knots):
        values[i] = max(values[i], values[i - 1] + _LEAST_STEP)
    return manifest.Calibration([round(float(v), 7) for v in values], [round(float(s), 4) for s in score])


def fnmr_curve(score: Floats, pairs: Comparisons, fmr: float, points: int, basis: str) -> manifest.Fnmr:
    """FNMR among the mated pairs whose probe scores at least s, for s from 0 to 100.

    The curve is a running minimum, because a rise among few pairs is noise. With fewer than 200 remaining
    pairs the last value is repeated.
    """
    probe, errors = score[pairs.probe], pairs.errors
    scores = np.linspace(0, 100, points)
    rates: list[float] = []
    shares: list[float] = []
    for s in scores:
        kept = probe >= s
        shares.append(float((score >= s).mean()))
        rate = float(errors[kept].mean()) if kept.sum() >= LEAST_PAIRS or not rates else rates[-1]
        rates.append(min(rate, rates[-1]) if rates else rate)
    rounded = [[float(f"{v:.6g}") for v in some] for some in (scores, shares, rates)]
    return manifest.Fnmr(fmr, basis, rounded[0], rounded[1], rounded[2], len(errors))
