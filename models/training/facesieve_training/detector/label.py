"""Labels a directory of images with the teacher; images and faces are stored in one cache file.

All images are decoded once and stored as JPEG in the size of their labels (squeezed images are widened
first), so that training reads no other file.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.upright import upright
from facesieve_training.detector.yunet import YuNet

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_QUALITY = 95


@dataclass(frozen=True)
class Labelled:
    """An image (JPEG) and the teacher's faces in it, [N,15]; held_out images are never trained on.

    hard_negatives: false positives of an earlier detector, see the module of that name, [N,15].
    """

    name: str
    data: bytes
    width: int
    height: int
    faces: FloatArray
    held_out: bool
    hard_negatives: FloatArray = field(default_factory=lambda: np.zeros((0, codec.COLUMNS), np.float32))

    def image(self) -> np.ndarray:
        """Decode the image: BGR, 8 bits."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR))


@dataclass(frozen=True)
class LabelConfig:
    """How images are labelled.

    Images whose name starts with squeezed_prefix show crowds squeezed to a square: they are widened and
    labelled at squeezed_scales. upright: tilted heads get the teacher's landmarks on the rotated image.
    held_out_list: file of the held-out images' SHA-256 (first 16 digits), one per line; without it a share of
    the images is held out by a hash of their names.
    """

    teacher: Path = Path("yunet_s.onnx")
    images: Path = Path("scenes")
    cache: Path = Path("data/detector-labels.npz")
    threshold: float = 0.3
    scales: tuple[float, ...] = (0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6)
    mirrored: bool = True
    upright: bool = True
    squeezed_prefix: str = "crowd_"
    squeezed_scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    widen: float = 1.4
    held_out: float = 0.1
    held_out_list: Path | None = None


class HeldOut:
    """Decides which images are held out for evaluation, the same on every machine."""

    def __init__(self, config: LabelConfig) -> None:
        self._share, self._listed = config.held_out, None
        if config.held_out_list is not None:
            self._listed = set(config.held_out_list.read_text(encoding="utf-8").split())

    def __call__(self, path: Path) -> bool:
        """Whether the image in this file is one of them."""
        if self._listed is not None:
            return hashlib.sha256(path.read_bytes()).hexdigest()[:16] in self._listed
        digest = hashlib.sha256(path.name.encode()).digest()
        return int.from_bytes(digest[:4], "big") < self._share * 2**32


def read(path: Path, config: LabelConfig) -> np.ndarray:
    """Read an image, BGR, a squeezed one widened."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: is not a readable image; remove or replace it")
    if not path.name.startswith(config.squeezed_prefix):
        return np.asarray(image)
    return np.asarray(cv2.resize(image, None, fx=config.widen, fy=1.0, interpolation=cv2.INTER_CUBIC))


def _paths(config: LabelConfig) -> list[Path]:
    return sorted(p for p in config.images.iterdir() if p.suffix.lower() in SUFFIXES)


def label_images(config: LabelConfig) -> Iterator[Labelled]:
    """Label every image of the directory, in order of name."""
    teacher = YuNet(config.teacher)
    paths = _paths(config)
    if not paths:
        raise DataError(f"{config.images}: holds no images ({', '.join(sorted(SUFFIXES))})")
    held_out = HeldOut(config)
    for path in tqdm(paths, desc="label", unit="image", disable=None):
        image = read(path, config)
        squeezed = path.name.startswith(config.squeezed_prefix)
        scales = config.squeezed_scales if squeezed else config.scales
        faces = teacher.detect(image, config.threshold, scales, config.mirrored)
        if config.upright:
            faces = upright(teacher, image, faces)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        height, width = image.shape[:2]
        yield Labelled(path.name, data.tobytes(), width, height, faces, held_out(path))


def save(path: Path, items: list[Labelled], key: str) -> None:
    """Write the cache, whole or not at all."""
    counts = np.array([len(i.faces) for i in items], np.int32)
    sizes = np.array([len(i.data) for i in items], np.int64)
    header = json.dumps({"key": key, "names": [i.name for i in items], "held": [i.held_out for i in items]})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        header=np.array(header),
        counts=counts,
        sizes=sizes,
        shapes=np.array([[i.width, i.height] for i in items], np.int32),
        faces=np.concatenate([i.faces for i in items]),
        data=np.frombuffer(b"".join(i.data for i in items), np.uint8),
    )
    temporary.replace(path)


def _read_cache(path: Path, key: str) -> list[Labelled] | None:
    with np.load(path) as stored:
        header = json.loads(str(stored["header"]))
        if header["key"] != key:
            return None
        faces = np.split(stored["faces"], np.cumsum(stored["counts"])[:-1])
        data = stored["data"].tobytes()
        ends = np.cumsum(stored["sizes"])
        spans = [slice(end - size, end) for end, size in zip(ends, stored["sizes"], strict=True)]
        shapes = stored["shapes"].tolist()
    rows = zip(header["names"], spans, shapes, faces, header["held"], strict=True)
    return [Labelled(name, data[span], w, h, found, held_out) for name, span, (w, h), found, held_out in rows]


def cache_key(config: LabelConfig) -> str:
    """All that the labels depend on: teacher, names and sizes of the images, settings."""
    for name in ("teacher", "images", "held_out_list"):
        path = getattr(config, name)
        if path is not None and not path.exists():
            raise DataError(f"{path}: does not exist; fix label.{name}")
    settings = dataclasses.asdict(config)
    for part in ("teacher", "images", "cache"):
        del settings[part]
    if config.held_out_list is not None:
        settings["held_out_list"] = hashlib.sha256(config.held_out_list.read_bytes()).hexdigest()
    listing = "".join(f"{path.name} {path.stat().st_size}\n" for path in _paths(config))
    return json.dumps(
        {
            "teacher": hashlib.sha256(config.teacher.read_bytes()).hexdigest(),
            "pictures": hashlib.sha256(listing.encode()).hexdigest(),
            **settings,
        }
    )


def load(config: LabelConfig) -> list[Labelled]:
    """The labelled images, from the cache if its key matches, else labelled now."""
    key = cache_key(config)
    if config.cache.exists():
        items = _read_cache(config.cache, key)
        if items is not None:
            return items
    items = list(label_images(config))
    save(config.cache, items, key)
    return items
