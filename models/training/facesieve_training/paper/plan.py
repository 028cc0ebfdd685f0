"""The steps of the reproduction: each one stage with its configuration, made from configs/paper and the size.

Paths below `data/` in the configurations are of the data's directory, those below `runs/paper/` of the runs'.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from facesieve_training.cli import DataError
from facesieve_training.paper import backbone, sources

Tree = dict[str, Any]
Size = Literal["tiny", "full"]

CONFIGS = Path(__file__).parents[2] / "configs" / "paper"
FACES = "faces"


@dataclass(frozen=True)
class Step:
    """A run of a stage, below the directory of all runs."""

    name: str
    stage: str
    config: Tree
    after: Callable[[Path], None] | None = None
    """Work on the directory of the finished run; does nothing when it is done already."""
    before: Callable[[Path], None] | None = None
    """Work on the run's directory before it starts."""


@dataclass(frozen=True)
class Plan:
    """All steps in order, and what is not as in the paper."""

    size: Size
    steps: list[Step]
    missing: dict[str, Path]
    """Sets that are not there, with their paths."""
    changed: dict[str, list[tuple[str, Any, Any]]]
    """By file of configs/paper: the keys that the size changes, the paper's value and the used one."""


def plan(data: Path, runs: Path, size: Size, sizes: Path | None = None) -> Plan:
    """Make the plan; `sizes` is a file of values over those of configs/paper, instead of the size's."""
    names = ("teacher", "label", "student", "evaluate")
    papers = {name: _read(CONFIGS / f"{name}.yaml") for name in names}
    over = _read(sizes or CONFIGS / f"{size}.yaml") if size != "full" or sizes else {}
    unknown = sorted(set(over) - set(names))
    if unknown:
        raise DataError(f"{sizes}: {unknown[0]} is no step; they are {', '.join(names)}")
    changed = {name: list(_changes(papers[name], over.get(name, {}), "")) for name in names}
    configs = {name: _at(_merged(papers[name], over.get(name, {})), data, runs) for name in names}
    wanted: list[Tree] = configs["evaluate"]["sets"]
    missing = {s["name"]: Path(s[FACES]) for s in wanted if not Path(s[FACES]).exists()}
    present = [s for s in wanted if s["name"] not in missing]
    if not present:
        raise DataError(f"{next(iter(missing.values()))}: is not a directory; at least one set is needed")
    steps = _prepared(configs, present, runs)
    return Plan(size, [*steps, *_trained(configs, present, runs)], missing, changed)


def _prepared(configs: dict[str, Tree], sets: list[Tree], runs: Path) -> list[Step]:
    """Runs of `prepare` for data that are not aligned faces by person; the paths become those of the runs."""
    steps = []
    limit = configs["teacher"].get("limit")
    train = Path(configs["teacher"][FACES])
    source = sources.published(train)
    if source is not None:
        steps.append(Step("faces", "prepare", source))
        scores = configs["evaluate"]["scores"]
        for tree in (configs["teacher"], configs["label"], *(s for s in scores if FACES in s)):
            tree[FACES] = str(runs / "faces")
    for score in configs["evaluate"]["scores"]:
        if FACES in score and limit is not None:
            score["identities"] = limit
    for one in sets:
        source = sources.published(Path(one[FACES]))
        if source is not None:
            name = f"set-{one['name'].lower()}"
            steps.append(Step(name, "prepare", source))
            one[FACES] = str(runs / name)
    return steps


def _trained(configs: dict[str, Tree], sets: list[Tree], runs: Path) -> list[Step]:
    label, student = configs["label"], configs["student"]
    distil, quality = student["phases"]
    begun = {"initial": str(runs / "distilled" / backbone.FILE), "phases": [quality]}
    printed = {"labels": str(runs / "label-printed")}
    return [
        Step("teacher", "teacher", configs["teacher"]),
        Step("label", "label", label),
        Step("label-printed", "label", label | {"visual": "printed"}, before=_share_shards),
        Step("distilled", "student", student | {"phases": [distil]}, backbone.write),
        Step("student", "student", student | begun),
        Step("student-printed", "student", student | begun | printed),
        Step("evaluate", "evaluate", configs["evaluate"] | {"sets": sets}),
    ]


def _share_shards(run: Path) -> None:
    """Let both runs of `label` share their shards, which do not depend on the form of S_v."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "shards").exists():
        (run / "shards").symlink_to(Path("..") / "label" / "shards")


def _read(path: Path) -> Tree:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _merged(paper: Any, over: Any) -> Any:
    """Values over those of the paper, key by key; a list replaces a list."""
    if not isinstance(paper, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    both = paper | {key: _merged(paper.get(key), value) for key, value in over.items()}
    return copy.deepcopy(both)


def _changes(paper: Any, over: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Keys whose values differ from the paper's, with both values."""
    if isinstance(paper, dict) and isinstance(over, dict):
        for key, value in over.items():
            yield from _changes(paper.get(key), value, f"{where}.{key}" if where else key)
    elif isinstance(paper, list) and isinstance(over, list) and len(paper) == len(over):
        for i, (one, other) in enumerate(zip(paper, over, strict=True)):
            yield from _changes(one, other, f"{where}[{i}]")
    elif paper != over:
        yield where, paper, over


def _at(tree: Any, data: Path, runs: Path) -> Any:
    """The paths of a configuration at their places."""
    if isinstance(tree, dict):
        return {key: _at(value, data, runs) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_at(value, data, runs) for value in tree]
    for prefix, place in (("data/", data), ("runs/paper/", runs)):
        if isinstance(tree, str) and tree.startswith(prefix):
            return str(place / tree.removeprefix(prefix))
    return tree
