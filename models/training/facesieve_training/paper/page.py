"""The page of the reproduction: Figure 1 and Table 1 beside the paper's statements, and every deviation."""

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from facesieve_training.config import load
from facesieve_training.evaluate import tables
from facesieve_training.evaluate.edc import FIXED
from facesieve_training.evaluate.figures import Drawn
from facesieve_training.evaluate.results import Difference
from facesieve_training.evaluate.stage import Config as Evaluation
from facesieve_training.pages import render
from facesieve_training.paper import costs
from facesieve_training.paper import figure as figures
from facesieve_training.paper.figure import METHODS
from facesieve_training.paper.plan import Plan
from facesieve_training.student.stage import Config as Student
from facesieve_training.teacher.stage import Config as Teacher

_CLAIM = "slightly lower at most rejection rates"


def figure(runs: Path) -> Drawn:
    """Draw Figure 1."""
    fmr = _evaluation(runs).rules.fmrs[0]
    return figures.draw(figures.read(runs / "evaluate", fmr), fmr)


def write(planned: Plan, runs: Path, drawn: Drawn) -> str:
    """Write the page of finished runs."""
    evaluation = _evaluation(runs)
    fmr = evaluation.rules.fmrs[0]
    results = pd.read_csv(runs / "evaluate" / "table.csv")
    fixed = results[(results["convention"] == FIXED) & (results["fmr"] == fmr)]
    curves = figures.read(runs / "evaluate", fmr)
    teacher = _meta(runs, "teacher")
    return render(
        "paper/page.html.j2",
        title=f"The paper reproduced, size {planned.size}",
        size=planned.size,
        missing=planned.missing,
        figure=drawn,
        fmr=f"{fmr:g}",
        limit=tables.percent(evaluation.rules.limit),
        sets=_sets(fixed, evaluation),
        claims=_claims(curves, fixed),
        costs=_costs(planned, runs, evaluation),
        teacher=teacher,
        classes=_meta(runs, "distilled").get("teacher_classes", "not recorded"),
        undefined=_undefined(runs / "label-printed" / "labels.parquet"),
        changed=[(f"{name}.yaml", *row) for name, rows in planned.changed.items() for row in rows],
        matcher=evaluation.all_matchers()[0].title,
        steps=[_step(runs, step.name) for step in planned.steps],
        machine=f"{os.cpu_count()} processors, {platform.machine()}",
        meta=_meta(runs, "evaluate"),
    )


def _evaluation(runs: Path) -> Evaluation:
    return load(runs / "evaluate" / "config.yaml", Evaluation)


def _meta(runs: Path, step: str) -> dict[str, Any]:
    return dict(json.loads((runs / step / "meta.json").read_text(encoding="utf-8")))


def _sets(fixed: pd.DataFrame, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The table of each set."""
    points = [f"fnmr_{100 * point:g}" for point in evaluation.rules.points]
    heads = [f"FNMR at {tables.percent(p)}" for p in evaluation.rules.points]
    parts = []
    for name, part in fixed.groupby("set", sort=False):
        rows = [
            [
                row["score"],
                *(f"{row[point]:.4f}" for point in points),
                *tables.area(row["pauc"], row["pauc_low"], row["pauc_high"]),
                "–" if row["score"] == METHODS[0] else tables.changed(_difference(row)),
            ]
            for _, row in part.iterrows()
        ]
        head = ["method", *heads, "pAUC", "95 % interval", f"difference to {METHODS[0]}"]
        parts.append({"name": name, "head": head, "rows": rows, "best": _best(part)})
    return parts


def _best(part: pd.DataFrame) -> str:
    value = float(part["pauc_best_possible"].iloc[0])
    return tables.area(value, value, value)[0]


def _difference(row: "pd.Series[Any]") -> Difference:
    return Difference(row["difference"], row["difference_low"], row["difference_high"])


def _claims(curves: pd.DataFrame, fixed: pd.DataFrame) -> list[list[str]]:
    """The paper's statement about each other method and set, and what came out."""
    rows = []
    for other in METHODS[1:]:
        for name, share in figures.lower(curves, other).items():
            row = fixed[(fixed["set"] == name) & (fixed["score"] == other)].iloc[0]
            difference = _difference(row)
            # The table has the other method less ours.
            verdict = (
                tables.UNDECIDED if not difference.clear else "lower" if difference.value > 0 else "higher"
            )
            if np.isnan(difference.value):
                rows.append([f"{name}, {other}", _CLAIM, "no mated pair fails", "–"])
                continue
            measured = f"lower at {tables.percent(round(share, 3))} of the rejection rates"
            rows.append([f"{name}, {other}", _CLAIM, measured, verdict])
    return rows


def _costs(planned: Plan, runs: Path, evaluation: Evaluation) -> list[list[str]]:
    masks = next(score.masks for score in evaluation.scores if score.kind == "serfiq")
    paper = costs.of_the_paper(masks)
    here = paper
    if planned.size != "full" or planned.changed:
        teacher = load(runs / "teacher" / "config.yaml", Teacher)
        here = costs.counted(teacher, load(runs / "student" / "config.yaml", Student), masks)
    return [
        [
            name,
            f"{costs.PAPER[name][0]:.1f}",
            f"{paper[name].parameters / 1e6:.1f}",
            f"{here[name].parameters / 1e6:.2f}",
            f"{costs.PAPER[name][1]:.2f}",
            f"{paper[name].macs / 1e9:.2f}",
            f"{here[name].macs / 1e9:.3f}",
        ]
        for name in (METHODS[1], METHODS[2], METHODS[0])
    ]


def _undefined(table: Path) -> str:
    """Share of the faces whose S_v as printed is undefined, and of those below 0."""
    values = pq.read_table(table, columns=["visual_printed"])["visual_printed"].to_pandas()
    return (
        f"S_v as printed is undefined for {tables.percent(round(float(values.isna().mean()), 3))} of the "
        f"{len(values):,} faces (all d of a person equal) and below 0 for "
        f"{tables.percent(round(float((values < 0).mean()), 3))}"
    )


def _step(runs: Path, name: str) -> list[str]:
    meta = _meta(runs, name)
    started, ended = (datetime.datetime.fromisoformat(meta[key]) for key in ("started", "finished"))
    return [name, meta["stage"], f"{(ended - started).total_seconds():,.0f} s"]
