"""Makes training views: photographs on heads of any shape and pose, seen by a camera, found and aligned as in
the daemon, and the values of the quality network for them.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training import degrade
from facesieve_training.degrade import Degradation, Span
from facesieve_training.detector.refine import Refiner, read_rule
from facesieve_training.faces import EXTENSIONS, Image, read
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.pose.render import Camera, Photograph, View, render
from facesieve_training.pose.shape import Shape
from facesieve_training.prepare.align import align
from facesieve_training.prepare.detector import Detect, open_detector

_STRIDE, _BORDER = 32, 32
_FLIPPED = [1, 0, 2, 4, 3]


def _camera() -> Degradation:
    return Degradation(
        spared=0.3, pixels=Span(0.5, 24, 90), motion=Span(0.25, 3, 9), defocus=Span(0.25, 0.5, 2.5),
        dark=Span(0.2, 0.2, 0.8), bright=Span(0.1, 1.2, 1.8), noise=Span(0.4, 2, 14), jpeg=Span(0.6, 20, 80),
        occlusion=Span(0.08, 0.15, 0.3),
    )  # fmt: skip


@dataclass(frozen=True)
class Views:
    """What is rendered of each photograph."""

    count: int = 7
    """Views of each photograph; the first has the photograph's own pose."""
    angle: float = 60
    """Largest rotation in yaw and pitch, degrees."""
    small: float = 0.4
    """Share of views with a normal rotation of 18 degrees; the others are uniform up to angle."""
    roll: float = 8
    """Standard deviation, degrees."""
    near: float = 9
    far: float = 100
    """Distance of the camera, in distances between the eyes, uniform in its logarithm."""
    behind: float = 0.5
    """Share of views with another, blurred photograph behind the head."""
    degradation: Degradation = field(default_factory=_camera)


@dataclass(frozen=True)
class Networks:
    """Files of the networks that see the views, and the quality network with one more output."""

    detector: Path
    landmarks: Path
    quality: bytes


@dataclass(frozen=True)
class Source:
    """A photograph of one near-frontal face."""

    path: Path
    landmarks: NDArray[np.float64]


@dataclass
class Rows:
    """Views of some photographs, one row each."""

    photo: NDArray[np.int32]
    """Number of the photograph."""
    mirrored: NDArray[np.bool_]
    rotation: NDArray[np.float64]
    """Yaw and pitch of the rendering, degrees, N x 2; those of the mirrored view where it is mirrored."""
    eyes: NDArray[np.float64]
    """Distance between the eyes of a frontal head, pixels of the camera's image."""
    landmarks: NDArray[np.float64]
    """As the daemon finds them, N x 5 x 2 pixels."""
    values: NDArray[np.int8]
    """The added output, flat."""
    image: NDArray[np.uint8]

    @staticmethod
    def joined(parts: Sequence["Rows"]) -> "Rows":
        """Put parts below each other."""
        return Rows(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


def frontal(directory: Path, detector: Path, eyes: float, limit: int | None = None) -> list[Source]:
    """Photographs with exactly one face, not turned, of at least this distance between the eyes, pixels."""
    detect = open_detector(detector)
    found = []
    for path in sorted(p for p in directory.rglob("*") if p.suffix.lower() in EXTENSIONS):
        faces = detect(_padded(read(path)), 0.7)
        if len(faces) == 1 and _is_frontal(points := faces[0, 4:14].reshape(5, 2).astype(np.float64), eyes):
            found.append(Source(path, points))
        if limit and len(found) == limit:
            break
    return found


def _is_frontal(points: NDArray[np.float64], eyes: float) -> bool:
    """Whether the nose is between the line of the eyes' middle and the mouth's, and the head upright."""
    unit = points[1] - points[0]
    size = float(np.hypot(*unit))
    if size < eyes or abs(np.degrees(np.arctan2(unit[1], unit[0]))) > 15:
        return False
    offset = (points - (points[0] + points[1]) / 2) @ unit / size**2
    return bool(abs(offset[2] - 0.2 * (offset[3] + offset[4])) < 0.08)


def make(
    sources: Sequence[Source], networks: Networks, views: Views, shape: Shape, seed: int, workers: int
) -> Rows:
    """Render and see views of all photographs; the result does not depend on the number of workers."""
    tasks = [(k, sources, views, shape, seed) for k in range(len(sources))]
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (networks,)) as pool:
        return Rows.joined([rows for rows in pool.map(_views, tasks, chunksize=8) if rows])


