"""Pairs to compare: all mated pairs, capped per identity, and a sample of the non-mated ones; or a set's
own pairs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, by row number; left < right, no pair twice."""

    left: Ints
    right: Ints

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.left)


@dataclass(frozen=True)
class Protocol:
    """A set's own pairs; pairs with a rejected image are left out and counted in `lost`."""

    mated: Pairs
    nonmated: Pairs
    lost: int


def protocol_pairs(names: list[str], table: pd.DataFrame) -> Protocol:
    """Find the rows of a protocol's pairs (left, right, mated) among these names of images or templates."""
    rows = pd.Series(np.arange(len(names)), index=names)
    left = rows.reindex(table["left"]).to_numpy(np.float64)
    right = rows.reindex(table["right"]).to_numpy(np.float64)
    scored = ~(np.isnan(left) | np.isnan(right))
    mated = table["mated"].to_numpy(bool)

    def those(wanted: NDArray[np.bool_]) -> Pairs:
        return Pairs(left[wanted].astype(np.int64), right[wanted].astype(np.int64))

    return Protocol(those(scored & mated), those(scored & ~mated), int((~scored).sum()))


def mated_pairs(identity: Ints, cap: int, rng: np.random.Generator) -> Pairs:
    """Every pair of images of one identity; of an identity with more than `cap`, a random `cap` of them."""
    order = np.argsort(identity, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(identity[order]) != 0)) if len(order) else order
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for rows in np.split(order, starts[1:]):
        if len(rows) < 2:
            continue
        i, j = np.triu_indices(len(rows), 1)
        if len(i) > cap:
            chosen = np.sort(rng.choice(len(i), cap, replace=False))
            i, j = i[chosen], j[chosen]
        left.append(rows[i])
        right.append(rows[j])
    return Pairs(np.concatenate(left), np.concatenate(right))


def nonmated_pairs(identity: Ints, count: int, rng: np.random.Generator) -> Pairs:
    """`count` different pairs of images of two identities, with equal probability; all if there are fewer."""
    images = len(identity)
    _, sizes = np.unique(identity, return_counts=True)
    possible = (images * (images - 1) - int((sizes * (sizes - 1)).sum())) // 2
    if possible <= 2 * count and images <= 20_000:
        left, right = np.triu_indices(images, 1)
        codes = (left * images + right)[identity[left] != identity[right]]
        if len(codes) > count:
            codes = np.sort(rng.choice(codes, count, replace=False))
        return Pairs(codes // images, codes % images)
    codes = np.zeros(0, np.int64)
    while len(codes) < min(count, possible):
        drawn = rng.integers(0, images, (2, count + count // 8 + 16))
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        fresh = (low * images + high)[identity[low] != identity[high]]
        codes = np.union1d(codes, fresh)
    codes = np.sort(rng.permutation(codes)[:count])
    return Pairs(codes // images, codes % images)
