"""Plots of the curves, PNG and SVG."""

import io
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facesieve_training.evaluate import edc
from facesieve_training.evaluate.evaluator import Curve
from facesieve_training.evaluate.results import Results
from facesieve_training.evaluate.tables import BEST

# Colours of Okabe and Ito, which colour-blind readers can distinguish, and three more.
COLOURS = (
    "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9",
    "#E69F00", "#6A3D9A", "#8C564B", "#117733", "#000000",
)  # fmt: skip
_GREY = "#8A8F98"
STYLE = {
    "svg.hashsalt": "facesieve",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9AA0A6",
    "axes.labelcolor": "#3C4043",
    "xtick.color": "#3C4043",
    "ytick.color": "#3C4043",
    "axes.grid": True,
    "grid.color": "#E8EAED",
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Drawn:
    """A figure in both forms."""

    title: str
    png: bytes
    svg: bytes


def draw(results: Results) -> dict[str, Drawn]:
    """Draw every figure; the keys are file names without extension."""
    with matplotlib.rc_context(STYLE):
        drawn = {}
        for convention in edc.CONVENTIONS:
            for fmr in results.rules.fmrs:
                title = f"FMR {fmr:g}, {convention} threshold"
                drawn[f"edc-{convention}-{fmr:g}"] = saved(title, _edc(results, convention, fmr))
        drawn["pauc"] = saved("Relative area under the curve", _areas(results))
        drawn["similarity"] = saved("The matcher", _similarity(results))
    return drawn


def colours(results: Results) -> dict[str, str]:
    """Colour of each score; random and the best possible curve are grey."""
    found, left = {BEST: _GREY}, list(COLOURS)
    for row in results.rows:
        found[row.name] = _GREY if row.name == "random" else left[0]
        if row.name != "random":
            left.append(left.pop(0))
    return found


def _edc(results: Results, convention: str, fmr: float) -> Figure:
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes: Axes = figure.subplots()
    paint = colours(results)
    ends = []
    for row in results.ranked(convention, fmr):
        curve = row.curve(convention, fmr)
        reference = row is results.reference
        x, y = _line(curve, results.rules.limit)
        dashed = "--" if row.name == "random" else "-"
        axes.step(
            x,
            y,
            where="post",
            color=paint[row.name],
            lw=2.4 if reference else 1.3,
            ls=dashed,
            zorder=3 if reference else 2,
        )
        ends.append((float(y[-1]), row.name, curve))
        if reference:
            points = 100 * np.array(results.rules.points)
            bars = np.maximum(
                0, np.stack([curve.points - curve.points_low, curve.points_high - curve.points])
            )
            axes.errorbar(
                points,
                100 * curve.points,
                100 * bars,
                fmt="o",
                ms=3.5,
                lw=0.8,
                alpha=0.6,
                capsize=2,
                color=paint[row.name],
                zorder=4,
            )
    for best in results.best if convention == edc.FIXED else ():
        if best.fmr == fmr:
            x, y = _line(best, results.rules.limit)
            axes.step(x, y, where="post", color=_GREY, lw=1.1, ls=":", zorder=1)
            ends.append((float(y[-1]), BEST, best))
    axes.set_xlim(0, 100 * results.rules.limit)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("mated pairs discarded, lowest quality first (%)")
    axes.set_ylabel("false non-match rate of the rest (%)")
    axes.set_title(f"FMR {fmr:g}, {convention} threshold", loc="left", fontweight="bold")
    _label_ends(axes, ends, paint, results)
    return figure


def _line(curve: Curve, limit: float) -> tuple[Any, Any]:
    """Curve in percent, thinned for plotting and extended to the limit."""
    discard, fnmr = curve.thinned(limit)
    return 100 * discard, 100 * fnmr


def _label_ends(
    axes: Axes, ends: list[tuple[float, str, Curve]], paint: dict[str, str], results: Results
) -> None:
    """Write each score's name and area at the end of its line, moved apart to avoid overlap."""
    top = axes.get_ylim()[1]
    gap, at = top * 0.052, -np.inf
    positions = []
    for y, name, curve in sorted(ends, key=lambda end: end[0]):
        at = max(y, at + gap)
        positions.append((at, y, name, curve))
    over = max(0.0, positions[-1][0] - top) if positions else 0.0
    x = 100 * results.rules.limit
    for at, y, name, curve in positions:
        axes.annotate(
            f"{name}  {curve.area:.3f}",
            xy=(x, y),
            xytext=(x * 1.03, at - over),
            color=paint[name],
            va="center",
            annotation_clip=False,
            fontweight="bold" if name == results.reference.name else "normal",
            fontsize=8.5,
            arrowprops={
                "arrowstyle": "-",
                "color": paint[name],
                "lw": 0.6,
                "shrinkA": 2,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def _areas(results: Results) -> Figure:
    """Every score's relative area with its interval, best on top; one panel for each FMR, fixed threshold."""
    rules = results.rules
    figure = Figure(figsize=(7.2, 1.0 + 0.3 * len(results.rows)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(rules.fmrs), sharey=True))
    paint = colours(results)
    order = results.ranked(edc.FIXED, rules.fmrs[0])[::-1]
    for axes, fmr in zip(panels, rules.fmrs, strict=True):
        for position, row in enumerate(order):
            curve = row.curve(edc.FIXED, fmr)
            axes.plot(
                [curve.area_low, curve.area_high],
                [position, position],
                color=paint[row.name],
                lw=2.2,
                alpha=0.45,
            )
            axes.plot(curve.area, position, "o", color=paint[row.name], ms=5.5)
            axes.annotate(f"{curve.area:.3f}", (curve.area, position), xytext=(0, 5),
                          textcoords="offset points", ha="center", fontsize=7.5, color="#3C4043")  # fmt: skip
        axes.axvline(1.0, color=_GREY, lw=1, ls="--")
        axes.set_yticks(range(len(order)), [row.name for row in order])
        axes.set_ylim(-0.7, len(order) - 0.2)
        axes.set_title(f"FMR {fmr:g}, fixed threshold", loc="left", fontweight="bold")
        axes.set_xlabel(f"area up to {100 * rules.limit:g} % discard, random = 1")
    return figure


def _similarity(results: Results) -> Figure:
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes: Axes = figure.subplots()
    bins = np.linspace(-0.5, 1.0, 151).tolist()
    comparisons = results.comparisons
    for values, name, paint in (
        (comparisons.nonmated_similarity, "non-mated pairs", _GREY),
        (comparisons.mated_similarity, "mated pairs", COLOURS[1]),
    ):
        axes.hist(values, bins=bins, density=True, color=paint, alpha=0.65, label=name)
    for fmr, threshold in zip(results.rules.fmrs, results.thresholds, strict=True):
        axes.axvline(threshold, color=COLOURS[0], lw=1.2)
        axes.annotate(f"FMR {fmr:g}", (threshold, axes.get_ylim()[1]), xytext=(3, -9),
                      textcoords="offset points", fontsize=8, color=COLOURS[0], rotation=90,
                      va="top")  # fmt: skip
    axes.set_xlabel("cosine of the two embeddings")
    axes.set_yticks([])
    axes.legend(frameon=False, loc="upper right")
    return figure


def saved(title: str, figure: Figure) -> Drawn:
    """A figure in both forms."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return Drawn(title, png.getvalue(), svg.getvalue())
