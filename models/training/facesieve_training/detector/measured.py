"""A new detector's figures for its manifest and card, by the evaluation of `compare`, and its threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesieve_training.detector.compare import figures, views
from facesieve_training.detector.compare.outcome import Outcome, run_detectors
from facesieve_training.detector.compare.peers import detected
from facesieve_training.detector.compare.report import by_size
from facesieve_training.detector.compare.views import OnView
from facesieve_training.detector.evaluate import LOWEST, Detect, EvaluateConfig
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.yunet import YuNet
from facesieve_training.export.manifest import Detector, Manifest
from facesieve_training.run import write_atomic

NAME, TEACHER = "detector", "teacher"
FRAME_SCALES = (0.5, 1.0)
"""Scales at which the teacher runs on the frames of recordings."""
_LEAST, _MOST = 0.2, 0.95


@dataclass(frozen=True)
class Measured:
    """Detections of the detector and of its teacher, and the detector's scores where there is no face."""

    clean: Outcome
    degraded: Outcome
    recordings: dict[str, Outcome]
    empty: dict[str, list[float]]
    """By set, the highest score of each image, 0 without a detection."""

    def score(self, allowed: float) -> float:
        """The lowest threshold, in steps of 0.01, with at most this many false positives per clean image,
        and none in the empty sets.
        """
        highest = max((max(scores, default=0.0) for scores in self.empty.values()), default=0.0)
        for threshold in np.arange(round(100 * _LEAST), round(100 * _MOST)) / 100:
            if highest < threshold and self.clean.false_rate(NAME, float(threshold)) <= allowed:
                return round(float(threshold), 2)
        return _MOST


def measure(
    detect: Detect,
    yunet: YuNet,
    held_out: Sequence[Labelled],
    config: EvaluateConfig,
    turned: bool,
    seed: int,
) -> Measured:
    """Run both on the held-out images, recordings and backgrounds; `turned`: see `views.recording`."""
    peers: dict[str, OnView] = {
        NAME: detected(detect),
        TEACHER: detected(lambda image, threshold: yunet.detect(image, threshold, overlap=config.nms)),
    }
    items = list(held_out)[: config.images]
    clean, degraded = (
        run_detectors(peers, views.scenes(items, config, worse, seed), config) for worse in (False, True)
    )
    recordings = {
        path.stem: run_detectors(peers, views.recording(path, yunet, config, FRAME_SCALES, turned), config)
        for path in config.recordings
    }
    shown = {"backgrounds": views.backgrounds(items, config, seed)}
    shown |= {path.stem: views.empty(path, config) for path in config.empty}
    empty = {
        name: [float(detect(view.image, LOWEST)[:, 14].max(initial=0)) for view in some]
        for name, some in shown.items()
    }
    return Measured(clean, degraded, recordings, empty)


def for_manifest(measured: Measured, score: float, ms: float, multiply_adds: int) -> dict[str, Any]:
    """The measured part of the manifest."""

    def at(outcome: Outcome) -> dict[str, Any]:
        found = figures.at_scores(outcome, {NAME: score, TEACHER: score})
        return {"images": outcome.images, **found}

    return {
        "truth": "the teacher on enlarged and mirrored images; sizes are square roots of the area, landmark "
        "errors medians in inter-eye distances",
        "clean": at(measured.clean),
        "degraded": at(measured.degraded),
        "recordings": {name: at(outcome) for name, outcome in measured.recordings.items()},
        "empty": {
            name: {
                "images": len(scores),
                "false": sum(found >= score for found in scores),
                "highest": round(max(scores, default=0.0), 3),
            }
            for name, scores in measured.empty.items()
        },
        "milliseconds_640x384": round(ms, 2),
        "multiply_adds_640x384": multiply_adds,
    }


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
        "## Data and terms",
        "",
        manifest.trained_on,
        "",
        f"Terms of use: {manifest.license}.",
        "",
        "## Metrics",
        "",
        f"At the recommended score of {head.score} ({head.low_score} continues a track). The truth is the "
        "teacher's own detections on enlarged images: a face that the teacher misses is not counted. Size: "
        "square root of the box's area, pixels of the network's input. Landmarks: mean distance of the five "
        "points in inter-eye distances, median over the faces that both find.",
        "",
    ]
    for title, part in _parts(measured):
        false = ", ".join(f"{name} {rate:g}" for name, rate in part["false_per_image"].items())
        lines += [f"{title}, {part['images']} images; false positives an image: {false}", ""]
        heads, rows = by_size(part["sizes"])
        lines += ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)] + [""]
    for name, part in measured["empty"].items():
        lines.append(
            f"- {name}, {part['images']} images without a face: {part['false']} false positives, the highest "
            f"score is {part['highest']}"
        )
    lines += ["", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in asdict(manifest.training).items()]
    write_atomic(path, "\n".join(lines) + "\n")


def _parts(measured: Mapping[str, Any]) -> list[tuple[str, Any]]:
    recordings = [(f"Recording {name}", part) for name, part in measured["recordings"].items()]
    images = [("Held-out images, clean", measured["clean"]), ("The same, degraded", measured["degraded"])]
    return [*images, *recordings]
