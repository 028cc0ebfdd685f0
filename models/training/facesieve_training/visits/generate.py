"""Renders generated recordings as H.264 with their truth files.

Faces are photographs by person (aligned, 128x128), drawn over a room. The truth is that of the drawing: a
span lasts while at least half of the face is inside the frame, not covered, and turned to the camera.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training import faces, h264
from facesieve_training.cli import DataError
from facesieve_training.faces import FaceSet, Image
from facesieve_training.run import write_atomic
from facesieve_training.visits import figure
from facesieve_training.visits.canvas import Canvas
from facesieve_training.visits.regret import Embed
from facesieve_training.visits.scenario import HEIGHT, WIDTH, Scenario
from facesieve_training.visits.truth import Key, Person, Truth

VERSION = 1
"""To be raised whenever the same scenario is drawn differently."""

_PHOTOS = 8
"""Least number of photographs of a person."""
_SHIFT = 256
"""Range of the offset at which each frame takes its noise, pixels."""
_SEEN = 0.5
"""Least visible share of a face in a span."""


@dataclass(frozen=True)
class Member:
    """One person of the cast: photographs to draw, and others."""

    photos: list[Path]
    references: list[str]


class Cast:
    """People with many photographs, half of them for the held-out recordings."""

    def __init__(self, root: Path, embed: Embed) -> None:
        """List the people below a directory; the network ranks the photographs of a person."""
        self._set, self._embed = FaceSet(root), embed
        self._people = [who for who in self._set.identities if len(self._set.faces(who)) >= _PHOTOS]
        if len(self._people) < 20:
            raise DataError(
                f"{root}: holds {len(self._people)} people with {_PHOTOS} photographs, 20 are needed"
            )

    def choose(self, scenario: Scenario, held_out: bool) -> list[str]:
        """Choose the names of people for a scenario."""
        rng = np.random.default_rng([scenario.seed, 1])
        half = self._people[int(held_out) :: 2]
        return [half[k] for k in rng.choice(len(half), scenario.people, replace=False)]

    def hash(self, names: list[str]) -> str:
        """Digest of some people's photographs: names and sizes of the files."""
        files = [(face.key, face.path.stat().st_size) for who in names for face in self._set.faces(who)]
        return hashlib.sha256(repr(files).encode()).hexdigest()

    def members(self, names: list[str], photos: int) -> list[Member]:
        """Choose of each person the photographs that are most similar to the person's others."""
        return [self._member(who, photos) for who in names]

    def _member(self, who: str, photos: int) -> Member:
        files = self._set.faces(who)
        embedded = self._embed(np.stack([faces.centre(faces.read_face(face.path)) for face in files]))
        embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
        order = np.argsort(-(embedded @ embedded.T).sum(axis=1), kind="stable")
        return Member([files[k].path for k in order[:photos]], [files[k].key for k in order[photos:]])


