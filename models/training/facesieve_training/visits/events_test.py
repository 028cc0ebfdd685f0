"""Events: reading, and whose face each one is."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.visits import events
from facesieve_training.visits.conftest import MakeFace
from facesieve_training.visits.events import Owner, assign
from facesieve_training.visits.truth import Person, Truth


def _event(time: str, **fields: Any) -> dict[str, Any]:
    data = base64.b64encode(cv2.imencode(".png", np.full((112, 112, 3), 7, np.uint8))[1].tobytes()).decode()
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    event = {
        "time": time,
        "box": box,
        "quality": {"score": 50.5},
        "visit": {"id": "b"},
        "image": {"data": data},
    }
    return event | fields


def test_events_are_ordered_by_time_and_have_a_visit(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [_event("1970-01-01T00:00:04.25Z"), _event("1970-01-01T00:00:01.083333333Z", visit={"id": "a"})]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    first, second = events.read(path)
    assert (first.visit, second.visit) == ("a", "b")
    assert (first.time, second.time) == pytest.approx((1.083333, 4.25), abs=1e-6)
    assert first.box == (1, 2, 3, 4)
    assert (first.score, int(first.aligned.mean())) == (50.5, 7)


def test_a_file_without_events_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"time": "1970-01-01T00:00:00Z"}\n')
    with pytest.raises(DataError, match="is not a file of events"):
        events.read(tmp_path / "events.jsonl")


def test_a_face_belongs_to_the_person_at_its_place_and_time(make_face: MakeFace) -> None:
    left = Person("left", "must", [[(0.0, 0, 0, 100, 100), (10.0, 200, 0, 100, 100)]])
    right = Person("right", "must", [[(0.0, 300, 0, 100, 100), (4.0, 300, 0, 100, 100)]])
    given = [(0.0, 300.0), (5.0, 90.0), (5.0, 300.0), (4.1, 310.0), (9.9, 500.0)]
    faces = [make_face(time, (x, 5.0, 95.0, 100.0), "") for time, x in given]
    assert assign(faces, Truth([left, right])) == [
        Owner(1, 0, False), Owner(0, 0, False), None, Owner(1, 0, False), None,
    ]  # fmt: skip


def test_a_face_right_after_a_cut_belongs_to_the_second_person(make_face: MakeFace) -> None:
    place = (100.0, 100.0, 50.0, 60.0)
    first = Person("first", "must", [[(0.0, *place), (0.96, *place)]])
    second = Person("second", "must", [[(1.0, 102.0, 101.0, 50.0, 60.0), (2.0, *place)]])
    faces = [make_face(time, place, "") for time in (0.96, 1.0)]
    assert assign(faces, Truth([first, second])) == [Owner(0, 0, False), Owner(1, 0, False)]


def test_a_face_that_is_being_covered_keeps_its_person(make_face: MakeFace) -> None:
    behind = Person("behind", "must", [[(0.0, 0, 0, 100, 100), (1.0, 0, 0, 100, 100)]])
    front = Person("front", "must", [[(0.0, 60, 0, 100, 100), (2.0, 60, 0, 100, 100)]])
    face = make_face(1.1, (0.0, 0.0, 100.0, 100.0), "")
    assert assign([face], Truth([front, behind])) == [Owner(1, 0, False)]


def test_a_face_between_two_people_is_ambiguous(make_face: MakeFace) -> None:
    people = [Person(f"p{x}", "must", [[(0.0, x, 0, 100, 100)]]) for x in (0, 40)]
    owner = assign([make_face(0, (15.0, 0.0, 100.0, 100.0), "")], Truth(people))[0]
    assert owner == Owner(0, 0, True)
