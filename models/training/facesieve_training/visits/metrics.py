"""Counts of one recording: people, sent, missed, doubled, switches, false."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from facesieve_training.visits.events import Face, Owner
from facesieve_training.visits.truth import SLACK, Truth


@dataclass(frozen=True)
class Counts:
    """The counts of a recording, or their sums."""

    people: int = 0
    """People that have to be sent."""
    sent: int = 0
    """Those with at least one event."""
    missed: int = 0
    """Visits of theirs without an event."""
    doubled: int = 0
    """Visits of anybody whose events carry more than one visit id."""
    switches: int = 0
    """Changes of the person within one visit id."""
    false: int = 0
    """Events with nobody's face."""
    events: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add up two recordings."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Assigned:
    """Faces with their people."""

    faces: Sequence[Face]
    owners: Sequence[Owner | None]

    def of(self, person: int) -> list[Face]:
        """Faces of one person."""
        pairs = zip(self.faces, self.owners, strict=True)
        return [face for face, owner in pairs if owner and owner.person == person]


def count(truth: Truth, events: Assigned, candidates: Assigned, rejoin: float) -> tuple[Counts, list[str]]:
    """Count the events of the default policy; candidates are the faces of the same recording that could have
    been sent, which show switches. The second value has a sentence for each fault.
    """
    people = sent = missed = doubled = 0
    notes = []
    for k, person in enumerate(truth.people):
        own = events.of(k)
        if person.role == "must":
            people += 1
            sent += bool(own)
        for first, last in person.visits(rejoin):
            inside = [face for face in own if first - SLACK <= face.time <= last + SLACK]
            ids = {face.visit for face in inside}
            if not ids and person.role == "must":
                missed += 1
                notes.append(f"{person.name} is missed from {first:.1f} to {last:.1f} s")
            if len(ids) > 1:
                doubled += 1
                times = ", ".join(f"{face.time:.1f} s ({face.visit})" for face in inside)
                notes.append(f"{person.name} is doubled at {times}")
    switches = max((_switches(truth, some) for some in (events, candidates)), key=len)
    false = [f.time for f, owner in zip(events.faces, events.owners, strict=True) if owner is None]
    notes += switches + [f"nobody's face is sent at {time:.1f} s" for time in false]
    counts = Counts(people, sent, missed, doubled, len(switches), len(false), len(events.faces))
    return counts, notes


def _switches(truth: Truth, some: Assigned) -> list[str]:
    visits: dict[str, list[tuple[float, int]]] = {}
    for face, owner in zip(some.faces, some.owners, strict=True):
        if owner and not owner.ambiguous:
            visits.setdefault(face.visit, []).append((face.time, owner.person))
    return [
        f"{visit} changes from {truth.people[a].name} to {truth.people[b].name} at {time:.1f} s"
        for visit, seen in visits.items()
        for (_, a), (time, b) in itertools.pairwise(seen)
        if a != b
    ]


def total(some: Iterable[Counts]) -> Counts:
    """Sum of several recordings."""
    return sum(some, Counts())
