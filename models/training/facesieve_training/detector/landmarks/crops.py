"""Training images for refinement: squares around faces as the daemon cuts them out of a frame.

A face is scaled to the size that it has in a camera's frame and degraded there. The square around it is then
scaled to the network's input. Position and size of the square have the errors of a detection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facesieve_training.degrade import record
from facesieve_training.detector import codec, refine
from facesieve_training.detector.augment import Drawn
from facesieve_training.detector.camera import SCENE
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.decoded import Decoded
from facesieve_training.detector.face_erasing import erase_face, isolated
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.warp import between_centres, transform, turned
from facesieve_training.export.manifest import Refinement

_MARGIN = 4
"""Pixels around the square that are degraded with it, before it is cut out."""
_ROLL, _SQUEEZE = 8.0, 0.05
"""Standard deviations: roll of an upright head, degrees; logarithm of width to height."""
_BEYOND = 0.25
"""Largest part of the square that lies outside the frame."""
_SAME = 0.99
"""Least IoU of a face with itself, after rounding."""


@dataclass(frozen=True)
class CropsConfig:
    """How squares are drawn; sizes in pixels of the frame, shares as probabilities, rotation in degrees.

    turned: share of heads with a yaw of about 20 degrees or more. upright: share of heads with a roll of a
    few degrees only. clean: share without degradation. edge: share of squares that reach outside the frame.
    empty: share of squares around hard negatives. erased_faces: share of faces that are painted over as a
    head from behind. shift, scale: standard deviations of a detection's position and size, in sizes of the
    face. sure: lowest score of a label that is trained on. least: smallest such face, pixels.
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
    erased_faces: float = 0.1
    shift: float = 0.05
    scale: float = 0.08
    kept_megabytes: int = 2500


Face = tuple[Labelled, FloatArray]
"""An image and one of its faces [15] or hard negatives [15]."""


class Crops:
    """Draws squares around the faces of labelled images."""

    def __init__(self, items: Sequence[Labelled], config: CropsConfig, rule: Refinement) -> None:
        """Take the images to draw from; the squares are those of the daemon by this rule."""
        self._config = config
        self._rule = rule
        self._decoded = Decoded(config.kept_megabytes)
        self._faces: list[Face] = [
            (item, face)
            for item in items
            for face in item.faces
            if face[14] >= config.sure and _size(face) >= config.least
        ]
        self._turned = [(i, f) for i, f in self._faces if codec.turn(f[None])[0] >= codec.TURNED]
        self._hard_negatives: list[Face] = [(item, box) for item in items for box in item.hard_negatives]
        if not self._faces:
            raise ValueError(
                f"no face of {config.least:g} pixels or more with a teacher score of {config.sure:g} or more"
            )

    def make(self, rng: np.random.Generator, camera: bool = True) -> Drawn:
        """Draw one input of the network; without `camera` it is not degraded."""
        config = self._config
        item, face = self._choose(rng)
        own = _size(face)
        largest = max(min(config.largest, config.enlarge * own), config.smallest)
        size = float(np.exp(rng.uniform(np.log(config.smallest), np.log(largest))))
        length = refine.side_for(size * float(np.exp(rng.normal(0, config.scale))), self._rule)
        matrix = self._matrix(face, size, length, rng)
        clean = self._warp(item, matrix, length + 2 * _MARGIN, rng)
        faces = transform(item.faces, matrix)
        if rng.random() < config.erased_faces:
            faces = _erased(clean, faces, transform(face[None], matrix), rng)
        edge = int(rng.integers(4)), int(length * rng.uniform(0, _BEYOND) * (rng.random() < config.edge))
        degraded = camera and rng.random() >= config.clean
        taken = record(clean, SCENE, rng) if degraded else clean
        side = self._rule.side
        taken, clean = _cut(taken, *edge, side), _cut(clean, *edge, side)
        faces = codec.shifted(faces, -_MARGIN)
        faces[:, :14] *= side / length
        if rng.random() < 0.5:
            taken, clean = np.ascontiguousarray(taken[:, ::-1]), np.ascontiguousarray(clean[:, ::-1])
            faces = codec.mirror(faces, side)
        centre = faces[:, :2] + faces[:, 2:4] / 2
        inside = ((centre > 0) & (centre < side)).all(axis=1)
        good = inside & (faces[:, 14] >= config.sure)
        return Drawn(taken, clean, faces[good], faces[inside & ~good])

    def _choose(self, rng: np.random.Generator) -> Face:
        if rng.random() < self._config.empty and self._hard_negatives:
            return self._hard_negatives[int(rng.integers(len(self._hard_negatives)))]
        turned = rng.random() < self._config.turned and bool(self._turned)
        pool = self._turned if turned else self._faces
        return pool[int(rng.integers(len(pool)))]

    def _matrix(self, face: FloatArray, size: float, length: int, rng: np.random.Generator) -> np.ndarray:
        """Affine map of the image to the square with its margin; the face has this size and is near the
        middle.
        """
        config = self._config
        upright = rng.random() < config.upright
        angle = np.deg2rad(rng.normal(0, _ROLL) if upright else rng.uniform(-1, 1) * config.rotation)
        squeeze = float(np.exp(rng.normal(0, _SQUEEZE)))
        linear = turned(size / _size(face), angle, squeeze)
        target = length / 2 + _MARGIN + rng.normal(0, config.shift, 2) * size + rng.uniform(-0.5, 0.5, 2)
        return np.concatenate([linear, (target - linear @ (face[:2] + face[2:4] / 2))[:, None]], axis=1)

    def _warp(self, item: Labelled, matrix: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
        """The part of an image that the matrix maps into a square; pixels are averaged when it shrinks."""
        times = max(1, int(1 / float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) + 0.3))
        warped = cv2.warpAffine(
            self._decoded(item),
            between_centres(matrix * times),
            (side * times, side * times),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT,
            borderValue=[int(v) for v in rng.integers(0, 256, 3)],
        )
        return np.asarray(cv2.resize(warped, (side, side), interpolation=cv2.INTER_AREA))


def _erased(
    square_image: np.ndarray, faces: FloatArray, face: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Paint over this face [1,15] and return the others; a face that overlaps another stays."""
    alone = (codec.iou(face, faces)[0] > _SAME) & isolated(faces)
    return faces[~alone] if alone.any() and erase_face(square_image, face[0], rng) else faces


def _cut(square_image: np.ndarray, edge: int, rows: int, side: int) -> np.ndarray:
    """The square without its margin, scaled to the network's input; `rows` rows at one of its four edges are
    black, as outside the frame.
    """
    square = square_image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].copy()
    np.rot90(square, edge)[:rows] = 0
    return refine.scaled(square, side)


def _size(face: FloatArray) -> float:
    """Square root of the box's area."""
    return float(np.sqrt(face[2] * face[3]))
