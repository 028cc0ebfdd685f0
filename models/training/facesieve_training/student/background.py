"""Images without a face, which a student must score lowest: a false positive of the detector is not a face.

They are cut from images in which a detector finds the faces: areas beside the faces, and erased faces,
aligned by the landmarks of the original face. Plain colours, gradients and noise are added.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from facesieve_training import faces
from facesieve_training.cli import DataError
from facesieve_training.degrade import Degradation, degrade, generator
from facesieve_training.detector.face_erasing import erase_face, isolated
from facesieve_training.faces import SIZE, Image
from facesieve_training.prepare.align import align
from facesieve_training.prepare.detector import Detect, Faces, open_detector

_SEEN, _SURE = 0.2, 0.6  # detector's score of a possible face and of a certain one
_SMALLEST = 24  # pixels: side of a cut, and of an erased face
_TRIES = 8


@dataclass(frozen=True)
class Background:
    """Source of images without a face."""

    images: Path
    """Directory of whole images, with or without faces."""
    detector: Path
    """Detector of the faces to avoid: .onnx or .tflite, as in `prepare`."""
    cuts: int = 2
    """Areas cut from each image."""
    share: float = 0.05
    """Share of a batch."""
    degradation: Degradation = field(default_factory=Degradation)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.cuts >= 1 else [f"cuts: {self.cuts} is below 1"]
        return found if 0 < self.share < 1 else [*found, f"share: {self.share} is not between 0 and 1"]


@dataclass(frozen=True)
class Empty:
    """Images without a face, N x 112 x 112 x 3, BGR, and their share of a batch."""

    images: Image
    share: float


def gather(config: Background, seed: int) -> Empty:
    """Cut the images; the result depends on the directory and the seed only."""
    files = sorted(p for p in config.images.rglob("*") if p.suffix.lower() in faces.EXTENSIONS)
    if not files:
        raise DataError(f"{config.images}: holds no image; give a directory of whole images")
    detect = open_detector(config.detector)

    def cut(file: Path) -> list[Image]:
        rng = generator(seed, file.name, 0)
        found = cuts(faces.read(file), detect, config.cuts, rng)
        return [degrade(some, config.degradation, rng) for some in [*found, plain(rng)]]

    with ThreadPoolExecutor(1 if config.detector.suffix == ".tflite" else 2) as pool:
        bar = tqdm(pool.map(cut, files), total=len(files), desc="background", unit="image", disable=None)
        made = [some for several in bar for some in several]
    return Empty(np.stack(made), config.share)


def cuts(image: Image, detect: Detect, count: int, rng: np.random.Generator) -> list[Image]:
    """Cut up to `count` squares beside the faces of an image, and its erased faces; 112x112 each."""
    found = detect(image, _SEEN)
    beside = [_beside(image, found, rng) for _ in range(count)]
    return [some for some in beside if some is not None] + _without_faces(image, found, rng)


def _beside(image: Image, found: Faces, rng: np.random.Generator) -> Image | None:
    height, width = image.shape[:2]
    if min(height, width) < _SMALLEST:
        return None
    for _ in range(_TRIES):
        side = int(np.exp(rng.uniform(np.log(_SMALLEST), np.log(min(height, width)))))
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        low = np.maximum(found[:, :2], [x, y])
        high = np.minimum(found[:, :2] + found[:, 2:4], [x + side, y + side])
        common = np.clip(high - low, 0, None).prod(axis=1)
        if (common < 0.1 * np.minimum(found[:, 2:4].prod(axis=1), side**2)).all():
            method = cv2.INTER_AREA if side > SIZE else cv2.INTER_LINEAR
            square = image[y : y + side, x : x + side]
            return np.asarray(cv2.resize(square, (SIZE, SIZE), interpolation=method), np.uint8)
    return None


def _without_faces(image: Image, found: Faces, rng: np.random.Generator) -> list[Image]:
    made = []
    for face in found[isolated(found)]:
        painted = image.copy()
        if face[14] < _SURE or face[2] < _SMALLEST or not erase_face(painted, face, rng):
            continue
        made.append(align(painted, face[4:14].reshape(5, 2), 0).image)
    return made


def plain(rng: np.random.Generator) -> Image:
    """Grey or one colour, a gradient between two, or noise."""
    ends = rng.integers(0, 256, (2, 3))
    share = np.linspace(0, 1, SIZE)[:, None, None] * rng.integers(0, 2)
    flat = np.broadcast_to(ends[0] + share * (ends[1] - ends[0]), (SIZE, SIZE, 3))
    if rng.random() < 0.5:
        cells = int(2 ** rng.uniform(2, 7))
        noise = rng.normal(0, rng.uniform(5, 80), (cells, cells, int(rng.choice([1, 3]))))
        flat = flat + np.atleast_3d(cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR))
    return np.asarray(np.clip(flat, 0, 255), np.uint8)
