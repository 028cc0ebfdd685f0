"""Recordings of people who walk towards the camera, and of whom another photograph is enrolled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesieve_training import faces
from facesieve_training.cli import DataError
from facesieve_training.faces import FaceSet, Image
from facesieve_training.visits.regret import Embed
from facesieve_training.visits.scenario import WIDTH, Actor, Key, Scenario

LANES = 8
"""People side by side in one recording."""
_SECONDS, _FPS = 2.2, 8
_GAIN = 1.3
"""Growth of a face during the approach."""


@dataclass(frozen=True)
class Subject:
    """A person with two different photographs."""

    drawn: Path
    enrolled: Path


def subjects(root: Path, number: int, seed: int, embed: Embed) -> list[Subject]:
    """Choose people with at least three photographs. A random one is drawn; of up to six others the one most
    similar to the rest is enrolled, because enrolment discards poor photographs.
    """
    photographs = FaceSet(root)
    rng = np.random.default_rng([seed, 1])
    people = [who for who in photographs.identities if len(photographs.faces(who)) > 2]
    if number > len(people):
        raise DataError(
            f"{root}: holds {len(people)} people with three photographs, {number} are needed; "
            "give more faces, or set people lower"
        )
    chosen = []
    for k in rng.choice(len(people), number, replace=False):
        files = rng.permutation(np.array([str(face.path) for face in photographs.faces(people[k])]))[:7]
        drawn, *others = map(Path, files)
        chosen.append(Subject(drawn, _most_typical(others, embed)))
    return chosen


def aligned(paths: list[Path]) -> Image:
    """Read the aligned faces of photographs, N x 112 x 112 x 3."""
    return np.stack([faces.centre(faces.read_face(path)) for path in paths])


def _most_typical(paths: list[Path], embed: Embed) -> Path:
    embedded = embed(aligned(paths))
    return paths[int(np.argmax((embedded @ embedded.T).sum(axis=1)))]


def scenario(number: int, people: int, eyes: tuple[float, float], seed: int) -> Scenario:
    """Draw a recording; the distances of the eyes, in pixels of the frame at the end of the approach, are
    uniform in their logarithm.
    """
    rng = np.random.default_rng([seed, 2, number])
    width = WIDTH / LANES
    actors = []
    for k, lane in enumerate(rng.permutation(LANES)[:people]):
        size = float(np.exp(rng.uniform(*np.log(eyes))))
        x, y = (lane + 0.5) * width + rng.uniform(-10, 10, 2), rng.uniform(170, 300)
        keys = (
            Key(0.1, float(x[0]), float(y), size / _GAIN),
            Key(_SECONDS - 0.1, float(x[1]), float(y) + size, size),
        )
        actors.append(Actor(k, keys, depth=size))
    return Scenario(
        f"scene_{number:03d}", seed * 10000 + number, _SECONDS, tuple(actors), fps=_FPS, noise=1.5
    )
