"""Faces that the program reported, and to whom each belongs."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image
from facesieve_training.visits.truth import SLACK, Box, Truth

_OVERLAP = 0.2
"""Least intersection over union of a face's box and the truth's."""
_RIVAL = 0.6
"""A face is ambiguous when another person's overlap is at least this share of the best one's."""


_EXACT = 0.01
"""Rounding of times, seconds."""
_SLACK_WEIGHT = 0.5
"""Weight of the overlap with a person seen within SLACK only: after a cut another is at the same place."""


@dataclass(frozen=True)
class Face:
    """One event."""

    time: float
    """Seconds from the start of the recording."""
    box: Box
    visit: str
    score: float
    aligned: Image


@dataclass(frozen=True)
class Owner:
    """The person of a face."""

    person: int
    """Index in the truth."""
    span: int
    """Index of the span of time."""
    ambiguous: bool
    """Another person's face is nearly at the same place."""


def read(path: Path) -> list[Face]:
    """Read events.jsonl of `facesieve replay --out`, ordered by time."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return sorted((_face(json.loads(line)) for line in lines), key=lambda face: face.time)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is not a file of events: {error}") from error


def _face(event: dict[str, Any]) -> Face:
    box, data = event["box"], base64.b64decode(event["image"]["data"])
    aligned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if aligned is None:
        raise ValueError("an event's image cannot be decoded")
    return Face(
        datetime.fromisoformat(event["time"]).timestamp(),
        (box["x"], box["y"], box["width"], box["height"]),
        event["visit"]["id"],
        event["quality"]["score"],
        np.asarray(aligned, np.uint8),
    )


def assign(faces: Sequence[Face], truth: Truth) -> list[Owner | None]:
    """Find the person of each face: the one whose box overlaps most; None where nobody's does."""
    return [_owner(face, truth) for face in faces]


def _owner(face: Face, truth: Truth) -> Owner | None:
    ranked: list[tuple[float, int, int]] = []
    for k, person in enumerate(truth.people):
        for span in range(len(person.faces)):
            box = person.box(span, face.time, SLACK)
            overlap = _iou(face.box, box) if box else 0.0
            if overlap >= _OVERLAP:
                exact = person.box(span, face.time, _EXACT) is not None
                ranked.append((overlap if exact else _SLACK_WEIGHT * overlap, k, span))
    if not ranked:
        return None
    best, owner, span = max(ranked)
    return Owner(owner, span, any(other >= _RIVAL * best for other, k, _ in ranked if k != owner))


def _iou(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