def background(video: Path) -> Image:
    """First frame of a recording of an empty room, 1280x720."""
    capture = cv2.VideoCapture(str(video))
    good, frame = capture.read()
    capture.release()
    if not good:
        raise DataError(f"{video}: cannot be read; it has to show a room without people in its first frame")
    return np.asarray(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def generate(
    scenario: Scenario, cast: Cast, held_out: bool, room: Image, directory: Path
) -> tuple[Path, Path]:
    """Render a recording unless the directory holds it; the result is the paths of video and truth."""
    names = cast.choose(scenario, held_out)
    video, truth = directory / f"{scenario.name}.mp4", directory / f"{scenario.name}.json"
    digest = hashlib.sha256(f"{VERSION} {scenario} {cast.hash(names)}".encode() + room.tobytes()).hexdigest()
    stamp = directory / f"{scenario.name}.sha256"
    if video.exists() and truth.exists() and stamp.exists() and stamp.read_text() == digest:
        return video, truth
    directory.mkdir(parents=True, exist_ok=True)
    drawing = Drawing(scenario, cast.members(names, scenario.photos), room)
    h264.write(drawing, scenario.fps, video)
    drawing.truth().save(truth)
    write_atomic(stamp, digest)
    return video, truth


class Drawing:
    """Frames of a scenario; iterate over all of them, then read the truth."""

    def __init__(self, scenario: Scenario, cast: list[Member], room: Image) -> None:
        """Read the photographs."""
        self._scenario, self._cast = scenario, cast
        self._rng = np.random.default_rng([scenario.seed, 2])
        colours = self._rng.uniform(30, 190, (scenario.people, 3)).astype(np.float32)
        self._figures = [
            figure.Figure(_photo(cast[a.person].photos[a.photo]), colours[a.person]) for a in scenario.actors
        ]
        self._phases = self._rng.uniform(0, 1, len(scenario.actors))
        self._rooms = [_room(room, k) for k in range(len(scenario.cuts) + 1)]
        noise = np.rint(self._rng.normal(0, scenario.noise, (HEIGHT + _SHIFT, WIDTH + _SHIFT, 3)))
        self._noise = noise.astype(np.int16)
        self._spans: list[list[list[Key]]] = [[] for _ in range(scenario.people)]

    def __iter__(self) -> Iterator[Image]:
        """Draw frame after frame, HEIGHT x WIDTH x 3, BGR."""
        seen: dict[int, int] = {}
        for number in range(round(self._scenario.seconds * self._scenario.fps)):
            frame, found = self._frame(number / self._scenario.fps)
            for person, key in found.items():
                if seen.get(person) != number - 1:
                    self._spans[person].append([])
                self._spans[person][-1].append(key)
                seen[person] = number
            yield frame

    def truth(self) -> Truth:
        """Truth of the frames that were drawn."""
        roles = {actor.person: actor.role for actor in self._scenario.actors}
        return Truth(
            [
                Person(f"person_{k + 1}", roles[k], spans, self._cast[k].references)
                for k, spans in enumerate(self._spans)
            ]
        )

    def _frame(self, time: float) -> tuple[Image, dict[int, Key]]:
        s = self._scenario
        top, left = self._rng.integers(0, _SHIFT, 2)
        noise = np.ascontiguousarray(self._noise[top : top + HEIGHT, left : left + WIDTH])
        if s.black and s.black[0] <= time < s.black[1]:
            return Canvas(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).image(1.0, noise), {}
        canvas = Canvas(self._rooms[sum(cut <= time for cut in s.cuts)])
        layers = [(actor.depth, k) for k, actor in enumerate(s.actors)]
        layers += [(pillar.depth, -1 - k) for k, pillar in enumerate(s.pillars)]
        drawn = []
        for _, k in sorted(layers):
            if k < 0:
                _draw_pillar(canvas, s.pillars[-1 - k].left, s.pillars[-1 - k].right)
            elif pose := figure.pose(s.actors[k], time, s.fps, float(self._phases[k])):
                drawn.append((k, pose.key, self._figures[k].draw(canvas, s.actors[k], pose)))
        found: dict[int, Key] = {}
        for k, key, face in drawn:
            if canvas.visible(face) >= _SEEN and key.face >= _SEEN:
                found[s.actors[k].person] = (time, *figure.box(key))
        gain = float(np.interp(time, [t for t, _ in s.light], [g for _, g in s.light]))
        return canvas.image(gain, noise), found


def _photo(path: Path) -> Image:
    image = faces.read_face(path)
    if image.shape[0] != 128:
        raise DataError(f"{path}: is {image.shape[0]} pixels wide; aligned faces with a margin have 128")
    return image


def _room(room: Image, number: int) -> Image:
    """The room, or for higher numbers another place: a mirrored, tinted part of it."""
    if number == 0:
        return room
    rng = np.random.default_rng(number)
    left, top = int(rng.integers(0, WIDTH // 3)), int(rng.integers(0, HEIGHT // 3))
    part = room[top : top + HEIGHT * 2 // 3, left : left + WIDTH * 2 // 3]
    part = np.asarray(cv2.resize(part[:, :: (-1) ** number], (WIDTH, HEIGHT)), np.uint8)
    return np.asarray(np.clip(part * rng.uniform(0.6, 1.05, 3), 0, 255).astype(np.uint8))


def _draw_pillar(canvas: Canvas, left: float, right: float) -> None:
    width = round(right - left)
    shade: NDArray[np.float32] = np.linspace(150, 95, width, dtype=np.float32)
    patch = np.broadcast_to(shade[None, :, None], (HEIGHT, width, 3))
    canvas.blend(np.asarray(patch), np.ones((HEIGHT, width), np.float32), round(left), 0)
