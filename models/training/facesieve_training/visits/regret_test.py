"""Best-shot regret with an embedding that can be computed by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.visits.conftest import MakeFace
from facesieve_training.visits.events import Owner
from facesieve_training.visits.metrics import Assigned
from facesieve_training.visits.regret import Measure, Shot, summary
from facesieve_training.visits.truth import Person, Truth

_BOX = (0.0, 0.0, 10.0, 10.0)


def _embed(images: Image) -> NDArray[np.float32]:
    """A grey level as an angle in degrees: the similarity of two faces is the cosine of their difference."""
    angle = np.radians(images.astype(np.float32).mean(axis=(1, 2, 3)))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _cos(*degrees: float) -> float:
    return float(np.cos(np.radians(degrees)).mean())


def test_the_sent_face_is_compared_with_the_faces_of_its_visit(make_face: MakeFace, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "reference.png"), np.full((128, 128, 3), 40, np.uint8))
    person = Person("man", "must", [[(0.0, *_BOX), (9.0, *_BOX)]], ["reference.png"])
    given = [(1, "a", 100), (2, "a", 70), (3, "a", 50), (4, "b", 40)]
    faces = [make_face(time, _BOX, visit, grey) for time, visit, grey in given]
    owners = [Owner(0, 0, False)] * 4
    sent = Assigned([make_face(2, _BOX, "x", 70)], owners[:1])
    (shot,) = Measure(_embed, tmp_path).shots(Truth([person]), sent, Assigned(faces, owners))
    assert (shot.person, shot.faces) == ("man", 3)
    assert (shot.sent, shot.best) == pytest.approx((_cos(30), _cos(10)), abs=1e-5)
    assert shot.mean == pytest.approx(_cos(60, 30, 10), abs=1e-5)


def test_without_references_the_faces_of_other_spans_are_the_measure(
    make_face: MakeFace, tmp_path: Path
) -> None:
    person = Person("man", "must", [[(0.0, *_BOX), (1.0, *_BOX)], [(5.0, *_BOX), (6.0, *_BOX)]])
    given = [(0.5, 30), (1, 60), (5, 80), (6, 90)]
    faces = [make_face(time, _BOX, "a", grey) for time, grey in given]
    owners = [Owner(0, span, False) for span in (0, 0, 1, 1)]
    (shot,) = Measure(_embed, tmp_path).shots(
        Truth([person]), Assigned(faces[1:2], owners[1:2]), Assigned(faces, owners)
    )
    assert shot.sent == pytest.approx(_cos(20, 30), abs=1e-5)


def test_a_person_of_one_span_without_references_is_left_out(make_face: MakeFace, tmp_path: Path) -> None:
    truth = Truth([Person("man", "must", [[(0.0, *_BOX), (1.0, *_BOX)]])])
    faces = Assigned([make_face(0.5, _BOX, "a"), make_face(1, _BOX, "a")], [Owner(0, 0, False)] * 2)
    assert Measure(_embed, tmp_path).shots(truth, faces, faces) == []


def test_the_share_is_that_of_what_choosing_can_win() -> None:
    shots = [Shot("a", 3, 0.5, 0.6, 0.4), Shot("b", 2, 0.7, 0.8, 0.4), Shot("alone", 1, 0.1, 0.1, 0.1)]
    found = summary(shots)
    assert found
    assert (found.shots, found.regret, found.share) == pytest.approx((2, 0.1, 0.2 / 0.3))
    assert summary(shots[2:]) is None
