"""The comparison as Markdown."""

from collections.abc import Sequence
from typing import Any

from facesieve_training.detector.compare.chart import band


def markdown(results: dict[str, Any]) -> str:
    """The whole report."""
    names = results["peers"]
    lines = [f"# {names[0]} beside {', '.join(names[1:])}", ""]
    lines += [
        "Size: square root of the box's area in pixels of the network's input. Landmarks: mean distance of "
        "the five points from the true ones in inter-eye distances, median over the faces that all "
        "detectors find. The truth is the teacher's detections on clean images of full size, merged over "
        "several scales and mirroring; tilted heads are labelled on the rotated image. Faces that the "
        "teacher is unsure of are ignored.",
        "",
    ]
    for kind in ("clean", "degraded"):
        part = results[kind]
        lines += [f"## {results['held_out']} held-out images, {part['images']} views, {kind}", ""]
        for at in part["rates"]:
            lines += _at_rate(at, names, "image")
        lines += _own(part["own"], "image")
    lines += ["![recall and landmarks over size](recall.png)", ""]
    for part in results["cameras"]:
        lines += [
            f"## A camera with {part['times']:g} times the input's pixels a line, {part['images']} views",
            "",
        ]
        lines += [*_at_rate(part, names, "image"), *_own(part["own"], "image")]
    for name, part in results["recordings"].items():
        rates = ", ".join(f"{peer} {rate:g}" for peer, rate in part["false_per_image"].items())
        rate = results["clean"]["rates"][0]["false_per_image"]
        heading = f"At the scores of {rate:g} false positives a clean image"
        lines += [f"## Recording {name}", "", f"{heading} (false positives a frame: {rates}):", ""]
        lines += [*table(part["sizes"], names), "", *_at_rate(part["alike"], names, "frame")]
        lines += _own(part["own"], "frame")
    lines += [*_scores(results["scores"]), ""] if "scores" in results else []
    lines += [*_recognition(results["recognition"]), ""] if "recognition" in results else []
    lines += _empty(results)
    lines += _speed(results["milliseconds"])
    lines += ["Images of failures: sheets-clean, sheets-degraded and sheet-*.png beside this file.", ""]
    return "\n".join(lines)


def table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Recall and landmarks by size, detectors side by side."""
    heads = ["size", "faces", *(f"{n}: recall" for n in names), *(f"{n}: landmarks" for n in names)]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join(["---"] * len(heads)) + " |"]
    for row in rows:
        if row["faces"]:
            cells = [band(row), str(row["faces"])]
            cells += [_figure(row["recall"][n]) for n in names]
            cells += [_figure(row["landmark_error"][n]) for n in names]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _at_rate(at: dict[str, Any], names: Sequence[str], unit: str) -> list[str]:
    scores = ", ".join(f"{name} {score:.3f}" for name, score in at["scores"].items())
    rate = f"{at['false_per_image']:.3g}"
    return [f"At {rate} false positives a {unit} (scores: {scores}):", "", *table(at["sizes"], names), ""]


def _own(own: dict[str, Any], unit: str) -> list[str]:
    if not own["scores"]:
        return []
    rates = ", ".join(
        f"{name} {own['false_per_image'][name]:g} at {score:g}" for name, score in own["scores"].items()
    )
    names = list(own["scores"])
    return [
        f"At the default thresholds (false positives a {unit}: {rates}):",
        "",
        *table(own["sizes"], names),
        "",
    ]


def _scores(parts: dict[str, Any]) -> list[str]:
    lines = [
        "## Quality scores of aligned faces",
        "",
        "Median difference of the scores (0 to 100) of the same faces with two alignments.",
        "",
        "| faces from | aligned by | compared with | faces | median difference | signed median |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, others in parts.items():
        for other, peers in others.items():
            for peer, d in peers.items():
                lines.append(
                    f"| {name} | {peer} | {other} | {d['faces']} | {d['apart']:.2f} | {d['higher']:+.2f} |"
                )
    return lines


def _recognition(scales: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "## Recognition of faces aligned by the landmarks",
        "",
        "False non-match rate, and distance of the mean similarities of mated and non-mated pairs in "
        "standard deviations (d'), over the faces that all detectors find.",
        "",
        "| seen at | faces | pairs | detector | FNMR | d' |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for part in scales:
        for name, result in part["detectors"].items():
            figures = f"{_figure(result['fnmr'])} | {_figure(result['separation'])}"
            lines.append(f"| {part['scale']:g} | {part['faces']} | {result['pairs']} | {name} | {figures} |")
    return lines


def _empty(results: dict[str, Any]) -> list[str]:
    lines = ["## Images without faces", ""]
    other_keys = {"peers", "held_out", "clean", "degraded", "cameras", "recordings", "scores", "recognition"}
    other_keys.add("milliseconds")
    for name, part in results.items():
        if name in other_keys:
            continue
        lines += [f"{name}, {part['images']} images:", ""]
        for peer in (peer for peer in results["peers"] if peer in part):
            count = part[peer]["false"]
            passing = "" if count is None else f"{count} false positives at the default threshold; "
            highest = ", ".join(f"{score:.2f}" for score in part[peer]["highest"][:5]) or "none"
            lines.append(f"- {peer}: {passing}highest scores {highest}")
        lines.append("")
    return lines


def _speed(times: dict[str, float | None]) -> list[str]:
    lines = ["## Time of an image of 640x384 on one thread", ""]
    measured = {name: ms for name, ms in times.items() if ms is not None}
    least = min(measured.values(), default=1.0)
    lines += [f"- {name}: {ms:.2f} ms, {ms / least:.2f} times the fastest" for name, ms in measured.items()]
    return [*lines, ""]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
