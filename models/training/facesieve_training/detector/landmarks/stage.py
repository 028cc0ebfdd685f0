"""Stage `landmarks`: trains, exports and evaluates the network of the daemon's refinement.

The network has a detector's maps and starts from the detector's weights, but is trained on squares around
single faces only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import keras

from facesieve_training.cli import DataError
from facesieve_training.detector import export, hard_negatives, train
from facesieve_training.detector.assign import AssignConfig
from facesieve_training.detector.batches import Parts, TrainConfig
from facesieve_training.detector.compare import figures, views
from facesieve_training.detector.compare.outcome import run_detectors
from facesieve_training.detector.compare.peers import detected, lowest_refined, refined
from facesieve_training.detector.evaluate import EvaluateConfig
from facesieve_training.detector.hard_negatives import HardNegativesConfig
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.label import LabelConfig, Labelled, load
from facesieve_training.detector.landmarks.crops import Crops, CropsConfig
from facesieve_training.detector.losses import LossConfig
from facesieve_training.detector.network import NetworkConfig, build, multiply_adds
from facesieve_training.detector.refine import Refiner
from facesieve_training.detector.stage import data_hash
from facesieve_training.export.manifest import Refinement, Texts, described_training
from facesieve_training.run import Run

_DESCRIPTION = "Finds the face in a square around it, and its five landmarks"
_DETECTED, _REFINED = "detected", "refined"


@dataclass(frozen=True)
class ExportConfig(Texts):
    """The exported files; representative is the number of training images that calibrate int8."""

    representative: int = 512


@dataclass(frozen=True)
class Config:
    """Everything about one network. `detector` (.tflite) finds the faces whose refinement is evaluated."""

    export: ExportConfig
    refinement: Refinement
    """The squares of the training, and how the daemon uses the network."""
    score: float = 0.4
    """Lowest score at which a detection in the square is a face."""
    seed: int = 1
    label: LabelConfig = field(default_factory=LabelConfig)
    hard_negatives: HardNegativesConfig = field(default_factory=HardNegativesConfig)
    crops: CropsConfig = field(default_factory=CropsConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    assign: AssignConfig = field(default_factory=AssignConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    detector: Path = Path("../detector.tflite")
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return ["loss.distil: the teacher's maps of such squares are unusable; set it to 0"] * (
            self.loss.distil > 0
        )


def run(config: Config, run: Run) -> None:
    """Train, resuming the run; writes landmarks.tflite, .json and .weights.h5."""
    cv2.setNumThreads(1)  # batches are made in separate threads
    if keras.backend.backend() != "tensorflow":
        raise DataError(
            f"KERAS_BACKEND={keras.backend.backend()}: TensorFlow trains this network; leave it out"
        )
    if not config.detector.is_file():
        raise DataError(f"{config.detector}: no such file; fix detector")
    items = load(config.label)
    run.set_data_hash(data_hash(items))
    training_items = [item for item in items if not item.held_out]
    mined = hard_negatives.find(training_items, config.hard_negatives)
    crops = Crops(mined, config.crops, config.refinement)
    parts = Parts(
        config.seed, network=config.network, assign=config.assign, loss=config.loss, train=config.train
    )
    model = train.train(crops, parts, run)
    model.save_weights(run.dir / "landmarks.weights.h5")
    data = export.convert(model, export.representative(crops, config.seed, config.export.representative))
    side = config.refinement.side
    measured = {
        "truth": "the teacher on enlarged and mirrored images; sizes are square roots of the area, "
        "errors medians in inter-eye distances",
        "multiply_adds": multiply_adds(build(config.network, side, side)),
        **measure(data, [item for item in items if item.held_out], config),
    }
    training = described_training(run.dir, run.meta)
    kind = export.Kind("landmarks", side)
    head = export.layout(config.score, config.score)
    trained_on = export.trained_on(
        config.label.images, len(training_items), config.label.teacher, config.train.initial
    )
    texts = config.export.stated(_DESCRIPTION, trained_on)
    export.write(run.dir, kind, data, training, texts, head, measured, config.refinement)
    run.finish()
    keras.backend.clear_session()


def measure(data: bytes, held_out: Sequence[Labelled], config: Config) -> dict[str, Any]:
    """Landmark errors on the held-out images by size, clean and degraded, before and after refinement."""
    nms = config.evaluate.nms
    first = detected(Int8Detector(config.detector.read_bytes(), nms))
    refiner = Refiner(Int8Detector(data, nms), config.score, config.refinement)
    shown = {_DETECTED: first, _REFINED: refined(first, refiner, lowest_refined(config.detector))}
    scores = dict.fromkeys(shown, config.score)
    measured = {}
    for kind in ("clean", "degraded"):
        scenes = views.scenes(held_out, config.evaluate, kind == "degraded", config.seed)
        outcome = run_detectors(shown, scenes, config.evaluate)
        measured[kind] = [
            {**{key: row[key] for key in ("from", "to", "faces")}, **row["landmark_error"]}
            for row in figures.by_size(outcome, list(shown), scores)
        ]
    return measured
