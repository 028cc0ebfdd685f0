"""Face erasing: a face is painted over with its own hair or smoothed, as a negative for the detector.

Labelled images show people from the front; a camera films as many from behind. A detector that is trained
without such negatives finds faces in dark round shapes above shoulders.
"""

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray

_SMALLEST = 6


def isolated(faces: FloatArray) -> np.ndarray:
    """Which faces overlap no other face, so that erasing one does not change another."""
    overlap = codec.iou(faces, faces)
    np.fill_diagonal(overlap, 0)
    return np.asarray(overlap.max(axis=1, initial=0) < 0.02)


def erase_face(image: np.ndarray, face: FloatArray, rng: np.random.Generator) -> bool:
    """Paint over a face [15] in the image; returns False, without a change, when its box is too small."""
    height, width = image.shape[:2]
    margin = rng.uniform(0.0, 0.12) * face[2:4]
    low = np.maximum(np.floor(face[:2] - margin), 0).astype(int)
    high = np.minimum(np.ceil(face[:2] + face[2:4] + margin), [width, height]).astype(int)
    columns, rows = high - low
    if min(columns, rows) < _SMALLEST:
        return False
    area = image[low[1] : high[1], low[0] : high[0]]
    cover = _smooth(area, rng)
    hair = image[max(0, low[1] - rows // 4) : low[1] + rows // 8, low[0] : high[0]]
    if hair.shape[0] >= 2 and rng.random() < 0.7:
        cover = _behind(hair, cover, rng)
    mask = _ellipse(rows, columns)
    area[:] = (area * (1 - mask) + cover * mask).astype(np.uint8)
    return True


def _smooth(area: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The area's colours without its shapes."""
    few = cv2.resize(area, (int(rng.integers(1, 4)), int(rng.integers(1, 3))), interpolation=cv2.INTER_AREA)
    large = cv2.resize(few, (area.shape[1], area.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)


def _behind(hair: np.ndarray, below: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A head from behind: hair stretched down to a random line, and the smoothed area below it."""
    rows, columns = below.shape[:2]
    stretched = cv2.resize(hair, (columns, rows), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    edge, softness = rng.uniform(0.5, 1.3), rng.uniform(0.02, 0.1)
    share = 1 / (1 + np.exp(np.clip((np.linspace(0, 1, rows) - edge) / softness, -30, 30)))
    return np.asarray(stretched * share[:, None, None] + below * (1 - share[:, None, None]), np.float32)


def _ellipse(rows: int, columns: int) -> np.ndarray:
    """A soft-edged ellipse that fills the area, [rows, columns, 1]."""
    v, u = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None]
    return np.asarray(np.clip((1.1 - np.sqrt(u * u + v * v)) / 0.15, 0, 1), np.float32)[..., None]
