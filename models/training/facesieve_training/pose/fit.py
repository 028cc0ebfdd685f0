"""The pose of five landmarks by the rigid head of the daemon (quality/pose.go), by search."""

import numpy as np
from numpy.typing import NDArray

from facesieve_training.pose.starts import Array, rotation

_HEAD = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.577, 0.583], [-0.43, 0.99, 0.077], [0.43, 0.99, 0.077]])
_COARSE, _FINE, _LIMIT, _CHUNK = 4.0, 0.25, 88.0, 512


def fit(landmarks: NDArray[np.floating]) -> Array:
    """Yaw and pitch in degrees, N x 2, of N x 5 x 2 landmarks, to a quarter of a degree."""
    centred = landmarks - landmarks.mean(axis=1, keepdims=True)
    target = centred[..., 0] + 1j * centred[..., 1]
    axis = np.arange(-_LIMIT, _LIMIT + 1, _COARSE)
    nodes = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    near = np.arange(-_COARSE, _COARSE + _FINE / 2, _FINE)
    offsets = np.stack(np.meshgrid(near, near, indexing="ij"), -1).reshape(-1, 2)
    parts = []
    for at in range(0, len(target), _CHUNK):
        some = target[at : at + _CHUNK]
        best = nodes[_quality(_project(nodes)[None], some).argmax(axis=1)]
        local = best[:, None] + offsets
        projected = _project(local.reshape(-1, 2)).reshape(*local.shape[:2], 5)
        parts.append(local[np.arange(len(some)), _quality(projected, some).argmax(axis=1)])
    return np.concatenate(parts)


def _project(poses: Array) -> NDArray[np.complex128]:
    turned = (_HEAD - _HEAD.mean(axis=0)) @ np.swapaxes(rotation(poses), 1, 2)
    return np.asarray(turned[..., 0] + 1j * turned[..., 1])


def _quality(points: NDArray[np.complex128], target: NDArray[np.complex128]) -> Array:
    """How well points, ... x M x 5, can be rotated and scaled in the image onto each target, N x 5."""
    product = np.einsum(
        "nmk,nk->nm", np.broadcast_to(points.conj(), (len(target), *points.shape[1:])), target
    )
    return np.asarray(np.abs(product) ** 2 / (np.abs(points) ** 2).sum(axis=-1))
