"""The comparison as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facesieve_training.detector.compare.chart import band
from facesieve_training.evaluate.figures import Drawn
from facesieve_training.pages import render
from facesieve_training.run import Run

Rows = list[list[str]]


def page(results: dict[str, Any], drawn: Drawn, run: Run) -> str:
    """Write the page, with links to the contact sheets of the run's directory."""
    names = results["peers"]
    return render(
        "detector/compare/report.html.j2",
        title=f"{names[0]} beside {', '.join(names[1:])}",
        results=results,
        drawn=drawn,
        sizes=by_size,
        scores=_scores(results.get("scores", {})),
        recognition=_recognition(results.get("recognition", [])),
        empty=_empty(results["empty"], names),
        speed=_speed(results["milliseconds"]),
        sheets=_sheets(run.dir),
        meta=run.meta,
    )


def by_size(rows: Sequence[dict[str, Any]]) -> tuple[list[str], Rows]:
    """Headings and cells of recall and landmarks by size, detectors side by side; without empty bands."""
    names = list(rows[0]["recall"])
    heads = ["size", "faces", *(f"{n}: recall" for n in names), *(f"{n}: landmarks" for n in names)]
    figures = ([row[what][name] for what in ("recall", "landmark_error") for name in names] for row in rows)
    cells = [
        [band(row), str(row["faces"]), *map(_figure, values)]
        for row, values in zip(rows, figures, strict=True)
        if row["faces"]
    ]
    return heads, cells


def _scores(parts: dict[str, Any]) -> Rows:
    return [
        [name, peer, other, str(d["faces"]), _figure(d["apart"], ".2f"), _figure(d["higher"], "+.2f")]
        for name, others in parts.items()
        for other, peers in others.items()
        for peer, d in peers.items()
    ]


def _recognition(scales: Sequence[dict[str, Any]]) -> Rows:
    return [
        [
            name, f"{part['scale']:g}", str(part["faces"]), str(result["pairs"]), _figure(result["fnmr"]),
            _figure(result["separation"]),
        ]
        for part in scales
        for name, result in part["detectors"].items()
    ]  # fmt: skip


def _empty(parts: dict[str, Any], names: Sequence[str]) -> Rows:
    return [
        [
            name, str(part["images"]), peer, "-" if part[peer]["false"] is None else str(part[peer]["false"]),
            ", ".join(f"{score:.2f}" for score in part[peer]["highest"][:5]) or "none",
        ]
        for name, part in parts.items()
        for peer in names
    ]  # fmt: skip


def _speed(times: dict[str, float | None]) -> Rows:
    measured = {name: ms for name, ms in times.items() if ms is not None}
    least = min(measured.values(), default=1.0)
    return [[name, f"{ms:.2f}", f"{ms / least:.2f}"] for name, ms in measured.items()]


def _sheets(directory: Path) -> list[str]:
    found = [*directory.glob("sheets-*/*.png"), *directory.glob("sheet-*.png")]
    return sorted(str(path.relative_to(directory)) for path in found)


def _figure(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
