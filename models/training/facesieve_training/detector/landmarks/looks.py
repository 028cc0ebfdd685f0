"""Training images for the second look: faces as the daemon cuts them out after its first look.

A face has so many pixels in the frame as a camera gives it, which degrades it there; the square around it is
then scaled to the network's side. What the first look says of place and size is a little wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facesieve_training.detector import codec, second
from facesieve_training.detector.augment import Drawn
from facesieve_training.detector.camera import degrade
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.decoded import Decoded
from facesieve_training.detector.erase import erase, lonely
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.warp import between_centres, transform, turned

_MARGIN = 4
"""Pixels around the square that a camera sees, too, before it is cut out."""
_ROLL, _SQUEEZE = 8.0, 0.05
"""Standard deviations: of the turn of an upright head, degrees, and of the logarithm of width to height."""
_BEYOND = 0.25
"""Of the square, the most that lies beyond the frame's edge."""
_SAME = 0.99
"""Overlap of a face with itself."""


@dataclass(frozen=True)
class LooksConfig:
    """How squares are drawn; sizes in pixels of the frame, shares as probabilities, rotation in degrees.

    Turned is the share of heads that look aside by some 20 degrees or more, upright that of heads which lie
    on one side by a few degrees only, clean that which no camera degrades, edge that of squares which reach
    beyond the frame, empty that of squares around what is no face though a detector took it for one, erased
    that of faces which are painted over as a head from behind. Shift and grow are standard deviations of what
    the first look says, in sizes of the face. Sure is the score from which on a label is learnt, of faces
    from `least` pixels on.
    """

    smallest: float = 11.0
    largest: float = 130.0
    enlarge: float = 1.5
    least: float = 14.0
    sure: float = 0.55
    turned: float = 0.25
    upright: float = 0.6
    rotation: float = 40.0
    clean: float = 0.4
    edge: float = 0.08
    empty: float = 0.25
    erased: float = 0.1
    shift: float = 0.05
    grow: float = 0.08
    kept_megabytes: int = 2500


Face = tuple[Labelled, FloatArray]
"""An image and one of its faces [15], or of the boxes in it that hold none."""


class Looks:
    """Draws second looks at the faces of labelled images."""

    def __init__(self, items: Sequence[Labelled], config: LooksConfig) -> None:
        """Take the images to draw from."""
        self._config = config
        self._decoded = Decoded(config.kept_megabytes)
        self._faces: list[Face] = [
            (item, face)
            for item in items
            for face in item.faces
            if face[14] >= config.sure and _size(face) >= config.least
        ]
        self._turned = [(i, f) for i, f in self._faces if codec.turn(f[None])[0] >= codec.TURNED]
        self._mistaken: list[Face] = [(item, box) for item in items for box in item.mistaken]
        if not self._faces:
            raise ValueError(
                f"no face of {config.least:g} pixels that the teacher is sure of (score {config.sure:g})"
            )

    def make(self, rng: np.random.Generator, camera: bool = True) -> Drawn:
        """Draw one square of second.SIDE; without a camera it stays clean."""
        config = self._config
        item, face = self._choose(rng)
        own = _size(face)
        largest = max(min(config.largest, config.enlarge * own), config.smallest)
        size = float(np.exp(rng.uniform(np.log(config.smallest), np.log(largest))))
        length = second.length_for(size * float(np.exp(rng.normal(0, config.grow))))
        matrix = self._matrix(face, size, length, rng)
        clean = self._seen(item, matrix, length + 2 * _MARGIN, rng)
        faces = transform(item.faces, matrix)
        if rng.random() < config.erased:
            faces = _erased(clean, faces, transform(face[None], matrix), rng)
        edge = int(rng.integers(4)), int(length * rng.uniform(0, _BEYOND) * (rng.random() < config.edge))
        degraded = camera and rng.random() >= config.clean
        taken = degrade(clean, rng) if degraded else clean
        taken, clean = _cut(taken, *edge), _cut(clean, *edge)
        faces = codec.shifted(faces, -_MARGIN)
        faces[:, :14] *= second.SIDE / length
        if rng.random() < 0.5:
            taken, clean = np.ascontiguousarray(taken[:, ::-1]), np.ascontiguousarray(clean[:, ::-1])
            faces = codec.mirror(faces, second.SIDE)
        centre = faces[:, :2] + faces[:, 2:4] / 2
        seen = ((centre > 0) & (centre < second.SIDE)).all(axis=1)
        good = seen & (faces[:, 14] >= config.sure)
        return Drawn(taken, clean, faces[good], faces[seen & ~good])

    def _choose(self, rng: np.random.Generator) -> Face:
        if rng.random() < self._config.empty and self._mistaken:
            return self._mistaken[int(rng.integers(len(self._mistaken)))]
        turned = rng.random() < self._config.turned and bool(self._turned)
        pool = self._turned if turned else self._faces
        return pool[int(rng.integers(len(pool)))]

    def _matrix(self, face: FloatArray, size: float, length: int, rng: np.random.Generator) -> np.ndarray:
        """Image to the square with its margin, with the face of this size nearly in the middle."""
        config = self._config
        upright = rng.random() < config.upright
        angle = np.deg2rad(rng.normal(0, _ROLL) if upright else rng.uniform(-1, 1) * config.rotation)
        squeeze = float(np.exp(rng.normal(0, _SQUEEZE)))
        linear = turned(size / _size(face), angle, squeeze)
        target = length / 2 + _MARGIN + rng.normal(0, config.shift, 2) * size + rng.uniform(-0.5, 0.5, 2)
        return np.concatenate([linear, (target - linear @ (face[:2] + face[2:4] / 2))[:, None]], axis=1)

    def _seen(self, item: Labelled, matrix: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
        """The part of an image that the matrix puts into a square; what is made smaller is averaged."""
        times = max(1, int(1 / float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) + 0.3))
        seen = cv2.warpAffine(
            self._decoded(item),
            between_centres(matrix * times),
            (side * times, side * times),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT,
            borderValue=[int(v) for v in rng.integers(0, 256, 3)],
        )
        return np.asarray(cv2.resize(seen, (side, side), interpolation=cv2.INTER_AREA))


def _erased(seen: np.ndarray, faces: FloatArray, face: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The faces without this one [1,15], which is painted over; all of them where it overlaps another."""
    alone = (codec.iou(face, faces)[0] > _SAME) & lonely(faces)
    return faces[~alone] if alone.any() and erase(seen, face[0], rng) else faces


def _cut(seen: np.ndarray, side: int, rows: int) -> np.ndarray:
    """The square without its margin, at the network's side; so many rows on one of the four sides are black,
    as beyond the frame.
    """
    square = seen[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].copy()
    np.rot90(square, side)[:rows] = 0
    return second.scaled(square)


def _size(face: FloatArray) -> float:
    """Square root of the box's area."""
    return float(np.sqrt(face[2] * face[3]))
