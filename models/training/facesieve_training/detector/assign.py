"""Assignment of faces to the cells of the three maps: a level by size, cells by distance from the centre."""

from dataclasses import dataclass

import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import STRIDES, FloatArray

# Columns of a level's target map.
POSITIVE, WEIGHT, BOX, POINTS, CHANNELS = 0, 1, 2, 6, 16


@dataclass(frozen=True)
class AssignConfig:
    """Sizes (square root of the area, network pixels) and cells of the positives."""

    smallest: tuple[float, ...] = (0.0, 36.0, 96.0)
    largest: tuple[float, ...] = (48.0, 128.0, 1e6)
    margin: float = 1.35
    reach: float = 0.3
    least_cells: float = 0.75

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        if len(self.smallest) != len(STRIDES) or len(self.largest) != len(STRIDES):
            return [f"smallest, largest: must have one value for each of the strides {STRIDES}"]
        return []


def _cells(
    face: FloatArray, stride: int, height: int, width: int, reach: tuple[float, float]
) -> tuple[slice, slice]:
    """Rows and columns of the cells whose centres are within reach (pixels, x and y) of the face's centre."""
    center = face[:2] + face[2:4] / 2
    low = np.ceil((center - reach) / stride - 0.5).astype(int)
    high = np.floor((center + reach) / stride - 0.5).astype(int)
    nearest = np.floor(center / stride).astype(int)
    low, high = np.minimum(low, nearest), np.maximum(high, nearest)
    rows = slice(max(0, low[1]), max(0, min(height, high[1] + 1)))
    return rows, slice(max(0, low[0]), max(0, min(width, high[0] + 1)))


def _level(
    faces: FloatArray, ignored: FloatArray, level: int, size: tuple[int, int], config: AssignConfig
) -> FloatArray:
    stride = STRIDES[level]
    height, width = size[0] // stride, size[1] // stride
    target = np.zeros((height, width, CHANNELS), np.float32)
    target[..., WEIGHT] = 1
    for face in ignored:
        target[(*_cells(face, stride, height, width, tuple(face[2:4] / 2)), WEIGHT)] = 0
    scale = np.sqrt(faces[:, 2] * faces[:, 3])
    low, high = config.smallest[level], config.largest[level]
    for k in np.argsort(-scale, kind="stable"):
        face = faces[k]
        reach = np.maximum(config.reach * face[2:4], config.least_cells * stride)
        rows, columns = _cells(face, stride, height, width, tuple(reach))
        if low <= scale[k] <= high:
            _set(target, face, rows, columns, stride)
        elif low / config.margin <= scale[k] <= high * config.margin:
            target[rows, columns, WEIGHT] *= target[rows, columns, POSITIVE]
    return target


def _set(target: FloatArray, face: FloatArray, rows: slice, columns: slice, stride: int) -> None:
    height, width = target[rows, columns].shape[:2]
    cells = codec.grid(height, width) + np.array([columns.start, rows.start], np.float32)
    faces = np.repeat(face[None], height * width, axis=0)
    regression = codec.encode(faces, cells.reshape(-1, 2), stride)
    target[rows, columns, BOX:] = regression.reshape(height, width, 14)
    target[rows, columns, POSITIVE] = 1
    target[rows, columns, WEIGHT] = 1


def targets(
    faces: FloatArray, ignored: FloatArray, size: tuple[int, int], config: AssignConfig
) -> list[FloatArray]:
    """Target maps of one image of size (height, width), one [H/s, W/s, 16] a stride.

    Channels: 1 for a positive cell; weight of the cell in the classification (0 where the teacher is unsure,
    or the face's size is near this level's range); box (4) and landmarks (10) as the network's output. Where
    faces compete for a cell, the smaller one is assigned.
    """
    return [_level(faces, ignored, level, size, config) for level in range(len(STRIDES))]


def around(faces: FloatArray, size: tuple[int, int]) -> list[np.ndarray]:
    """For each stride the cells [H/s, W/s] of an image of size (height, width) that cover one of the faces:
    those in its box widened by half, and their neighbours.
    """
    maps = []
    for stride in STRIDES:
        covered = np.zeros((size[0] // stride, size[1] // stride), bool)
        for face in faces:
            covered[_cells(face, stride, *covered.shape, tuple(0.75 * face[2:4] + stride))] = True
        maps.append(covered)
    return maps
