"""Comparison of the float network and the int8 one on the same images, and its report."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from facesieve_training.export import manifest
from facesieve_training.export.held_out import Comparisons
from facesieve_training.run import write_atomic

Floats = NDArray[np.float64]


def compare(
    names: tuple[str, ...],
    real: Floats,
    int8: Floats,
    real_score: Floats,
    score: Floats,
    sets: dict[str, Comparisons],
) -> dict[str, Any]:
    """Compare labels (N x labels) and scores (0..100) of the two networks on the held-out images."""
    change = np.abs(score - real_score)
    summary: dict[str, Any] = {
        "int8_spearman": _rounded(spearmanr(real_score, score).statistic),
        "int8_largest_change": _rounded(change.max()),
        "int8_mean_change": _rounded(change.mean()),
        "int8_changed_by_99_percent": _rounded(np.quantile(change, 0.99)),
    }
    for kind, pairs in sets.items():
        summary[f"fnmr_{kind}"] = _rounded(pairs.errors.mean())
        summary[f"pauc_{kind}"] = _rounded(pairs.area(score))
        summary[f"pauc_{kind}_float"] = _rounded(pairs.area(real_score))
    labels = {
        name: {
            "spearman": _rounded(spearmanr(real[:, i], int8[:, i]).statistic),
            "largest_change": _rounded(np.abs(real[:, i] - int8[:, i]).max()),
        }
        for i, name in enumerate(names)
    }
    return {"summary": summary, "labels": labels, "images": len(score)}


def write(report: dict[str, Any], fnmr: manifest.Fnmr, out: Path) -> None:
    """Write parity.json, parity.md and the FNMR curve as fnmr.png."""
    write_atomic(out / "parity.json", json.dumps(report, indent=2) + "\n")
    write_atomic(out / "parity.md", markdown(report, fnmr))
    write_atomic(out / "fnmr.png", _plot(fnmr))


def markdown(report: dict[str, Any], fnmr: manifest.Fnmr) -> str:
    """The report as Markdown."""
    lines = ["# Export report", "", f"{report['images']} images of {fnmr.set}.", ""]
    lines += ["| figure | value |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in report["summary"].items()]
    lines += ["", "| label | Spearman float to int8 | largest change |", "| --- | --- | --- |"]
    lines += [f"| {n} | {v['spearman']} | {v['largest_change']} |" for n, v in report["labels"].items()]
    kinds = list(next(iter(report["weightings"].values())))
    lines += [
        "",
        f"pAUC (30 %, FMR {fnmr.fmr:g}, threshold fixed) of weightings; chosen: {report['chosen']}.",
        "",
    ]
    lines += [f"| weights | {' | '.join(kinds)} |", "| --- " * (len(kinds) + 1) + "|"]
    lines += [
        f"| {n} | {' | '.join(f'{v[k]:.4f}' for k in kinds)} |" for n, v in report["weightings"].items()
    ]
    lines += ["", "| score at least | faces kept | FNMR |", "| --- | --- | --- |"]
    rows = zip(fnmr.score, fnmr.kept, fnmr.fnmr, strict=True)
    lines += [f"| {s:g} | {k:.1%} | {r:.4g} |" for s, k, r in rows]
    return "\n".join(lines) + "\n"


def _plot(fnmr: manifest.Fnmr) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(fnmr.score, fnmr.fnmr, marker="o", markersize=3)
    share = axes.twinx()
    share.plot(fnmr.score, fnmr.kept, color="tab:gray", linestyle="--")
    share.set(ylabel="share of the faces that is kept (dashed)", ylim=(0, 1))
    axes.set(
        xlabel="score of the probe at least",
        ylabel=f"FNMR at FMR {fnmr.fmr:g}",
        xlim=(0, 100),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _rounded(value: Any) -> float:
    return float(f"{float(value):.5g}")
