"""Charts of recall and landmark error by face size."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facesieve_training.evaluate.figures import COLOURS, STYLE, Drawn, saved


def draw(clean: Sequence[dict[str, Any]], degraded: Sequence[dict[str, Any]]) -> Drawn:
    """Draw both at the first rate, clean and degraded side by side."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 5.2), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True, sharey="row")
        for column, (title, figures) in enumerate((("clean", clean[0]), ("degraded", degraded[0]))):
            rate = figures["false_per_image"]
            axes[0][column].set_title(f"{title}, {rate:g} false positives an image", fontsize=9)
            _plot(axes[0][column], figures["sizes"], "recall")
            _plot(axes[1][column], figures["sizes"], "landmark_error")
            axes[1][column].set_xlabel("size of the face, pixels")
        axes[0][0].set_ylabel("recall")
        axes[1][0].set_ylabel("landmark error, inter-eye distances")
        axes[0][0].legend(frameon=False, fontsize=8)
        return saved("Recall and landmarks by size", figure)


def _plot(axes: Axes, rows: Sequence[dict[str, Any]], what: str) -> None:
    positions = np.arange(len(rows))
    for colour, name in zip(COLOURS, rows[0][what], strict=False):
        values = [np.nan if row[what][name] is None else row[what][name] for row in rows]
        axes.plot(positions, values, "o-", color=colour, label=name, markersize=4)
    axes.set_xticks(positions, [band(row) for row in rows])


def band(row: dict[str, Any]) -> str:
    """A band of sizes as text."""
    return f"{row['from']:g}-{row['to']:g}" if row["to"] < 1000 else f"over {row['from']:g}"
