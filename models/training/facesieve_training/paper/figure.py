"""Figure 1: FNMR against the share of rejected comparisons, one panel a set, in one picture."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facesieve_training.evaluate.edc import FIXED
from facesieve_training.evaluate.figures import STYLE, Drawn, saved
from facesieve_training.evaluate.tables import BEST

LINES: dict[str, tuple[str, str, float]] = {
    "ours": ("#D55E00", "-", 2.2),
    "FaceQnet's recipe": ("#0072B2", "-", 1.4),
    "SER-FIQ": ("#009E73", "-", 1.4),
    "ours, S_v as printed": ("#D55E00", ":", 1.2),
    "random": ("#8A8F98", "--", 1.0),
    BEST: ("#8A8F98", ":", 1.0),
}
"""Colour, style and width of each curve, by its name in configs/paper/evaluate.yaml."""
METHODS = ("ours", "FaceQnet's recipe", "SER-FIQ")
"""The paper's three methods."""


def read(run: Path, fmr: float) -> pd.DataFrame:
    """The curves of an evaluation's run at an FMR with a fixed threshold."""
    curves = pd.read_csv(run / "curves.csv")
    return curves[(curves["convention"] == FIXED) & (curves["fmr"] == fmr)]


def draw(curves: pd.DataFrame, fmr: float) -> Drawn:
    """Draw the sets side by side."""
    sets = list(dict.fromkeys(curves["set"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.0 * len(sets) + 0.4, 3.9), layout="constrained")
        panels = figure.subplots(1, len(sets), squeeze=False)[0]
        for axes, name in zip(panels, sets, strict=True):
            _panel(axes, curves[curves["set"] == name])
            axes.set_title(name, loc="left", fontweight="bold")
            axes.set_xlabel("rejected comparisons, lowest quality first (%)")
        panels[0].set_ylabel(f"FNMR of the others at FMR {fmr:g} (%)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        return saved("Figure 1: FNMR against rejection rate", figure)


def _panel(axes: Axes, curves: pd.DataFrame) -> None:
    for name, (colour, style, width) in LINES.items():
        one = curves[curves["score"] == name]
        if len(one):
            axes.step(
                100 * one["discard"], 100 * one["fnmr"], where="post",
                color=colour, ls=style, lw=width, label=name,
            )  # fmt: skip
    axes.set_xlim(0, 100 * float(curves["discard"].max()))
    axes.set_ylim(bottom=0)
    if not (curves["fnmr"] > 0).any():
        axes.set_ylim(0, 1)
        axes.text(0.5, 0.5, "no mated pair fails", transform=axes.transAxes, ha="center", color="#5F6368")


def lower(curves: pd.DataFrame, other: str) -> dict[str, float]:
    """By set, the share of the rejection rates above 0 at which ours has a lower FNMR than another method."""
    shares = {}
    for name, part in curves.groupby("set", sort=False):
        grid = sorted({x for x in part["discard"] if x > 0})
        ours, theirs = (_at(part[part["score"] == score], grid) for score in (METHODS[0], other))
        shares[str(name)] = float((ours < theirs).mean())
    return shares


def _at(one: pd.DataFrame, grid: list[float]) -> pd.Series:
    """FNMR at these rates; each value holds until the next."""
    values = one.set_index("discard")["fnmr"]
    return values[~values.index.duplicated(keep="last")].reindex(grid, method="ffill")
