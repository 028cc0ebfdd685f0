"""Counts of hand-made lists of events."""

from facesieve_training.visits import metrics
from facesieve_training.visits.conftest import MakeFace
from facesieve_training.visits.events import Face, assign
from facesieve_training.visits.metrics import Assigned, Counts
from facesieve_training.visits.truth import Person, Truth

_SIZE = (50.0, 60.0)


def _person(name: str, x: float, *spans: tuple[float, float], role: str = "must") -> Person:
    keys = [[(first, x, 0.0, *_SIZE), (last, x, 0.0, *_SIZE)] for first, last in spans]
    return Person(name, "must" if role == "must" else "may", keys)


_TRUTH = Truth(
    [
        _person("man", 0, (0, 10), (15, 20), (90, 95)),
        _person("woman", 200, (0, 20)),
        _person("passer-by", 400, (3, 5), role="may"),
    ]
)


def _count(events: list[Face], candidates: list[Face]) -> tuple[Counts, list[str]]:
    sent, seen = (Assigned(some, assign(some, _TRUTH)) for some in (events, candidates))
    return metrics.count(_TRUTH, sent, seen, rejoin=60)


def test_everybody_is_sent_once(make_face: MakeFace) -> None:
    events = [make_face(t, (x, 0, *_SIZE), v) for t, x, v in ((5, 0, "a"), (92, 0, "b"), (7, 200, "c"))]
    assert _count(events, events) == (Counts(people=2, sent=2, events=3), [])


def test_a_visit_that_is_sent_again_under_its_own_id_is_no_double(make_face: MakeFace) -> None:
    given = ((5, 0, "a"), (16, 0, "a"), (92, 0, "b"), (7, 200, "c"))
    events = [make_face(t, (x, 0, *_SIZE), v) for t, x, v in given]
    assert _count(events, events) == (Counts(people=2, sent=2, events=4), [])


def test_a_missed_visit_a_double_and_a_false_face(make_face: MakeFace) -> None:
    given = ((5, 0, "a"), (16, 0, "b"), (4, 400, "d"), (4.5, 400, "e"), (6, 700, "f"))
    events = [make_face(t, (x, 0, *_SIZE), v) for t, x, v in given]
    counts, notes = _count(events, events)
    assert counts == Counts(people=2, sent=1, missed=2, doubled=2, false=1, events=5)
    assert notes == [
        "man is doubled at 5.0 s (a), 16.0 s (b)",
        "man is missed from 90.0 to 95.0 s",
        "woman is missed from 0.0 to 20.0 s",
        "passer-by is doubled at 4.0 s (d), 4.5 s (e)",
        "nobody's face is sent at 6.0 s",
    ]


def test_each_change_of_the_person_is_a_switch(make_face: MakeFace) -> None:
    given = ((1, 0, "a"), (2, 0, "a"), (3, 200, "a"), (4, 200, "a"), (5, 0, "a"), (2, 200, "c"), (91, 0, "d"))
    candidates = [make_face(t, (x, 0, *_SIZE), v) for t, x, v in given]
    counts, notes = _count(candidates[-3:], candidates)
    assert (counts.switches, counts.missed) == (2, 0)
    assert notes[:2] == ["a changes from man to woman at 3.0 s", "a changes from woman to man at 5.0 s"]


def test_totals_are_sums() -> None:
    assert metrics.total([Counts(1, 1, events=2), Counts(3, 2, 1)]) == Counts(4, 3, 1, events=2)
