"""Best-shot regret: how much better than the sent face the best face of its visit would have been.

The measure of a face is its mean cosine similarity, by a network that is not under test, to other photographs
of the person: the truth's references, or else the person's faces in other spans of the recording.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesieve_training import faces
from facesieve_training.faces import Image
from facesieve_training.visits.events import Face
from facesieve_training.visits.metrics import Assigned
from facesieve_training.visits.truth import Person, Truth

Embed = Callable[[Image], NDArray[np.float32]]
"""Embeds aligned faces, N x 112 x 112 x 3, BGR."""


@dataclass(frozen=True)
class Shot:
    """A sent face among the faces of its visit that could have been sent."""

    person: str
    faces: int
    sent: float
    best: float
    mean: float
    """Expectation of a random choice."""

    @property
    def regret(self) -> float:
        """Similarity lost against the best choice."""
        return self.best - self.sent


@dataclass(frozen=True)
class Regret:
    """Means over shots."""

    shots: int
    sent: float
    best: float
    mean: float

    @property
    def regret(self) -> float:
        """Similarity lost against the best choice."""
        return self.best - self.sent

    @property
    def share(self) -> float | None:
        """(sent - mean) / (best - mean): 0 for a random choice, 1 for the best; None where all are equal."""
        return (self.sent - self.mean) / (self.best - self.mean) if self.best > self.mean else None


def summary(shots: Iterable[Shot]) -> Regret | None:
    """Means over shots of visits with at least two faces; None without any."""
    chosen = [shot for shot in shots if shot.faces > 1]
    if not chosen:
        return None
    values = np.array([(shot.sent, shot.best, shot.mean) for shot in chosen])
    return Regret(len(chosen), *(float(v) for v in values.mean(axis=0)))


class Measure:
    """Measures the shots of recordings."""

    def __init__(self, embed: Embed, root: Path) -> None:
        """Use a network, and references below a directory."""
        self._embed, self._root = embed, root

    def shots(self, truth: Truth, events: Assigned, candidates: Assigned) -> list[Shot]:
        """One shot for each event of a person with references or with faces in other spans."""
        return [
            shot
            for k, person in enumerate(truth.people)
            for shot in self._of_person(person, k, events, candidates)
        ]

    def _of_person(self, person: Person, k: int, events: Assigned, candidates: Assigned) -> list[Shot]:
        sent = events.of(k)
        own = [
            (f, o.span)
            for f, o in zip(candidates.faces, candidates.owners, strict=True)
            if o and o.person == k
        ]
        spans = np.array([span for _, span in own])
        if not sent or not own or (not person.references and len(set(spans)) < 2):
            return []
        embedded = self._unit(np.stack([face.aligned for face, _ in own]))
        references = self._references(person)
        found = []
        for face in sent:
            at = [n for n, (other, _) in enumerate(own) if _same(face, other)]
            if not at:
                continue  # a last face that the other policy did not send
            rows = [n for n, (other, _) in enumerate(own) if other.visit == own[at[0]][0].visit]
            others = references if len(references) else embedded[spans != spans[at[0]]]
            similarity = (embedded @ others.T).mean(axis=1)
            among = similarity[rows]
            found.append(
                Shot(
                    person.name, len(rows), float(similarity[at[0]]), float(among.max()), float(among.mean())
                )
            )
        return found

    def _references(self, person: Person) -> NDArray[np.float32]:
        images = [faces.centre(faces.read_face(self._root / name)) for name in person.references]
        return self._unit(np.stack(images)) if images else np.zeros((0, 1), np.float32)

    def _unit(self, images: Image) -> NDArray[np.float32]:
        values = self._embed(images)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(values / np.maximum(lengths, 1e-9), np.float32)


def _same(a: Face, b: Face) -> bool:
    """The same face of the same frame, from two runs."""
    return abs(a.time - b.time) < 1e-6 and np.allclose(a.box, b.box, atol=0.01)
