"""The figures as a table: CSV with everything, Markdown to paste."""

import csv as csv_module
import io

from facesieve_training.evaluate import edc
from facesieve_training.evaluate.evaluator import Curve
from facesieve_training.evaluate.results import Result, Results

CONVENTION = {
    edc.FIXED: "fixed threshold (set without discard)",
    edc.RECOMPUTED: "recomputed threshold (set again after every discard)",
}


def percent(fraction: float) -> str:
    """A fraction as percent without trailing zeros."""
    return f"{100 * fraction:g} %"


def csv(results: Results) -> str:
    """One row per score, convention and FMR."""
    text = io.StringIO()
    writer: csv_module.DictWriter[str] | None = None
    for convention in edc.CONVENTIONS:
        for fmr in results.rules.fmrs:
            for row in results.ranked(convention, fmr):
                values = _values(results, row, row.curve(convention, fmr))
                if writer is None:
                    writer = csv_module.DictWriter(text, list(values), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(values)
    return text.getvalue()


def _values(results: Results, row: Result, curve: Curve) -> dict[str, str]:
    values = {
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
    values |= {
        "pauc": f"{curve.area:.4f}",
        "pauc_low": f"{curve.area_low:.4f}",
        "pauc_high": f"{curve.area_high:.4f}",
        "difference": f"{difference.value:.4f}",
        "difference_low": f"{difference.low:.4f}",
        "difference_high": f"{difference.high:.4f}",
        "reference": results.reference.name,
        "faces_unscored": str(row.unscored),
        "levels": str(row.levels),
    }
    return values


def headings(results: Results) -> list[str]:
    """Columns of the readable tables."""
    first, *rest = [percent(p) for p in results.rules.points]
    return [
        "score", f"FNMR at {first}", *rest, "pAUC", "95 % interval",
        f"difference to {results.reference.name}",
    ]  # fmt: skip


def cells(results: Results, row: Result, convention: str, fmr: float) -> list[str]:
    """One row of the readable tables."""
    curve = row.curve(convention, fmr)
    difference = results.difference(row, convention, fmr)
    change = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return [
        row.name,
        *(f"{value:.4f}" for value in curve.points),
        f"{curve.area:.3f}",
        f"{curve.area_low:.3f} to {curve.area_high:.3f}",
        "–" if row is results.reference else change,
    ]


def basis(results: Results) -> str:
    """Description of the data and methods of the figures."""
    c, rules = results.comparisons, results.rules
    rests = ", ".join(
        f"{fmr:g} ({int(fmr * len(c.nonmated) + 1e-9)} of the non-mated pairs above it)" for fmr in rules.fmrs
    )
    in_templates = f" in {len(results.templates):,} templates" if results.templates else ""
    return (
        f"{len(results.gallery):,} faces of {len(results.gallery.names):,} people{in_templates}; "
        f"{len(c.mated):,} mated and {len(c.nonmated):,} non-mated pairs. Threshold at FMR {rests}. "
        "pAUC: area under FNMR against "
        f"discard up to {percent(rules.limit)}, relative to a random order (1.0 is useless, lower is "
        f"better). Intervals: 95 %, bootstrap over identities, {rules.replicates} replicates for the fixed "
        f"threshold and {min(rules.recomputed_replicates, rules.replicates)} for the recomputed one, "
        "threshold included; differences are paired. Ties count as the mean over their orders; faces "
        "without a score go first."
    )


def markdown(results: Results) -> str:
    """Readable tables, one for each convention and FMR."""
    lines = [basis(results), ""]
    for convention in edc.CONVENTIONS:
        for fmr in results.rules.fmrs:
            lines += [f"### FMR {fmr:g}, {CONVENTION[convention]}", ""]
            names = headings(results)
            lines += ["| " + " | ".join(names) + " |", "| --- |" + " ---: |" * (len(names) - 1)]
            for row in results.ranked(convention, fmr):
                lines.append("| " + " | ".join(cells(results, row, convention, fmr)) + " |")
            lines.append("")
    return "\n".join(lines)
