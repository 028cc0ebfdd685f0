"""The pose of the photographs themselves, which are near-frontal and have no label.

Each view is the photograph's own pose, turned by a known rotation. A linear regression on the views of
other photographs estimates the pose of each view; the mean of what the rotation does not explain is the
photograph's own pose. Without it a regression learns to ignore natural poses, because all have the label 0.
The mean over all photographs is defined as 0.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_FOLDS, _DIMENSIONS, _RIDGE, _STEP = 5, 1024, 0.02, 0.8


def rotation(angles: Array) -> Array:
    """N x 3 x 3 matrices of yaw and pitch in degrees, N x 2: the head is turned by yaw first."""
    (sy, sp), (cy, cp) = (f(np.radians(angles.T)) for f in (np.sin, np.cos))
    zero = np.zeros_like(sy)
    rows = [[cy, zero, sy], [-sp * sy, cp, sp * cy], [-cp * sy, -sp, cp * cy]]
    return np.asarray(np.moveaxis(np.array(rows), -1, 0), np.float64)


def angles(matrices: Array) -> Array:
    """Yaw and pitch in degrees, N x 2, of rotations; roll in the image does not change them."""
    last = matrices[:, 2]
    yaw, pitch = np.arctan2(-last[:, 0], last[:, 2]), np.arcsin(np.clip(-last[:, 1], -1, 1))
    return np.asarray(np.degrees(np.column_stack([yaw, pitch])), np.float64)


def turned(start: Array, by: Array) -> Array:
    """Yaw and pitch of heads with a pose that are turned before the camera, each N x 2 degrees."""
    return angles(rotation(by) @ rotation(start))


def of_views(start: Array, photo: NDArray[np.int32], mirrored: NDArray[np.bool_], by: Array) -> Array:
    """Yaw and pitch of each view, from the poses of the photographs."""
    own = start[photo].copy()
    own[mirrored, 0] *= -1
    return turned(own, by)


def estimate(
    values: NDArray[np.int8], photo: NDArray[np.int32], mirrored: NDArray[np.bool_], by: Array,
    rounds: int, seed: int,
) -> Array:  # fmt: skip
    """Yaw and pitch of each photograph, degrees, from the views' values N x D and their rotations N x 2."""
    data = _reduced(values, seed)
    start = np.zeros((int(photo.max()) + 1, 2))
    for _ in range(rounds):
        truth = of_views(start, photo, mirrored, by)
        rest = np.zeros_like(truth)
        for fold in range(_FOLDS):
            test = photo % _FOLDS == fold
            rest[test] = _ridge(data[~test], truth[~test], data[test]) - truth[test]
        rest[mirrored, 0] *= -1
        start += _STEP * _means(rest, photo, np.cos(np.radians(by[:, 0])) ** 2, len(start))
        start -= start[np.unique(photo)].mean(axis=0)
    return start


def _reduced(values: NDArray[np.int8], seed: int) -> Array:
    """A random projection, of unit variance: enough for a linear regression, and small."""
    flat = values.astype(np.float32)
    flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1)
    if flat.shape[1] > _DIMENSIONS:
        axes = np.random.default_rng(seed).standard_normal((flat.shape[1], _DIMENSIONS), np.float32)
        flat = flat @ axes / np.float32(np.sqrt(flat.shape[1]))
    return np.asarray(flat, np.float64)


def _ridge(data: Array, truth: Array, test: Array) -> Array:
    mean, middle = data.mean(axis=0), truth.mean(axis=0)
    a = data - mean
    weight = np.linalg.solve(a.T @ a + _RIDGE * len(a) * np.eye(a.shape[1]), a.T @ (truth - middle))
    return np.asarray((test - mean) @ weight + middle)


def _means(values: Array, group: NDArray[np.int32], weight: Array, groups: int) -> Array:
    total = np.maximum(np.bincount(group, weight, groups), 1e-9)
    return np.column_stack([np.bincount(group, weight * column, groups) / total for column in values.T])
