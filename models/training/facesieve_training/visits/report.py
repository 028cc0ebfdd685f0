"""Tables and results of the stage `visits`."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from facesieve_training.visits import metrics
from facesieve_training.visits.metrics import Counts
from facesieve_training.visits.regret import Regret, Shot, summary


@dataclass(frozen=True)
class Result:
    """What was measured on one recording."""

    name: str
    group: str
    counts: Counts
    notes: list[str]
    shots: list[Shot]

    def plain(self) -> dict[str, Any]:
        """Values of JSON, from which `read` makes an equal result."""
        return dataclasses.asdict(self)


def read(tree: Mapping[str, Any]) -> Result:
    """Make a result from JSON's values."""
    shots = [Shot(**shot) for shot in tree["shots"]]
    return Result(tree["name"], tree["group"], Counts(**tree["counts"]), tree["notes"], shots)


def totals(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Sums and regret of each group."""
    found = {}
    for group in dict.fromkeys(result.group for result in results):
        some = [result for result in results if result.group == group]
        regret = summary(shot for result in some for shot in result.shots)
        found[group] = {
            "recordings": len(some),
            **dataclasses.asdict(metrics.total(result.counts for result in some)),
            "regret": dataclasses.asdict(regret) | {"regret": regret.regret, "share": regret.share}
            if regret
            else None,
        }
    return found


def table(results: Sequence[Result]) -> str:
    """Recordings and totals as a Markdown table, and a list of the faults."""
    names = [field.name for field in fields(Counts)]
    head = ["recording", *names, "similarity sent", "best", "random", "regret", "share"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for group in dict.fromkeys(result.group for result in results):
        some = [result for result in results if result.group == group]
        rows += [_row(result.name, result.counts, summary(result.shots)) for result in some]
        shots = summary(shot for result in some for shot in result.shots)
        rows.append(_row(f"**{group}**: {len(some)}", metrics.total(r.counts for r in some), shots))
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    text = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    faults = [f"- {result.name}: {note}" for result in results for note in result.notes]
    return "\n".join([*text, *([""] if faults else []), *faults]) + "\n"


def _row(name: str, counts: Counts, regret: Regret | None) -> list[str]:
    figures = [str(value) for value in dataclasses.astuple(counts)]
    if regret is None:
        return [name, *figures] + ["-"] * 5
    similarities = (regret.sent, regret.best, regret.mean, regret.regret)
    share = "-" if regret.share is None else f"{regret.share:.0%}"
    return [name, *figures, *(f"{value:.3f}" for value in similarities), share]
