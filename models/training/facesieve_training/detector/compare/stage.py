"""Stage `compare`: evaluates detectors side by side, the first against the second; writes report.html.

All detectors get the same views: held-out images at many sizes, clean and degraded, frames of recordings, and
crops of backgrounds. Recall is reported at thresholds that give each detector the same rate of false
positives per image. The images of failures in the run's directory are crops of the data, under its terms.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.detector.compare import chart, figures, report, sheet, views
from facesieve_training.detector.compare.outcome import run_detectors, thumb
from facesieve_training.detector.compare.peers import Peer, on_views
from facesieve_training.detector.compare.recognise import RecogniseConfig, recognise
from facesieve_training.detector.compare.scores import TRUTH, Score, difference, scores
from facesieve_training.detector.compare.speed import milliseconds
from facesieve_training.detector.compare.views import OnView
from facesieve_training.detector.evaluate import EvaluateConfig
from facesieve_training.detector.label import LabelConfig, load
from facesieve_training.detector.network import NetworkConfig
from facesieve_training.detector.stage import data_hash
from facesieve_training.detector.yunet import YuNet
from facesieve_training.export.scorer import Scorer
from facesieve_training.faces import FaceSet
from facesieve_training.run import Run, json_text, write_atomic

_SHOWN = 0.5
"""Score from which a false positive is shown."""
_SIZES = (13.0, 16.0, 20.0, 28.0, 40.0, 56.0, 80.0, 112.0, 160.0)


def default_peers() -> list[Peer]:
    """The shipped detector, the one that labelled its images, and the shipped one with refinement."""
    return [
        Peer("shipped", Path("../detector.tflite")),
        Peer("YuNet", Path("data/models/yunet_s.onnx")),
        Peer("refined", Path("../detector.tflite"), refiner=Path("../landmarks.tflite")),
    ]


@dataclass(frozen=True)
class Config:
    """What is compared, and on what."""

    seed: int = 1
    label: LabelConfig = field(default_factory=LabelConfig)
    """Labels of the images; only the held-out ones are used."""
    peers: list[Peer] = field(default_factory=default_peers)
    """The first is the detector under test, the second the reference."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Architecture of the peers in floating point."""
    scorer: Path | None = Path("../quality.tflite")
    """Network that scores the aligned faces; null omits the scores."""
    recognise: RecogniseConfig | None = None
    """Recognition of known people whose faces are aligned by each detector's landmarks; null omits it."""
    evaluate: EvaluateConfig = field(default_factory=lambda: EvaluateConfig(sizes=_SIZES))
    rates: tuple[float, ...] = (0.01, 0.001)
    """Rates of false positives per image at which recall is reported."""
    cameras: tuple[float, ...] = (2.0, 3.0)
    """Widths of a camera's frames in units of the input's width, each with separate views."""
    frame_scales: tuple[float, ...] = (0.5, 1.0)
    """Scales at which the teacher runs on the frames of recordings."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        names = [peer.name for peer in self.peers]
        wrong = [] if len(names) >= 2 else ["peers: must be two at least"]
        wrong += [f"cameras: {times:g} is below 1" for times in self.cameras if not times >= 1]
        return wrong + ([] if len(set(names)) == len(names) else ["peers: two have the same name"])


def run(config: Config, run: Run) -> None:
    """Compare, and write report.html, figures.json, recall.png, recall.svg and contact sheets."""
    cv2.setNumThreads(1)
    for path in (*config.evaluate.empty, *config.evaluate.recordings):
        if not path.is_file():
            raise DataError(f"{path}: no such recording; fix evaluate.empty or evaluate.recordings")
    if config.recognise is not None:
        FaceSet(config.recognise.faces)  # raises DataError before minutes of work
    detectors = on_views(config.peers, config.evaluate.nms, config.network)
    own = {peer.name: peer.recommended() for peer in config.peers}
    items = load(config.label)
    run.set_data_hash(data_hash(items))
    held_out = [item for item in items if item.held_out][: config.evaluate.images]
    names = list(detectors)
    own_scores = {name: score for name, score in own.items() if score is not None}
    results: dict[str, Any] = {"peers": names, "held_out": len(held_out)}
    for kind in ("clean", "degraded"):
        shown = views.scenes(held_out, config.evaluate, kind == "degraded", config.seed)
        outcome = run_detectors(detectors, shown, config.evaluate)
        rates = [figures.at_rate(outcome, names, rate) for rate in config.rates]
        results[kind] = {
            "images": outcome.images,
            "rates": rates,
            "own": figures.at_scores(outcome, own_scores),
        }
        directory = run.dir / f"sheets-{kind}"
        sheet.write_sheets(outcome, names[0], names[1], rates[0]["scores"], directory)
    results["cameras"] = [
        {
            "times": times,
            **_camera(detectors, views.camera(held_out, config.evaluate, times), own_scores, config),
        }
        for times in config.cameras
    ]
    teacher = YuNet(config.label.teacher)
    at = results["clean"]["rates"][0]["scores"]
    results["recordings"] = _recordings(detectors, teacher, config, at, own_scores)
    if config.scorer is not None:
        shown_for = [
            views.images(held_out),
            *(_frames(p, teacher, config) for p in config.evaluate.recordings),
        ]
        results["scores"] = _scores(detectors, shown_for, _score(config.scorer), config)
    if config.recognise is not None:
        results["recognition"] = recognise(detectors, config.recognise, config.seed)
    plain = views.backgrounds(held_out, config.evaluate, config.seed)
    empty = {"backgrounds": _empty(detectors, own, plain, run.dir / "sheet-backgrounds.png")}
    for path in config.evaluate.empty:
        shown = views.empty(path, config.evaluate)
        empty[path.stem] = _empty(detectors, own, shown, run.dir / f"sheet-{path.stem}.png")
    results["empty"] = empty
    unrefined = [peer for peer in config.peers if peer.refiner is None]
    results["milliseconds"] = {peer.name: milliseconds(peer.file) for peer in unrefined}
    write_atomic(run.dir / "figures.json", json_text(results))
    drawn = chart.draw(results["clean"]["rates"], results["degraded"]["rates"])
    for suffix, data in ((".png", drawn.png), (".svg", drawn.svg)):
        write_atomic(run.dir / f"recall{suffix}", data)
    write_atomic(run.dir / "report.html", report.page(results, drawn, run))
    run.finish()


def _camera(
    detectors: dict[str, OnView], shown: Iterable[views.View], own: dict[str, float], config: Config
) -> dict[str, Any]:
    """Figures of a camera's views at the first rate, and at these scores."""
    outcome = run_detectors(detectors, shown, config.evaluate)
    at = figures.at_rate(outcome, list(detectors), config.rates[0])
    return {"images": outcome.images, **at, "own": figures.at_scores(outcome, own)}


