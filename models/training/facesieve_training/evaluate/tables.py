"""The figures as a table: CSV with everything, Markdown to paste."""

import csv as csv_module
import io

import numpy as np

from facesieve_training.evaluate import edc
from facesieve_training.evaluate.evaluator import Curve
from facesieve_training.evaluate.means import Mean, Means
from facesieve_training.evaluate.results import Difference, Result, Results

CONVENTION = {
    edc.FIXED: "fixed threshold (set without discard)",
    edc.RECOMPUTED: "recomputed threshold (set again after every discard)",
}
BEST = "best possible"
UNDECIDED = "not distinguishable"


def percent(fraction: float) -> str:
    """A fraction as percent without trailing zeros."""
    return f"{100 * fraction:g} %"


def csv(columns: list[Results]) -> str:
    """One row per column, convention, FMR and score, best score first."""
    text = io.StringIO()
    writer: csv_module.DictWriter[str] | None = None
    for results in columns:
        for convention, fmr in kinds(results):
            for row in results.ranked(convention, fmr):
                values = _values(results, row, row.curve(convention, fmr))
                if writer is None:
                    writer = csv_module.DictWriter(text, list(values), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(values)
    return text.getvalue()


def curves(columns: list[Results]) -> str:
    """The curves in steps, for figures of one's own: a row per column, score, convention, FMR and discard."""
    text = io.StringIO()
    writer = csv_module.writer(text, lineterminator="\n")
    writer.writerow(["set", "matcher", "score", "convention", "fmr", "discard", "fnmr"])
    for results in columns:
        drawn = [(row.name, curve) for row in results.rows for curve in row.curves]
        for name, curve in drawn + [(BEST, curve) for curve in results.best]:
            first = [results.set, results.matcher, name, curve.convention, f"{curve.fmr:g}"]
            for x, y in zip(*curve.thinned(results.rules.limit), strict=True):
                writer.writerow([*first, f"{x:.6f}", f"{y:.6f}"])
    return text.getvalue()


def kinds(results: Results) -> list[tuple[str, float]]:
    """Convention and FMR of each table."""
    return [(convention, fmr) for convention in edc.CONVENTIONS for fmr in results.rules.fmrs]


def _values(results: Results, row: Result, curve: Curve) -> dict[str, str]:
    values = {
        "set": results.set,
        "matcher": results.matcher,
        "score": row.name,
        "convention": curve.convention,
        "fmr": f"{curve.fmr:g}",
        "threshold": f"{curve.threshold:.6f}",
    }
    for i, point in enumerate(results.rules.points):
        values[f"fnmr_{100 * point:g}"] = f"{curve.points[i]:.6f}"
        values[f"fnmr_{100 * point:g}_low"] = f"{curve.points_low[i]:.6f}"
        values[f"fnmr_{100 * point:g}_high"] = f"{curve.points_high[i]:.6f}"
    difference = results.difference(row, curve.convention, curve.fmr)
    best = next((b for b in results.best if (b.convention, b.fmr) == (curve.convention, curve.fmr)), None)
    return values | {
        "pauc": f"{curve.area:.4f}",
        "pauc_low": f"{curve.area_low:.4f}",
        "pauc_high": f"{curve.area_high:.4f}",
        "difference": f"{difference.value:.4f}",
        "difference_low": f"{difference.low:.4f}",
        "difference_high": f"{difference.high:.4f}",
        "reference": results.reference.name,
        "pauc_best_possible": "" if best is None else f"{best.area:.4f}",
        "faces_unscored": str(row.unscored),
        "levels": str(row.levels),
    }


def headings(results: Results) -> list[str]:
    """Columns of the readable tables."""
    first, *rest = [percent(p) for p in results.rules.points]
    return [
        "score", f"FNMR at {first}", *rest, "pAUC", "95 % interval",
        f"difference to {results.reference.name}",
    ]  # fmt: skip


def body(results: Results, convention: str, fmr: float) -> list[list[str]]:
    """Rows of a readable table: the scores, best first, and the best possible curve."""
    best = [curve for curve in results.best if (curve.convention, curve.fmr) == (convention, fmr)]
    rows = [cells(results, row, convention, fmr) for row in results.ranked(convention, fmr)]
    return rows + [_curve_cells(BEST, curve, "") for curve in best]


def cells(results: Results, row: Result, convention: str, fmr: float) -> list[str]:
    """One row of the readable tables."""
    change = "–" if row is results.reference else changed(results.difference(row, convention, fmr))
    return _curve_cells(row.name, row.curve(convention, fmr), change)


def _curve_cells(name: str, curve: Curve, change: str) -> list[str]:
    points = [f"{value:.4f}" for value in curve.points]
    return [name, *points, *area(curve.area, curve.area_low, curve.area_high), change]


def area(value: float, low: float, high: float) -> list[str]:
    """A relative area and its interval; without any error there is none."""
    return ["–", "–"] if np.isnan(value) else [f"{value:.3f}", f"{low:.3f} to {high:.3f}"]


def changed(difference: Difference) -> str:
    """A difference with its interval, and whether it is one."""
    if np.isnan(difference.value):
        return "–"
    text = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return text if difference.clear else f"{text}, {UNDECIDED}"


def basis(results: Results) -> str:
    """Description of the data and methods of the figures."""
    c = results.comparisons
    rests = ", ".join(
        f"{fmr:g} ({int(fmr * len(c.nonmated) + 1e-9)} of the non-mated pairs above it)"
        for fmr in results.rules.fmrs
    )
    in_templates = f" in {len(results.templates):,} templates" if results.templates else ""
    return (
        f"{results.set}: {len(results.gallery):,} faces of {len(results.gallery.names):,} people"
        f"{in_templates}; "
        f"{len(c.mated):,} mated and {len(c.nonmated):,} non-mated pairs, compared by {results.matcher}. "
        f"Threshold at FMR {rests}. {method(results)}"
    )


def method(results: Results) -> str:
    """Description of the methods, the same for all columns."""
    rules = results.rules
    return (
        "pAUC: area under FNMR against "
        f"discard up to {percent(rules.limit)}, relative to a random order (1.0 is useless, lower is "
        f"better). Intervals: 95 %, bootstrap over identities, {rules.replicates} replicates for the fixed "
        f"threshold and {min(rules.recomputed_replicates, rules.replicates)} for the recomputed one, "
        f"threshold included; differences are paired, and {UNDECIDED} where the interval includes 0. Ties "
        f"count as the mean over their orders; faces without a score go first. {BEST.capitalize()}: the "
        "mated pairs of lowest similarity go first, which a score of single images need not reach."
    )


def markdown(results: Results) -> str:
    """Readable tables, one for each convention and FMR."""
    lines = [basis(results), ""]
    for convention, fmr in kinds(results):
        lines += [f"### FMR {fmr:g}, {CONVENTION[convention]}", ""]
        lines += [*_grid(headings(results), body(results, convention, fmr)), ""]
    return "\n".join(lines)


def mean_headings(means: Means) -> list[str]:
    """Columns of the table of means."""
    names = [column.name for column in means.columns]
    return ["score", *names, "mean pAUC", "95 % interval", f"difference to {means.reference}"]


def mean_body(means: Means) -> list[list[str]]:
    """Rows of the table of means: the scores, best first, and the best possible areas."""
    rows = [_mean_cells(means, row) for row in means.rows]
    best = [c.area for column in means.columns for c in column.best if _is(c, means)]
    if best:
        rows.append([BEST, *(f"{area:.3f}" for area in best), f"{sum(best) / len(best):.3f}", "", ""])
    return rows


def _is(curve: Curve, means: Means) -> bool:
    return (curve.convention, curve.fmr) == (means.convention, means.fmr)


def _mean_cells(means: Means, row: Mean) -> list[str]:
    change = "–" if row.name == means.reference else changed(means.difference(row))
    areas = [f"{area:.3f}" for area in row.columns]
    return [row.name, *areas, f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}", change]


def left_out(means: Means) -> str:
    """A note about columns without an area, or nothing."""
    names = ", ".join(column.name for column in means.left_out)
    return f"Without {names}, where no mated pair fails at this FMR." if names else ""


def means_markdown(columns: list[Results]) -> str:
    """Tables of the relative areas of all columns and their means, one for each convention and FMR."""
    lines = [*(basis(column) + "\n" for column in columns)]
    for convention, fmr in kinds(columns[0]):
        lines += [f"### FMR {fmr:g}, {CONVENTION[convention]}", ""]
        means = Means.of(columns, convention, fmr)
        if means is None:
            lines += ["No column has an area: no mated pair fails at this FMR.", ""]
            continue
        lines += [*_grid(mean_headings(means), mean_body(means)), "", *filter(None, [left_out(means)]), ""]
    return "\n".join(lines)


def _grid(names: list[str], rows: list[list[str]]) -> list[str]:
    heads = ["| " + " | ".join(names) + " |", "| --- |" + " ---: |" * (len(names) - 1)]
    return heads + ["| " + " | ".join(row) + " |" for row in rows]
