"""Shared fixtures: faces of one colour, and a person of a truth."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.visits.events import Face
from facesieve_training.visits.truth import Box

MakeFace = Callable[..., Face]


@pytest.fixture
def make_face() -> MakeFace:
    """Make a face of one grey level, its own score."""

    def make(time: float, box: Box, visit: str, grey: int = 100) -> Face:
        return Face(time, box, visit, float(grey), np.full((112, 112, 3), grey, np.uint8))

    return make


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """40 people with eight photographs each, aligned with a margin, of one colour a person."""
    root = tmp_path / "photographs"
    for person in range(40):
        directory = root / f"p{person:02d}"
        directory.mkdir(parents=True)
        colour = (20, 40 + 5 * person, 240)
        for number in range(8):
            cv2.imwrite(str(directory / f"{number}.png"), np.full((128, 128, 3), colour, np.uint8))
    return root
