"""The labels' formulas (Huo et al. 2022, eq. 1 to 5), each linear in the images of an identity."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def distance(low: Sequence[NDArray[np.floating]], clean: Bools) -> Floats:
    """Return d_i = |Fv_i - Fv_m| of N features of length L; the mean is over the identity's clean images.

    One image at a time: an identity of thousands must not cost a second copy of its features.
    """
    mean = np.zeros(low[0].shape, np.float32)
    for row, counts in zip(low, clean, strict=True):
        if counts:
            mean += row
    mean /= max(1, int(clean.sum()))
    return np.array([np.linalg.norm(row.astype(np.float32) - mean) for row in low], np.float32)


def visual_printed(d: Floats) -> Floats:
    """S_v as printed (eq. 2), 1 - d / (d_max - d_min): below 0 when d_min > 0, NaN when all d are equal."""
    span = d.max() - d.min()
    return np.asarray(1 - d / span, np.float32) if span > 0 else np.full_like(d, np.nan)


def visual_identity(d: Floats) -> Floats:
    """S_v over an identity, (d_max - d) / (d_max - d_min) in 0..1; 1 when all d are equal."""
    span = d.max() - d.min()
    return np.asarray((d.max() - d) / span, np.float32) if span > 0 else np.ones_like(d)


def visual_dataset(d: Floats, low: float, high: float) -> Floats:
    """S_v over the data set, (high - d) / (high - low) with its extremes: comparable between identities."""
    return (high - d) / (high - low) if high > low else np.ones_like(d)


def robustness(embeddings: Floats) -> Floats:
    """S_r (eq. 3, SER-FIQ) of N x m x D embeddings: 2 sigmoid(-(2 / m^2) sum over p < q of |x_p - x_q|)."""
    m = embeddings.shape[1]
    squares = (embeddings**2).sum(axis=2)
    products = embeddings @ embeddings.transpose(0, 2, 1)
    between = squares[:, :, None] + squares[:, None, :] - 2 * products
    upper = np.triu_indices(m, 1)
    total = np.sqrt(np.maximum(between[:, upper[0], upper[1]], 0)).sum(axis=1, dtype=np.float64)
    return np.asarray(2 / (1 + np.exp(2 / m**2 * total)), np.float32)


def agreement(embeddings: Floats, image: NDArray[np.int64], clean: Bools) -> Floats:
    """S_c (eq. 4): mean of (cos + 1) / 2 with the clean images of the same identity, other images only.

    embeddings is N x D; image numbers the images: a degraded one has the number of its original, and both are
    never compared. NaN where the identity has no other image. With T the sum of the clean unit embeddings,
    the sum of cosines is F_i.T less the cosine with the own original, so that no N x N matrix is needed.
    """
    unit = unit_rows(embeddings).astype(np.float64)
    total = unit[clean].sum(axis=0)
    own = np.zeros_like(unit)
    originals = {int(p): row for p, row in zip(image[clean], unit[clean], strict=True)}
    for i, p in enumerate(image):
        own[i] = originals[int(p)]
    others = int(clean.sum()) - 1
    if others < 1:
        return np.full(len(unit), np.nan, np.float32)
    cosines = (unit * (total - own)).sum(axis=1) / others
    return np.asarray((cosines + 1) / 2, np.float32)


def unit_rows(vectors: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def masks(count: int, width: int, rate: float, seed: int) -> Floats:
    """Draw `count` dropout masks for `width` values; kept ones are scaled by 1 / (1 - rate), as in training.

    All images use the same masks, so that differences of S_r do not come from the masks.
    """
    kept = np.random.default_rng([seed, 0x5E2F1]).random((count, width)) >= rate
    return (kept / (1 - rate)).astype(np.float32)
