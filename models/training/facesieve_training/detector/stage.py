"""Stage `detector`: labels images, trains, exports and evaluates the detector of the daemon."""

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import keras
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.detector import export, hard_negatives, initial, measured
from facesieve_training.detector.assign import AssignConfig
from facesieve_training.detector.augment import AugmentConfig, Mosaic
from facesieve_training.detector.batches import Batches, Parts, Source, TrainConfig, first_images
from facesieve_training.detector.evaluate import EvaluateConfig
from facesieve_training.detector.hard_negatives import HardNegativesConfig
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.label import LabelConfig, Labelled, load
from facesieve_training.detector.losses import LossConfig
from facesieve_training.detector.network import NetworkConfig, build, multiply_adds
from facesieve_training.detector.yunet import YuNet
from facesieve_training.export.manifest import Texts, described_training
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.run import Run

log = logging.getLogger(__name__)
_TIMED = (384, 640)
_DESCRIPTION = "Face detector with five landmarks, anchor-free at strides 8, 16 and 32"
_WEAK = 0.55
"""Share of the score that starts a track at which a detection continues one."""


@dataclass(frozen=True)
class ExportConfig(Texts):
    """The exported files; representative is the number of training images that calibrate int8.

    mixed_with: weights (.tflite or .weights.h5) to average with, by the share `mix`; the training must have
    started from them.
    """

    representative: int = 256
    mixed_with: Path | None = None
    mix: float = 0.5


@dataclass(frozen=True)
class Config:
    """Everything about one detector."""

    export: ExportConfig
    seed: int = 1
    label: LabelConfig = field(default_factory=LabelConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    hard_negatives: HardNegativesConfig = field(default_factory=HardNegativesConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    assign: AssignConfig = field(default_factory=AssignConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    def parts(self) -> Parts:
        """The parts of the training."""
        return Parts(
            self.seed, self.label.teacher, self.network, self.augment, self.assign, self.loss, self.train
        )


def data_hash(items: list[Labelled]) -> str:
    """SHA-256 over the images' names, bytes and labels."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.name.encode() + item.data + item.faces.tobytes())
    return digest.hexdigest()


def run(config: Config, run: Run) -> None:
    """Train a detector, resuming the run; writes detector.tflite, .json and .md; with JAX only the
    weights.
    """
    cv2.setNumThreads(1)  # batches are made in separate threads
    for path in (*config.evaluate.empty, *config.evaluate.recordings):
        if not path.is_file():
            raise DataError(f"{path}: no such recording; fix evaluate.empty or evaluate.recordings")
    items = load(config.label)
    run.set_data_hash(data_hash(items))
    mined = hard_negatives.find([item for item in items if not item.held_out], config.hard_negatives)
    mosaic = Mosaic(mined, config.augment)
    model = _trained(mosaic, config.parts(), run)
    if config.export.mixed_with is not None:
        other = build(config.network)
        initial.load(other, config.export.mixed_with)
        initial.mix(model, other, config.export.mix, first_images(Batches(mosaic, config.parts())))
    model.save_weights(run.dir / "detector.weights.h5")
    if keras.backend.backend() != "tensorflow":
        log.info(
            "export it with TensorFlow: KERAS_BACKEND=tensorflow facesieve-train detector, with "
            "train.initial=%s and train.steps=0",
            run.dir / "detector.weights.h5",
        )
        run.finish()
        return
    data = export.convert(model, export.representative(mosaic, config.seed, config.export.representative))
    finish(data, items, config, run)


def _trained(source: Source, parts: Parts, run: Run) -> keras.Model:
    """Train with the loop of the back end: JAX on a GPU, TensorFlow otherwise."""
    if keras.backend.backend() == "jax":
        from facesieve_training.detector import rounds

        return rounds.train(source, parts, run)
    from facesieve_training.detector import train

    return train.train(source, parts, run)


def finish(data: bytes, items: Sequence[Labelled], config: Config, run: Run) -> None:
    """Measure the int8 network, choose its score, and write network, manifest and model card."""
    held_out = [item for item in items if item.held_out]
    detector, yunet = Int8Detector(data, config.evaluate.nms), YuNet(config.label.teacher)
    found = measured.measure(detector, yunet, held_out, config.evaluate, config.label.upright, config.seed)
    score = found.score(config.evaluate.false_positives)
    macs = multiply_adds(build(config.network, *_TIMED))
    values = measured.for_manifest(found, score, milliseconds(data), macs)
    training = described_training(run.dir, run.meta)
    head = export.layout(score, round(_WEAK * score, 2))
    trained_on = export.trained_on(
        config.label.images, len(items) - len(held_out), config.label.teacher,
        config.train.initial, config.export.mixed_with,
    )  # fmt: skip
    texts = config.export.stated(_DESCRIPTION, trained_on)
    made = export.write(run.dir, export.DETECTOR, data, training, texts, head, values)
    measured.card(run.dir / "detector.md", made, head)
    run.finish(score=score, false_per_image=values["clean"]["false_per_image"][measured.NAME])
    keras.backend.clear_session()


def milliseconds(data: bytes, rounds: int = 50) -> float:
    """Shortest time of one image of 640x384 on one thread: the run with the least disturbance."""
    network = Int8Network(data)
    network.set_image(np.random.default_rng(0).integers(0, 256, (*_TIMED, 3), np.uint8))
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        network.invoke()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
