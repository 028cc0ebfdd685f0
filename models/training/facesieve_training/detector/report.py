"""The measurements as figures of the manifest and as model card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facesieve_training.detector.evaluate import EvaluateConfig, Tally, band, table
from facesieve_training.export.manifest import Detector, Manifest

BANDS = ((5.0, 8.0), (8.0, 12.0), (12.0, 20.0), (20.0, 40.0), (40.0, 100.0), (100.0, 400.0))
"""Sizes of faces in recordings, square root of the area in network pixels."""


def figures(
    tallies: Mapping[str, Tally], config: EvaluateConfig, score: float, ms: float, multiply_adds: int
) -> dict[str, Any]:
    """The measured part of the manifest; tallies are of `images`, of `teacher`, of `backgrounds` and
    of each recording.
    """
    images = tallies["images"]
    found: dict[str, Any] = {
        "truth": "the teacher on enlarged and mirrored images; sizes are square roots of the area",
        "pictures": images.images,
        "false_per_picture": round(images.false_per_image(score), 4),
        "recall": table(images, score, config.sizes),
        "teacher_recall": table(tallies["teacher"], score, config.sizes),
        "milliseconds_640x384": round(ms, 2),
        "multiply_adds_640x384": multiply_adds,
        "backgrounds": nobody(tallies["backgrounds"], score),
        "recordings": {},
    }
    for name, tally in tallies.items():
        if name not in ("images", "teacher", "backgrounds"):
            found["recordings"][name] = recording(tally, score)
    return found


def nobody(tally: Tally, score: float) -> dict[str, Any]:
    """Figures of images without any face."""
    false = sum(found >= score for found in tally.false)
    return {"pictures": tally.images, "false": false, "highest": round(max(tally.false, default=0.0), 3)}


def recording(tally: Tally, score: float) -> dict[str, Any]:
    """Figures of one recording, in bands of size that hold any face."""
    bands = []
    for low, high in BANDS:
        found = band(tally, low, high, score)
        if found["faces"]:
            bands.append({"from": low, "to": high, **found})
    false = round(tally.false_per_image(score), 4)
    return {"frames": tally.images, "false_per_frame": false, "recall": bands}


def card(path: Path, manifest: Manifest, head: Detector) -> None:
    """Write the model card, Markdown, beside the manifest."""
    measured = manifest.measured
    lines = [
        f"# {manifest.name}, version {manifest.version}",
        "",
        f"{manifest.description}. Input: BGR of any size that is a multiple of {manifest.input.multiple}; "
        f"int8, {measured['multiply_adds_640x384'] / 1e6:.0f} million multiply-adds at 640x384, "
        f"{measured['milliseconds_640x384']} ms there on one thread of the training machine.",
        "",
        "## Trained on",
        "",
        manifest.trained_on,
        "",
        f"Terms of use: {manifest.license}.",
        "",
        "## How good it is",
        "",
        f"At the recommended score of {head.score} (weak detections for tracking: {head.low_score}) "
        f"there are {measured['false_per_picture']} false positives an image on "
        f"{measured['pictures']} views of "
        "held-out images, each scaled to several sizes. The truth is the teacher's own detections on "
        "enlarged images: a face that the teacher misses is not counted. Size: square root of the box's "
        "area, pixels of the network's input. Landmark error: mean distance of the five points in inter-eye "
        "distances, median over the faces found.",
        "",
        *_markdown(measured["recall"], measured["teacher_recall"]),
        "",
        f"Crops of backgrounds, {measured['backgrounds']['pictures']}: "
        f"{measured['backgrounds']['false']} false "
        f"positives; the highest score is {measured['backgrounds']['highest']}.",
        "",
    ]
    for name, part in measured["recordings"].items():
        lines += [
            f"Recording {name}, {part['frames']} frames: {part['false_per_frame']} false positives a frame.",
            "",
        ]
        lines += [
            f"- {row['from']:.0f} to {row['to']:.0f} pixels: {row['recall']:.1%} of {row['faces']} faces, "
            f"landmark error {_figure(row['landmark_error'])}"
            for row in part["recall"]
        ]
        lines += [""] * bool(part["recall"])
    lines += ["## Training", ""] + [f"- {key}: {value}" for key, value in asdict(manifest.training).items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _markdown(ours: Sequence[Mapping[str, Any]], teacher: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| size | faces | recall | landmark error | teacher at this size: recall | landmark error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for a, b in zip(ours, teacher, strict=True):
        if a["faces"]:
            lines.append(
                f"| {a['size']:g} | {a['faces']} | {a['recall']:.3f} | {_figure(a['landmark_error'])} "
                f"| {b['recall']:.3f} | {_figure(b['landmark_error'])} |"
            )
    return lines