def _recordings(
    detectors: dict[str, OnView], teacher: YuNet, config: Config, at: dict[str, float], own: dict[str, float]
) -> dict[str, Any]:
    """By recording: figures at these scores, at the default scores, and at the second peer's rate of false
    faces at these scores.
    """
    results = {}
    for path in config.evaluate.recordings:
        outcome = run_detectors(detectors, _frames(path, teacher, config), config.evaluate)
        found = figures.at_scores(outcome, at)
        rate = outcome.false_rate(config.peers[1].name, at[config.peers[1].name])
        results[path.stem] = {
            **found,
            "alike": figures.at_rate(outcome, list(detectors), rate),
            "own": figures.at_scores(outcome, own),
        }
    return results


def _score(file: Path) -> Score:
    scorer = Scorer(file)
    return lambda face: scorer.score(face).value


def _frames(path: Path, teacher: YuNet, config: Config) -> Iterable[views.View]:
    return views.recording(path, teacher, config.evaluate, config.frame_scales, config.label.upright)


def _scores(
    detectors: dict[str, OnView], shown: list[Iterable[views.View]], score: Score, config: Config
) -> dict[str, Any]:
    """Differences of quality scores from those of the faces aligned by the second peer, and by the truth."""
    parts = [scores(detectors, part, score, config.evaluate) for part in shown]
    names = ["held-out images", *(path.stem for path in config.evaluate.recordings)]
    second = config.peers[1].name
    return {
        name: {
            other: {peer: difference(part[peer], part[other]) for peer in detectors if peer != other}
            for other in (second, TRUTH)
        }
        for name, part in zip(names, parts, strict=True)
    }


def _empty(
    detectors: dict[str, OnView], own: dict[str, float | None], shown: Iterable[views.View], file: Path
) -> dict[str, Any]:
    """By detector: the highest scores on views without faces, and the number above its default threshold.

    The file shows the detections of the first detector, highest score first.
    """
    first, thumbs = next(iter(detectors)), list[tuple[float, np.ndarray]]()
    found: dict[str, list[float]] = {name: [] for name in detectors}
    count = 0
    for view in tqdm(shown, desc=file.stem, unit="image", disable=None):
        count += 1
        for name, detect in detectors.items():
            faces = detect(view)
            found[name] += faces[:, 14].tolist()
            if name == first:
                sure = faces[faces[:, 14] >= _SHOWN]
                thumbs += [(float(face[14]), thumb(view.image, face)) for face in sure]
    thumbs.sort(key=lambda pair: -pair[0])
    sheet.write(file, np.array([image for _, image in thumbs], np.uint8))
    results: dict[str, Any] = {"images": count}
    for name, falling in ((name, sorted(values, reverse=True)) for name, values in found.items()):
        threshold = own[name]
        passing = None if threshold is None else sum(score >= threshold for score in falling)
        results[name] = {"false": passing, "highest": [round(score, 3) for score in falling[:10]]}
    return results
