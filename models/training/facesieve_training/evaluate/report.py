"""The reports: self-contained HTML pages of one column, and of several columns with their mean."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from facesieve_training.evaluate import edc, tables
from facesieve_training.evaluate.edc import Ints, pair_quality
from facesieve_training.evaluate.figures import Drawn
from facesieve_training.evaluate.means import Means
from facesieve_training.evaluate.results import Result, Results
from facesieve_training.pages import render
from facesieve_training.run import Run

_THUMB = 68
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]
# Number of false non-matches of the highest quality that are shown.
_LEFT_OVER = 12


@dataclass(frozen=True)
class Thumb:
    """A face of the report."""

    jpeg: bytes
    title: str
    value: str = ""


def page(title: str, images: int, run: Run, results: Results, drawn: dict[str, Drawn]) -> str:
    """Write the page of a column with `images` faces in each strip (0: without faces)."""
    return render(
        "evaluate/report.html.j2",
        title=title,
        lead=summary([results]),
        basis=tables.basis(results),
        warnings=warnings(results),
        drawn=drawn,
        head=tables.headings(results),
        sections=_sections(results, drawn),
        reference=results.reference.name,
        fmr=f"{results.rules.fmrs[0]:g}",
        strips=_strips(results, images) if images else [],
        left_over=_left_over(results) if images else [],
        agreement=_agreement(results),
        thresholds=_thresholds(results),
        meta=run.meta,
    )


def overview(title: str, run: Run, columns: list[tuple[Results, str]]) -> str:
    """Write the page of several columns, each with the name of its directory."""
    results = [column for column, _ in columns]
    return render(
        "evaluate/overview.html.j2",
        title=title,
        lead=summary(results),
        columns=[
            {"name": c.name, "directory": at, "basis": tables.basis(c), "warnings": warnings(c)}
            for c, at in columns
        ],
        parts=[_mean_part(results, *kind) for kind in tables.kinds(results[0])],
        reference=results[0].reference.name,
        meta=run.meta,
    )


def _mean_part(results: list[Results], convention: str, fmr: float) -> dict[str, Any]:
    means = Means.of(results, convention, fmr)
    first = convention == edc.FIXED and fmr == results[0].rules.fmrs[0]
    part = {"fmr": f"{fmr:g}", "convention": tables.CONVENTION[convention], "open": first, "rows": []}
    if means is None:
        return part
    shown = {"head": tables.mean_headings(means), "rows": tables.mean_body(means)}
    return part | shown | {"note": tables.left_out(means)}


def summary(columns: list[Results]) -> str:
    """Summary of the result: the best score, and those that it is not distinguishable from."""
    return _summary_of_means(columns) if len(columns) > 1 else _summary_of(columns[0])


def _summary_of(results: Results) -> str:
    fmr = results.rules.fmrs[0]
    best, *others = results.ranked(edc.FIXED, fmr)
    curve = best.curve(edc.FIXED, fmr)
    if np.isnan(curve.area):
        return f"No score has a relative area: no mated pair fails at FMR {fmr:g}."
    far = int(np.argmax(results.rules.points))
    text = _verdict(best.name, [row.name for row in results.undecided(fmr)], len(others), "area")
    text += (
        f" Dropping its worst {tables.percent(results.rules.points[far])} of the mated pairs takes the false "
        f"non-match rate from {100 * curve.points[0]:.2f} % to {100 * curve.points[far]:.2f} % at FMR "
        f"{fmr:g} (relative area {curve.area:.3f}, 95 % interval {curve.area_low:.3f} to "
        f"{curve.area_high:.3f})."
    )
    if results.reference in others:
        rank = others.index(results.reference) + 2
        area = results.reference.curve(edc.FIXED, fmr).area
        text += f" {results.reference.name} is number {rank} with {area:.3f}."
    return text


def _summary_of_means(columns: list[Results]) -> str:
    fmr = columns[0].rules.fmrs[0]
    means = Means.of(columns, edc.FIXED, fmr)
    if means is None:
        return f"No score has a relative area: no mated pair fails at FMR {fmr:g}."
    best, *others = means.rows
    text = _verdict(best.name, [row.name for row in means.undecided()], len(others), "mean area")
    figures = f"{best.value:.3f}, 95 % interval {best.low:.3f} to {best.high:.3f}"
    over = f"{len(means.columns)} of {len(columns)} columns"
    return f"{text} Mean relative area over {over} at FMR {fmr:g}: {figures}."


def _verdict(best: str, undecided: list[str], others: int, what: str) -> str:
    """The best score, unless the paired intervals of its differences to others include 0."""
    if not others:
        return f"{best} is the only score."
    if not undecided:
        return f"{best} is best of {others + 1}: every paired 95 % interval of its difference excludes 0."
    names = f"{', '.join(undecided[:-1])} and {undecided[-1]}" if len(undecided) > 1 else undecided[0]
    return (
        f"{best} has the lowest {what} of {others + 1}, but is {tables.UNDECIDED} from {names}: the paired "
        "95 % interval of the difference includes 0."
    )


def warnings(results: Results) -> list[str]:
    """Warnings about unreliable figures."""
    faults = []
    for fmr in results.rules.fmrs:
        above = int(fmr * len(results.comparisons.nonmated) + 1e-9)
        if above < 30:
            faults.append(
                f"The threshold at FMR {fmr:g} rests on {above} non-mated pairs; take more of them."
            )
    for row in results.rows:
        if np.isnan(row.main.area):
            faults.append(f"{row.name} has no relative area: no mated pair fails at this FMR.")
        if row.unscored:
            faults.append(f"{row.name} could not score {row.unscored:,} faces; they are dropped first.")
        if row.levels < len(results.gallery) / 100:
            faults.append(f"{row.name} takes only {row.levels:,} different values; ties count as the mean.")
    return faults


def _sections(results: Results, drawn: dict[str, Drawn]) -> list[dict[str, Any]]:
    """Curves and tables of each convention and FMR."""

    def part(convention: str, fmr: float) -> dict[str, Any]:
        return {
            "fmr": f"{fmr:g}",
            "open": convention == edc.FIXED and fmr == results.rules.fmrs[0],
            "drawn": drawn[f"edc-{convention}-{fmr:g}"],
            "rows": tables.body(results, convention, fmr),
        }

    return [
        {"convention": tables.CONVENTION[c], "parts": [part(c, fmr) for fmr in results.rules.fmrs]}
        for c in edc.CONVENTIONS
    ]


def _strips(results: Results, count: int) -> list[dict[str, Any]]:
    strips = []
    for row in results.ranked(edc.FIXED, results.rules.fmrs[0]):
        order = np.argsort(np.where(np.isnan(row.quality), -np.inf, row.quality), kind="stable")
        worst, best = order[:count], order[::-1][: max(1, count // 2)]
        strips.append(
            {
                "name": row.name,
                "area": f"{row.main.area:.3f}",
                "about": row.about,
                "worst": _thumbs(results, row, worst),
                "best": _thumbs(results, row, best),
            }
        )
    return strips


def _thumbs(results: Results, row: Result, rows: Ints) -> list[Thumb]:
    batch = results.gallery.read(rows)
    values = ["no score" if np.isnan(row.quality[at]) else f"{row.quality[at]:.4g}" for at in rows]
    faces = zip(batch.aligned, batch.keys, values, strict=True)
    return [Thumb(_jpeg(face), f"{key}: {value}", value) for face, key, value in faces]


def _jpeg(face: NDArray[np.uint8]) -> bytes:
    small = cv2.resize(np.ascontiguousarray(face), (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, _JPEG)[1].tobytes()


def _left_over(results: Results) -> list[dict[str, Any]]:
    """False non-matches that the reference score drops last: wrong labels, age, a matcher's limits."""
    pairs, row = results.comparisons.mated, results.reference
    failed = np.flatnonzero(results.comparisons.mated_similarity <= results.thresholds[0])
    quality = pair_quality(results.compared(row), pairs.left, pairs.right)
    shown = []
    for pair in failed[np.argsort(-quality[failed], kind="stable")][:_LEFT_OVER]:
        sides = int(pairs.left[pair]), int(pairs.right[pair])
        both = results.gallery.read(np.array([results.face(row, side) for side in sides]))
        faces = [Thumb(_jpeg(f), k) for f, k in zip(both.aligned, both.keys, strict=True)]
        shown.append({"faces": faces, "cosine": f"{results.comparisons.mated_similarity[pair]:.2f}"})
    return shown


def _agreement(results: Results) -> list[dict[str, Any]]:
    """Spearman's rank correlation of every two scores."""
    ranks = [rankdata(np.nan_to_num(row.quality, nan=-np.inf)) for row in results.rows]
    with np.errstate(invalid="ignore"):
        matrix = np.nan_to_num(np.atleast_2d(np.corrcoef(np.stack(ranks))))
    return [
        {
            "name": row.name,
            "cells": [{"text": f"{v:.2f}", "shade": f"{0.55 * max(0.0, v):.2f}"} for v in values],
        }
        for row, values in zip(results.rows, matrix, strict=True)
    ]


def _thresholds(results: Results) -> str:
    similarity = results.comparisons.mated_similarity
    return ", ".join(
        f"{threshold:.4f} at FMR {fmr:g} (FNMR {100 * float((similarity <= threshold).mean()):.2f} %)"
        for fmr, threshold in zip(results.rules.fmrs, results.thresholds, strict=True)
    )
