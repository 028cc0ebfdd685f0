"""Draws the picture of quality/README.md: share and threshold hour by hour, fixed and automatic.

    python -m facesieve_training.feedback.picture runs/feedback ../../quality/feedback.svg

RUN/trial.csv is written by the trial of the daemon's learner:

    FACESIEVE_FEEDBACK=$PWD/models/training/runs/feedback \\
        go test ./cmd/facesieve/internal/feedback -run TestTrial -v
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facesieve_training.cli import DataError
from facesieve_training.run import write_atomic

_PANELS = (
    ("good", 0.95, "good camera"),
    ("dark", 0.95, "dark camera: little light, noise"),
    ("blurred", 0.95, "blurred camera: defocus, motion"),
    ("lamp fails", 0.9, "target 90 %: a lamp fails for three weeks"),
)
"""Trials with the wanted share and their titles."""
_VISITS = 300
"""A day."""
_WIDTH, _HEIGHT = 340.0, 230.0
"""Size of a panel."""
_LEFT, _GAP = 40.0, 60.0
_TITLE = "Share of the sent faces that a recogniser can use, and the threshold, in four weeks and more"

_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 790 %d" width="790" height="%d" role="img" \
aria-label="{_TITLE}">
<title>{_TITLE}</title>
<style>
  text {{ font: 12px system-ui, "Segoe UI", Roboto, sans-serif; fill: #1a1d21 }}
  .soft {{ fill: #69727d; font-size: 11px }} .strong {{ font-weight: 600; font-size: 13px }}
  .end {{ text-anchor: end }} .mid {{ text-anchor: middle }} .bluetext {{ fill: #3565e0 }}
  path {{ fill: none }} .line {{ stroke: #dfe3e8 }} .dash {{ stroke: #0a8a4a; stroke-dasharray: 4 4 }}
  .fixed {{ stroke: #98a1ac; stroke-width: 2 }} .auto {{ stroke: #4a7dff; stroke-width: 2 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e8eaed }} .soft {{ fill: #98a1ac }} .line {{ stroke: #2a3038 }} .dash {{ stroke: #2fbf71 }}
    .bluetext {{ fill: #7ea2ff }} }}
</style>"""


@dataclass(frozen=True)
class Chart:
    """A chart's place, and the values at its lower and upper edge."""

    left: float
    top: float
    height: float
    low: float
    high: float
    hours: int

    def x(self, hour: float) -> float:
        """Horizontal position of a time."""
        return self.left + _WIDTH * hour / self.hours

    def y(self, value: float) -> float:
        """Vertical position of a value; those outside are drawn at the edge."""
        inside = min(max(value, self.low), self.high)
        return self.top + self.height * (self.high - inside) / (self.high - self.low)

    def steps(self, values: Sequence[float], style: str) -> str:
        """Draw one value an hour."""
        path, last = f"M{self.x(0):.1f} {self.y(values[0]):.1f}", values[0]
        for hour, value in enumerate(values):
            if value != last:
                path += f"H{self.x(hour):.1f}V{self.y(value):.1f}"
                last = value
        return f'<path class="{style}" d="{path}H{self.x(self.hours):.1f}"/>'

    def grid(self, ticks: Iterable[float], unit: str, factor: float = 1) -> list[str]:
        """Lines across, with their values."""
        return [
            f'<path class="line" d="M{self.left:.1f} {self.y(v):.1f}h{_WIDTH:.1f}"/>'
            f'<text class="soft end" x="{self.left - 6:.1f}" y="{self.y(v) + 4:.1f}">'
            f"{v * factor:g}{unit}</text>"
            for v in ticks
        ]


def picture(trial: pd.DataFrame) -> str:
    """Draw the trial as SVG."""
    parts = [_HEAD % ((_HEIGHT * 2 + 16,) * 2)]
    for number, (name, target, title) in enumerate(_PANELS):
        chosen = trial[(trial.trial == name) & (trial.visits_a_day == _VISITS)]
        rows = {s: chosen[chosen.setting == s].sort_values("hour") for s in ("fixed", "auto")}
        if rows["auto"].empty or rows["fixed"].empty:
            raise DataError(f"trial.csv: has no trial {name!r} with {_VISITS} visits a day")
        left = _LEFT + (number % 2) * (_WIDTH + _GAP)
        parts += _panel(left, (number // 2) * (_HEIGHT + 16), title, target, rows)
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: float, top: float, title: str, target: float, rows: dict[str, pd.DataFrame]) -> list[str]:
    hours = len(rows["auto"])
    share = Chart(left, top + 26, 110, 0.6, 1.0, hours)
    threshold = Chart(left, top + 150, 56, 0, 50, hours)
    parts = [f'<text class="strong" x="{left - 34:.1f}" y="{top + 14:.1f}">{title}</text>']
    parts += share.grid((0.6, 0.7, 0.8, 0.9, 1.0), " %", 100) + threshold.grid((0, 25, 50), "")
    parts.append(f'<path class="dash" d="M{left:.1f} {share.y(target):.1f}h{_WIDTH:.1f}"/>')
    for setting, table in rows.items():
        parts.append(share.steps(table.expected.to_list(), setting))
        parts.append(threshold.steps(table.threshold.to_list(), setting))
    weeks = range(0, hours // 168 + 1)
    parts += [
        f'<text class="soft mid" x="{share.x(168 * w):.1f}" y="{top + 222:.1f}">'
        f"{'day 0' if w == 0 else 7 * w}</text>"
        for w in weeks
    ]
    if title == _PANELS[0][2]:
        x = f"{left + 4:.1f}"
        parts += [
            f'<text class="soft" x="{x}" y="{share.y(0.74):.1f}">usable share of the sent faces, with</text>',
            f'<text class="soft" x="{x}" y="{share.y(0.66):.1f}">grey: threshold 20, '
            f'<tspan class="bluetext">blue: auto</tspan>, dashed: target</text>',
            f'<text class="soft" x="{x}" y="{threshold.y(5):.1f}">threshold</text>',
        ]
    return parts


def main(arguments: Sequence[str] | None = None) -> None:
    """Read RUN/trial.csv and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the directory with trial.csv")
    parser.add_argument("out", type=Path, help="the SVG to write")
    options = parser.parse_args(arguments)
    try:
        trial = pd.read_csv(options.run / "trial.csv")
    except OSError as error:
        raise SystemExit(
            f"{options.run / 'trial.csv'}: {error.strerror}; run the trial first (--help)"
        ) from error
    write_atomic(options.out, picture(trial))


if __name__ == "__main__":
    main()