class _Seen:
    """The networks of one process."""

    detect: Detect
    refine: Refiner
    quality: Int8Network


def _start(networks: Networks) -> None:
    cv2.setNumThreads(1)
    score, rule = read_rule(networks.landmarks.with_suffix(".json"))
    _Seen.detect = open_detector(networks.detector)
    _Seen.refine = Refiner(open_detector(networks.landmarks), score, rule)
    _Seen.quality = Int8Network(networks.quality)


def _views(task: tuple[int, Sequence[Source], Views, Shape, int]) -> Rows | None:
    number, sources, views, shape, seed = task
    photo = Photograph(read(sources[number].path), sources[number].landmarks)
    rows: list[Rows] = []
    for k in range(views.count):
        rng = degrade.generator(seed, sources[number].path.name, k)
        camera = _drawn(views, k == 0, rng)
        view = _behind(render(photo, shape.varied(rng), camera), sources, views, rng)
        image, scale = _recorded(view.image, views.degradation, rng)
        for mirrored in (False, True):
            rows += _row(number, camera, view, image, scale, mirrored)
    return Rows.joined(rows) if rows else None


def _drawn(views: Views, own: bool, rng: np.random.Generator) -> Camera:
    yaw, pitch = rng.uniform(-views.angle, views.angle, 2)
    small = np.clip(18 * rng.standard_normal(2), -views.angle, views.angle)
    if rng.random() < views.small:
        yaw, pitch = small
    distance = np.exp(rng.uniform(np.log(views.near), np.log(views.far)))
    roll = views.roll * rng.standard_normal()
    return Camera(0.0 if own else float(yaw), 0.0 if own else float(pitch), float(roll), float(distance))


def _behind(view: View, sources: Sequence[Source], views: Views, rng: np.random.Generator) -> View:
    """Put another photograph behind the head of some views."""
    used, other, sigma = rng.random() < views.behind, int(rng.integers(len(sources))), rng.uniform(3, 12)
    if not used:
        return view
    side = view.image.shape[0]
    scene = cv2.GaussianBlur(cv2.resize(read(sources[other].path), (side, side)), (0, 0), sigma)
    return View(np.where(view.head[..., None], view.image, scene).astype(np.uint8), view.landmarks, view.head)


def _recorded(image: Image, config: Degradation, rng: np.random.Generator) -> tuple[Image, float]:
    """The image of the camera, and its scale relative to the view."""
    made = degrade.record(image, config, rng)
    return made, made.shape[0] / image.shape[0]


def _row(
    number: int, camera: Camera, view: View, image: Image, scale: float, mirrored: bool
) -> Iterable[Rows]:
    """What the daemon measures of a view; nothing where it does not find the face."""
    truth, sign = view.landmarks * scale, 1.0
    if mirrored:
        image, sign = np.ascontiguousarray(image[:, ::-1]), -1.0
        truth = np.column_stack([image.shape[1] - 1 - truth[:, 0], truth[:, 1]])[_FLIPPED]
    unit = camera.eyes * scale
    faces = _Seen.detect(_padded(image), 0.4)
    away = [np.hypot(*(f[4:14].reshape(5, 2).mean(axis=0) - truth.mean(axis=0))) for f in faces]
    if not away or min(away) > 0.5 * unit:
        return []
    points = _Seen.refine(image, faces[int(np.argmin(away))])[4:14].reshape(5, 2)
    try:
        face = align(image, points, 0).image
    except ValueError:
        return []
    *_, values = see(_Seen.quality, face)
    return [
        Rows(
            np.array([number], np.int32), np.array([mirrored]),
            np.array([[sign * camera.yaw, camera.pitch]]), np.array([unit]),
            points[None].astype(np.float64), values[None], face[None],
        )
    ]  # fmt: skip


def see(network: Int8Network, face: Image) -> list[NDArray[np.int8]]:
    """The outputs of a quality network for an aligned face, quantised and flat."""
    network.set_image(face)
    network.invoke()
    return network.quantised()


def _padded(image: Image) -> Image:
    down, across = (-size % _STRIDE + _BORDER for size in image.shape[:2])
    return np.asarray(
        cv2.copyMakeBorder(image, 0, down, 0, across, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8
    )
