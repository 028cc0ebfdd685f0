"""Truth files: reading, faults, visits, and those of the recordings."""

import json
from pathlib import Path

import pytest

from facesieve_training.cli import DataError
from facesieve_training.visits import truth
from facesieve_training.visits.truth import Person, Truth

_SHIPPED = Path(truth.__file__).parent / "truth"
_MAN = Person("man", "must", [[(1.0, 0, 0, 10, 20), (3.0, 40, 0, 20, 20)]])


def test_a_truth_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    people = [_MAN, Person("woman", "may", [[(0.5, 1, 2, 3, 4)], [(0.6, 1, 2, 3, 4)]], ["woman/1.jpg"])]
    Truth(people).save(tmp_path / "a.json")
    assert truth.load(tmp_path / "a.json").people == people
    Truth([]).save(tmp_path / "b.json")
    assert truth.load(tmp_path / "b.json").people == []


@pytest.mark.parametrize(
    ("person", "fault"),
    [
        ({"role": "perhaps"}, "people[0].role: 'perhaps' is none of must, may"),
        ({"name": ""}, "people[0].name: must be text"),
        ({"face": []}, "people[0].face: unknown key"),
        ({"faces": []}, "people[0].faces: must be a list of spans, each a list of keyframes"),
        (
            {"faces": [[[0, 1, 2, 0]]]},
            "people[0].faces[0][0]: must be [time, x, y, width, height] with a size above 0, "
            "not [0, 1, 2, 0]",
        ),
        (
            {"faces": [[["a", 1, 2, 3, 4]]]},
            "people[0].faces[0][0]: must be [time, x, y, width, height] with a size"
            " above 0, not ['a', 1, 2, 3, 4]",
        ),
        (
            {"faces": [[[1, 1, 2, 3, 4]], [[1, 1, 2, 3, 4]]]},
            "people[0].faces: times must rise, and 1 follows 1",
        ),
        ({"references": "a.jpg"}, "people[0].references: must be a list of files"),
    ],
)
def test_faults_of_a_truth_file(tmp_path: Path, person: dict[str, object], fault: str) -> None:
    path = tmp_path / "a.json"
    good = {"name": "man", "role": "must", "faces": [[[0, 1, 2, 3, 4]]]}
    path.write_text(json.dumps({"people": [good | person]}))
    with pytest.raises(DataError) as error:
        truth.load(path)
    assert str(error.value) == f"{path}: {fault}"


def test_all_faults_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    good = {"name": "man", "role": "must", "faces": [[[0, 1, 2, 3, 4]]]}
    path.write_text(json.dumps({"people": [good, good, {}], "persons": 1}))
    with pytest.raises(DataError) as error:
        truth.load(path)
    text = str(error.value)
    for part in ("persons: unknown key", "man: is given twice", "people[2].name", "people[2].role"):
        assert part in text


def test_a_box_moves_between_its_keyframes() -> None:
    assert _MAN.box(0, 2.0, 0) == (20, 0, 15, 20)
    assert _MAN.box(0, 3.1, 0) is None
    assert _MAN.box(0, 3.1, 0.2) == (40, 0, 20, 20)


def test_a_person_who_is_away_for_long_is_on_another_visit() -> None:
    box = (0.0, 0.0, 9.0, 9.0)
    spans = [[(0.0, *box), (5.0, *box)], [(25.0, *box)], [(90.0, *box), (95.0, *box)]]
    person = Person("man", "must", spans)
    assert person.visits(60) == [(0, 25), (90, 95)]
    assert person.visits(10) == [(0, 5), (25, 25), (90, 95)]


def test_the_recordings_have_the_people_who_should_be_sent() -> None:
    found = {path.stem: truth.load(path).people for path in _SHIPPED.glob("*.json")}
    must = {name: sum(person.role == "must" for person in people) for name, people in found.items()}
    assert must == {
        "corridor": 1, "cuts_1": 4, "cuts_2": 8, "empty_room": 0, "night_ir": 0, "shop": 0, "street_exit": 6,
        "two_heads": 2, "walk_in": 0,
    }  # fmt: skip
    assert sum(person.role == "may" for person in found["street_exit"]) == 3
