"""The stage `feedback`: a simulated recogniser matches the faces that the program sends of made-up cameras.

Every camera records the same people. The program sends the best face of each visit, whatever its score. The
recogniser compares it with another photograph of the person, at the similarity that a share `fmr` of the
comparisons of two people's photographs reaches.
"""

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training import h264
from facesieve_training.evaluate.network import Network, Runner, session
from facesieve_training.faces import Image
from facesieve_training.feedback import scenes
from facesieve_training.feedback.cameras import Camera
from facesieve_training.feedback.scenes import Subject
from facesieve_training.run import Run, write_atomic
from facesieve_training.visits import events, generate, program
from facesieve_training.visits.generate import Drawing, Member
from facesieve_training.visits.regret import Embed
from facesieve_training.visits.truth import Truth

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    matcher: Network
    """Network of the simulated recogniser. It must not be the program's teacher."""
    cameras: dict[str, Camera]
    program: Path = Path("../../bin/facesieve")
    faces: Path = Path("data/faces/lfw")
    """Photographs by person, aligned, 128x128."""
    room: Path = Path("data/videos/empty_room.mp4")
    """Recording whose first frame is the background."""
    people: int = 400
    eyes: tuple[float, float] = (13.0, 45.0)
    """Smallest and largest distance between the eyes, pixels of the frame."""
    fmr: float = 1e-3
    seed: int = 1
    limit: float = 600.0
    """Longest time of one replay, seconds."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.people > 1 else [f"people: {self.people} is less than 2"]
        found += [] if 0 < self.fmr < 1 else [f"fmr: {self.fmr} is not between 0 and 1"]
        low, high = self.eyes
        return found if 0 < low <= high else [*found, f"eyes: {low} to {high} is not a range above 0"]


@dataclass(frozen=True)
class Outcome:
    """What became of one sent face."""

    score: float
    similarity: float
    """Cosine with the enrolled photograph."""


def run(config: Config, run: Run) -> None:
    """Write CAMERA.csv with score, similarity and outcome (1: matched) of each sent face."""
    network = Runner(session(config.matcher.file))

    def embed(images: Image) -> NDArray[np.float32]:
        values = network(config.matcher.prepared(images))
        return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)

    people = scenes.subjects(config.faces, config.people, config.seed, embed)
    enrolled = embed(scenes.aligned([who.enrolled for who in people]))
    least = _threshold(embed(scenes.aligned([who.drawn for who in people])), enrolled, config.fmr)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in config.cameras}
    for first, truth, sent in _replays(config, people, run.dir):
        for name, found in sent.items():
            outcomes[name] += _match(found, truth, enrolled[first:], embed)
    figures = {}
    for name, found_all in outcomes.items():
        write_atomic(run.dir / f"{name}.csv", _table(found_all, least))
        matched = float(np.mean([o.similarity >= least for o in found_all])) if found_all else 0.0
        figures[name] = {"faces": len(found_all), "matched": round(matched, 4)}
        _LOG.info("%s: %d faces, %.1f %% matched", name, len(found_all), 100 * matched)
    run.finish(similarity=round(least, 4), cameras=figures)


def _threshold(drawn: NDArray[np.float32], enrolled: NDArray[np.float32], fmr: float) -> float:
    """Similarity that the given share of the comparisons of different people reaches."""
    others = ~np.eye(len(drawn), dtype=bool)
    return float(np.quantile((drawn @ enrolled.T)[others], 1 - fmr))


def _replays(
    config: Config, people: list[Subject], directory: Path
) -> Iterator[tuple[int, Truth, dict[str, list[events.Face]]]]:
    """Draw and replay one recording after the other: index of its first person, truth, faces by camera."""
    settings = program.write_settings(directory / "program.yaml", None, threshold=0)
    room = generate.background(config.room)
    video = directory / "recording.mp4"
    for number, first in enumerate(tqdm(range(0, len(people), scenes.LANES), unit="recording", disable=None)):
        among = people[first : first + scenes.LANES]
        scene = scenes.scenario(number, len(among), config.eyes, config.seed)
        drawing = Drawing(scene, [Member([who.drawn], []) for who in among], room)
        frames = list(drawing)
        sent = {}
        for name, camera in config.cameras.items():
            degrade = camera.recorder(config.seed, f"{name} {scene.name}")
            h264.write((degrade(k, frame) for k, frame in enumerate(frames)), scene.fps, video)
            sent[name] = program.replay(config.program, settings, video, directory / "replay", config.limit)
        yield first, drawing.truth(), sent
    video.unlink(missing_ok=True)


def _match(
    sent: list[events.Face], truth: Truth, enrolled: NDArray[np.float32], embed: Embed
) -> list[Outcome]:
    """Compare faces with the enrolled photographs of their people; nobody's faces are left out."""
    owned = [(f, o.person) for f, o in zip(sent, events.assign(sent, truth), strict=True) if o]
    if not owned:
        return []
    embedded = embed(np.stack([face.aligned for face, _ in owned]))
    return [
        Outcome(face.score, float(row @ enrolled[person]))
        for (face, person), row in zip(owned, embedded, strict=True)
    ]


def _table(outcomes: list[Outcome], least: float) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("score", "similarity", "matched"))
    for o in outcomes:
        writer.writerow((f"{o.score:.1f}", f"{o.similarity:.4f}", int(o.similarity >= least)))
    return text.getvalue()
