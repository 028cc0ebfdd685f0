"""Comparison of the float network and the int8 one on the same images, and its report."""

import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from facesieve_training.export import manifest
from facesieve_training.export.held_out import Comparisons
from facesieve_training.run import json_text, write_atomic

Floats = NDArray[np.float64]


def compare(
    names: tuple[str, ...],
    real: Floats,
    int8: Floats,
    real_score: Floats,
    score: Floats,
    sets: dict[str, Comparisons],
) -> dict[str, Any]:
    """Compare labels (N x labels) and scores (0..100) of the two networks on the held-out images.

    A figure without a value is None: an area without a failing pair, a correlation with a constant.
    """
    change = np.abs(score - real_score)
    summary: dict[str, Any] = {
        "int8_spearman": _spearman(real_score, score),
        "int8_largest_change": _rounded(change.max()),
        "int8_mean_change": _rounded(change.mean()),
        "int8_changed_by_99_percent": _rounded(np.quantile(change, 0.99)),
    }
    for kind, pairs in sets.items():
        fnmr = pairs.fnmr
        summary[f"fnmr_{kind}"] = _rounded(fnmr.rate)
        summary[f"fnmr_{kind}_low"], summary[f"fnmr_{kind}_high"] = _rounded(fnmr.low), _rounded(fnmr.high)
        summary[f"pauc_{kind}"] = _rounded(pairs.area(score))
        summary[f"pauc_{kind}_float"] = _rounded(pairs.area(real_score))
    labels = {
        name: {
            "spearman": _spearman(real[:, i], int8[:, i]),
            "largest_change": _rounded(np.abs(real[:, i] - int8[:, i]).max()),
        }
        for i, name in enumerate(names)
    }
    return {"summary": summary, "labels": labels, "images": len(score)}


def write(report: dict[str, Any], fnmr: manifest.Fnmr, out: Path) -> None:
    """Write parity.json, parity.md and the FNMR curve as fnmr.png."""
    write_atomic(out / "parity.json", json_text(report))
    write_atomic(out / "parity.md", markdown(report, fnmr))
    write_atomic(out / "fnmr.png", _plot(fnmr))


_TEMPLATE = """\
# Export report

{{ images }} images of {{ fnmr.set }}. low and high are the ends of a 95 % interval over people.

{% for warning in warnings %}
**{{ warning }}**

{% endfor %}
| figure | value |
| --- | --- |
{% for name, value in summary.items() %}
| {{ name }} | {{ value if value is not none else "-" }} |
{% endfor %}

| label | Spearman float to int8 | largest change |
| --- | --- | --- |
{% for name, label in labels.items() %}
| {{ name }} | {{ label.spearman if label.spearman is not none else "-" }} | {{ label.largest_change }} |
{% endfor %}

pAUC (30 %, FMR {{ "%g" % fnmr.fmr }}, threshold fixed) of weightings; chosen: {{ chosen }}.

| weights | {{ kinds | join(" | ") }} |
| --- |{{ " --- |" * kinds | length }}
{% for name, areas in weightings.items() %}
| {{ name }}{% for area in areas.values() %} | {{ "%.4f" % area if area == area else "-" }}{% endfor %} |
{% endfor %}

| score at least | faces kept | FNMR |
| --- | --- | --- |
{% for score, kept, rate in curve %}
| {{ "%g" % score }} | {{ "%.1f" % (100 * kept) }} % | {{ "%.4g" % rate }} |
{% endfor %}
"""


def markdown(report: dict[str, Any], fnmr: manifest.Fnmr) -> str:
    """The report as Markdown."""
    kinds = list(next(iter(report["weightings"].values())))
    curve = list(zip(fnmr.score, fnmr.kept, fnmr.fnmr, strict=True))
    template = jinja2.Template(_TEMPLATE, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return str(template.render(report, fnmr=fnmr, kinds=kinds, curve=curve)) + "\n"


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


def _spearman(one: Floats, other: Floats) -> float | None:
    return _rounded(spearmanr(one, other).statistic) if np.ptp(one) > 0 and np.ptp(other) > 0 else None


def _rounded(value: Any) -> float | None:
    return float(f"{float(value):.5g}") if np.isfinite(value) else None
