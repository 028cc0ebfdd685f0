"""Truth of a recording: who is seen when and where. A JSON file of the recording's name.

    {"people": [{"name": "man", "role": "must", "faces": [[[0.2, 610, 240, 90, 120], ...], ...],
                 "references": ["NAME/1.jpg"]}]}

`faces` holds the spans of time in which the person's face is seen, in order. A span is a list of keyframes
[time, x, y, width, height], seconds from the start and pixels of the frame; between two keyframes the box
moves linearly. A person with the role "must" is well visible and has to be sent once a visit, one with "may"
may be sent once. `references`, optional, are other photographs of the person, below the directory of faces.
"""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.run import write_atomic

Box = tuple[float, float, float, float]
"""Left, top, width, height, pixels of the frame."""
Key = tuple[float, float, float, float, float]
"""Time in seconds, and the box."""

SLACK = 0.2
"""A face this long before or after a span belongs to it, seconds: spans are as exact as the frames."""


@dataclass(frozen=True)
class Person:
    """One person of a recording."""

    name: str
    role: Literal["must", "may"]
    faces: list[list[Key]]
    references: list[str] = field(default_factory=list)

    def box(self, span: int, time: float, slack: float) -> Box | None:
        """Box of the face at a time; None when the span, extended by slack seconds, does not cover it."""
        keys = np.array(self.faces[span])
        if not keys[0, 0] - slack <= time <= keys[-1, 0] + slack:
            return None
        x, y, width, height = (float(np.interp(time, keys[:, 0], keys[:, k])) for k in range(1, 5))
        return x, y, width, height

    def visits(self, rejoin: float) -> list[tuple[float, float]]:
        """First and last time of each visit: spans with at most `rejoin` seconds between them."""
        found: list[tuple[float, float]] = []
        for span in self.faces:
            first, last = span[0][0], span[-1][0]
            if found and first - found[-1][1] <= rejoin:
                first = found.pop()[0]
            found.append((first, last))
        return found


@dataclass(frozen=True)
class Truth:
    """The people of one recording."""

    people: list[Person]

    def save(self, path: Path) -> None:
        """Write the file, one span a line."""
        people = ",\n".join(_text(person) for person in self.people)
        write_atomic(path, f'{{"people": [\n{people}\n]}}\n' if people else '{"people": []}\n')


def _text(person: Person) -> str:
    spans = (json.dumps([[round(v, 3) for v in key] for key in span]) for span in person.faces)
    head = json.dumps({"name": person.name, "role": person.role, "references": person.references})
    return f'  {head[:-1]}, "faces": [\n    ' + ",\n    ".join(spans) + "]}"


def load(path: Path) -> Truth:
    """Read a truth file; DataError lists everything that is wrong with it."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from error
    faults: list[str] = []
    people = _people(tree, faults)
    if faults:
        raise DataError("\n".join(f"{path}: {fault}" for fault in faults))
    return Truth(people)


def _people(tree: Any, faults: list[str]) -> list[Person]:
    if not isinstance(tree, dict) or not isinstance(tree.get("people"), list):
        faults.append('must be {"people": [...]}')
        return []
    faults += [f"{key}: unknown key" for key in tree if key != "people"]
    found = [_person(entry, f"people[{k}]", faults) for k, entry in enumerate(tree["people"])]
    people = [person for person in found if person]
    names = [person.name for person in people]
    faults += [f"{name}: is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    return people


def _person(entry: Any, where: str, faults: list[str]) -> Person | None:
    if not isinstance(entry, dict):
        faults.append(f"{where}: must hold keys and values")
        return None
    before = len(faults)
    known = ("name", "role", "faces", "references")
    faults += [f"{where}.{key}: unknown key" for key in entry if key not in known]
    name, role, references = entry.get("name"), entry.get("role"), entry.get("references", [])
    if not isinstance(name, str) or not name:
        faults.append(f"{where}.name: must be text")
    if role not in ("must", "may"):
        faults.append(f"{where}.role: {role!r} is none of must, may")
    if not isinstance(references, list) or not all(isinstance(some, str) for some in references):
        faults.append(f"{where}.references: must be a list of files")
    spans = _spans(entry.get("faces"), f"{where}.faces", faults)
    if len(faults) > before:
        return None
    return Person(str(name), "must" if role == "must" else "may", spans, references)


def _spans(tree: Any, where: str, faults: list[str]) -> list[list[Key]]:
    if not isinstance(tree, list) or not tree or not all(isinstance(span, list) and span for span in tree):
        faults.append(f"{where}: must be a list of spans, each a list of keyframes")
        return []
    for k, span in enumerate(tree):
        for n, key in enumerate(span):
            numbers = isinstance(key, list) and len(key) == 5 and all(isinstance(v, int | float) for v in key)
            if not numbers or key[3] <= 0 or key[4] <= 0:
                faults.append(
                    f"{where}[{k}][{n}]: must be [time, x, y, width, height] with a size above 0, not {key!r}"
                )
                return []
    times = [key[0] for span in tree for key in span]
    for earlier, later in itertools.pairwise(times):
        if later <= earlier:
            faults.append(f"{where}: times must rise, and {later} follows {earlier}")
            return []
    return [[(key[0], key[1], key[2], key[3], key[4]) for key in span] for span in tree]
