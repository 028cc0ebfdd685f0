"""Training images: mosaics of labelled images at many scales, degraded like a camera's images.

A canvas is split until its parts are no larger than the scaled images that fill them: a canvas with faces
of 10 pixels holds dozens of images, one with a face of 300 pixels a part of one. All random numbers come from
the generator argument: the same generator state gives the same image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from facesieve_training.degrade import record
from facesieve_training.detector import codec
from facesieve_training.detector.camera import SCENE
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.decoded import REDUCED, Decoded
from facesieve_training.detector.face_erasing import erase_face, isolated
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.warp import between_centres, transform, turned

_MAX_TILES = 80
_TRIES = 30
"""Attempts to find a part of an image without faces."""
Area = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class AugmentConfig:
    """How training images are made; sizes in network pixels, shares as probabilities, rotation in degrees.

    clean: share of images without degradation. negative: share of the area without faces; half of it are
    whole images, half parts of others. crowd, turned: shares of the parts with an image of four faces or
    more, or with a head of about 20 degrees yaw or more, which are rarer in labelled images than in a
    camera's. hard_negatives: share of the parts without faces that show a hard negative at a face's size.
    erased_faces: share of faces that are painted over.
    """

    size: int = 320
    smallest_face: float = 9.0
    largest_face: float = 300.0
    enlarge: float = 3.5
    clean: float = 0.0
    sure: float = 0.55
    negative: float = 0.2
    hard_negatives: float = 0.0
    erased_faces: float = 0.12
    crowd: float = 0.15
    turned: float = 0.25
    rotation: float = 40.0
    squeeze: float = 0.1
    kept_megabytes: int = 2500


class Drawn(NamedTuple):
    """A training image (BGR, 8 bits, square), the image before degradation, its faces and its faces to
    ignore, [N,15] each.
    """

    image: np.ndarray
    clean: np.ndarray
    faces: FloatArray
    ignored: FloatArray


@dataclass
class Canvas:
    """An image under construction with its sure faces and its uncertain faces, [N,15] each."""

    image: np.ndarray
    faces: list[FloatArray]
    ignored: list[FloatArray]


class Mosaic:
    """Makes training images from labelled ones."""

    def __init__(self, items: Sequence[Labelled], config: AugmentConfig) -> None:
        """Take the images to draw from; those with several faces are drawn more often."""
        self._config = config
        sure = [item.faces[item.faces[:, 14] >= config.sure] for item in items]
        self._faced = [i for i, f in zip(items, sure, strict=True) if len(f)]
        self._crowds = [i for i, f in zip(items, sure, strict=True) if len(f) >= 4]
        self._turned = [i for i, f in zip(items, sure, strict=True) if (codec.turn(f) >= codec.TURNED).any()]
        self._all = list(items)
        self._hard_negatives = [item for item in items if len(item.hard_negatives)]
        self._decoded = Decoded(config.kept_megabytes)
        if not self._faced:
            raise ValueError(f"no image with a face of teacher score {config.sure} or more")

    def make(self, rng: np.random.Generator, camera: bool = True) -> Drawn:
        """Draw one image; without `camera` it is not degraded."""
        config = self._config
        size = float(np.exp(rng.uniform(np.log(config.smallest_face), np.log(config.largest_face))))
        image = np.full((config.size, config.size, 3), rng.integers(0, 256), np.uint8)
        canvas = Canvas(image, [], [])
        self._fill(canvas, (0, 0, config.size, config.size), size, rng)
        taken = canvas.image
        if camera and rng.random() >= config.clean:
            taken = record(canvas.image, SCENE, rng)
        return Drawn(taken, canvas.image, _stack(canvas.faces), _stack(canvas.ignored))

    def _fill(self, canvas: Canvas, area: Area, size: float, rng: np.random.Generator) -> None:
        share = self._config.negative
        if rng.random() < share / 2:
            self._paste_background(canvas, area, rng)
            return
        pending, tiles = [area], 1
        while pending:
            x, y, width, height = pending.pop()
            item = self._draw(rng, self._faced)
            scale = self._scale(item, size, rng)
            spare = max(width - scale * item.width, height - scale * item.height)
            if tiles < _MAX_TILES and spare > 0.35 * max(width, height):
                pending += _split(x, y, width, height, rng)
                tiles += 1
            elif rng.random() < share / (2 - share):
                self._paste_background(canvas, (x, y, width, height), rng)
            else:
                self._paste_faces(canvas, item, (x, y, width, height), scale, rng)

    def _draw(self, rng: np.random.Generator, pool: list[Labelled]) -> Labelled:
        chance = rng.random()
        if self._crowds and chance < self._config.crowd:
            pool = self._crowds
        elif self._turned and chance >= 1 - self._config.turned:
            pool = self._turned
        return pool[int(rng.integers(len(pool)))]

    def _some_face(self, item: Labelled, rng: np.random.Generator) -> FloatArray:
        """One of the sure faces, at random."""
        sure = item.faces[item.faces[:, 14] >= self._config.sure]
        return np.asarray(sure[int(rng.integers(len(sure)))])

    def _scale(self, item: Labelled, size: float, rng: np.random.Generator) -> float:
        """Scale of an image at which one of its faces has about this size."""
        face = self._some_face(item, rng)
        wanted = size * float(np.exp(rng.normal(0, 0.25)))
        return min(wanted / float(np.sqrt(face[2] * face[3])), self._config.enlarge)

    def _paste_faces(
        self, canvas: Canvas, item: Labelled, area: Area, scale: float, rng: np.random.Generator
    ) -> None:
        """Paste an image into an area so that it contains one of its faces; some faces are erased."""
        x, y, width, height = area
        face = self._some_face(item, rng)
        target = np.array([width, height]) * rng.uniform(0.15, 0.85, 2)
        matrix = self._matrix(item, scale, (width, height), face[:2] + face[2:4] / 2, target, rng)
        tile = self._render(item, matrix, scale, (width, height), rng)
        faces = transform(item.faces, matrix)
        faces = faces[self._erase(tile, faces, rng)]
        visible = _visible(faces, width, height)
        if rng.random() < 0.5:
            tile, faces = tile[:, ::-1], codec.mirror(faces, width)
        canvas.image[y : y + height, x : x + width] = tile
        self._keep(canvas, faces, visible, (x, y))

    def _paste_background(self, canvas: Canvas, area: Area, rng: np.random.Generator) -> None:
        """Paste a part of an image without faces into an area; it stays empty when no such part is found."""
        x, y, width, height = area
        for _ in range(_TRIES):
            if self._hard_negatives and rng.random() < self._config.hard_negatives:
                item, scale, focus = self._hard_negative(min(width, height), rng)
            else:
                item = self._draw(rng, self._all)
                scale = float(np.exp(rng.uniform(np.log(0.4), np.log(self._config.enlarge))))
                focus = rng.uniform(0.1, 0.9, 2) * (item.width, item.height)
            target = np.array([width, height]) * rng.uniform(0.3, 0.7, 2)
            matrix = self._matrix(item, scale, (width, height), focus, target, rng)
            if not (_visible(transform(item.faces, matrix), width, height) > 0).any():
                tile = self._render(item, matrix, scale, (width, height), rng)
                canvas.image[y : y + height, x : x + width] = tile
                return

    def _hard_negative(self, side: int, rng: np.random.Generator) -> tuple[Labelled, float, np.ndarray]:
        """An image with a hard negative, the scale at which it has a face's size that fits into a square part
        of this side, and its centre.
        """
        item = self._hard_negatives[int(rng.integers(len(self._hard_negatives)))]
        box = item.hard_negatives[int(rng.integers(len(item.hard_negatives)))]
        own = float(np.sqrt(box[2] * box[3]))
        largest = max(min(0.7 * side, 3 * own), self._config.smallest_face)
        size = float(np.exp(rng.uniform(np.log(self._config.smallest_face), np.log(largest))))
        scale = min(size / own, self._config.enlarge)
        return item, scale, box[:2] + box[2:4] / 2

    def _render(
        self,
        item: Labelled,
        matrix: np.ndarray,
        scale: float,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The part of an image that the matrix maps into a tile of size (width, height)."""
        reduce = max(r for r in REDUCED if r == 1 or r <= 1 / scale)
        return np.asarray(
            cv2.warpAffine(
                self._decoded(item, reduce),
                between_centres(matrix * np.array([reduce, reduce, 1.0])),
                size,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=[int(v) for v in rng.integers(0, 256, 3)],
            )
        )

    def _erase(self, tile: np.ndarray, faces: FloatArray, rng: np.random.Generator) -> np.ndarray:
        """Erase some of the faces; returns which ones are left."""
        chosen = (rng.random(len(faces)) < self._config.erased_faces) & isolated(faces)
        return np.array(
            [not (c and erase_face(tile, f, rng)) for c, f in zip(chosen, faces, strict=True)], bool
        )

    def _matrix(
        self,
        item: Labelled,
        scale: float,
        size: tuple[int, int],
        focus: np.ndarray,
        target: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Affine map of an image to a tile of size (width, height): scale, small rotation and squeeze.

        The focus is mapped as near to the target as possible while the image fills the tile.
        """
        angle = np.deg2rad(rng.uniform(-1, 1) * self._config.rotation)
        squeeze = float(np.exp(rng.uniform(-self._config.squeeze, self._config.squeeze)))
        linear = turned(scale, angle, squeeze)
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (item.width, item.height) @ linear.T
        edges = np.sort([-corners.min(axis=0), size - corners.max(axis=0)], axis=0)
        return np.concatenate([linear, np.clip(target - linear @ focus, *edges)[:, None]], axis=1)

    def _keep(self, canvas: Canvas, faces: FloatArray, visible: FloatArray, offset: tuple[int, int]) -> None:
        faces = faces.copy()
        faces[:, :2] += offset
        faces[:, 4:14] += np.tile(offset, 5)
        size = np.sqrt(faces[:, 2] * faces[:, 3])
        good = (
            (faces[:, 14] >= self._config.sure)
            & (visible > 0.6)
            & (size >= self._config.smallest_face * 0.85)
        )
        canvas.faces.append(faces[good])
        canvas.ignored.append(faces[~good & (visible > 0.1)])


def _stack(rows: list[FloatArray]) -> FloatArray:
    return np.concatenate([np.zeros((0, codec.COLUMNS), np.float32), *rows]).astype(np.float32)


def _split(x: int, y: int, width: int, height: int, rng: np.random.Generator) -> list[Area]:
    cut = float(rng.uniform(0.35, 0.65))
    if width >= height:
        left = int(width * cut)
        return [(x, y, left, height), (x + left, y, width - left, height)]
    top = int(height * cut)
    return [(x, y, width, top), (x, y + top, width, height - top)]


def _visible(faces: FloatArray, width: int, height: int) -> FloatArray:
    low = np.clip(faces[:, :2], 0, [width, height])
    high = np.clip(faces[:, :2] + faces[:, 2:4], 0, [width, height])
    return np.asarray(
        np.prod(high - low, axis=1) / np.maximum(np.prod(faces[:, 2:4], axis=1), 1e-6), np.float32
    )
