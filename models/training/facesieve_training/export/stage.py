"""The stage `export`: a trained student to quality.tflite with its manifest, and the parity report.

Weights, calibration, the FNMR curve and the cost of int8 are all chosen or measured on the people that the
student's run held out.
"""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from facesieve_training.cli import DataError
from facesieve_training.config import Count, Share, load
from facesieve_training.evaluate.network import Network
from facesieve_training.export import (
    calibration,
    embedding,
    held_out,
    manifest,
    parity,
    quality,
    similarity,
    tflite,
    weighting,
)
from facesieve_training.export.embedding import Embedding
from facesieve_training.faces import SIZE, Image
from facesieve_training.label.stage import Config as LabelRunConfig
from facesieve_training.networks.cross_layer_equalisation import equalise
from facesieve_training.networks.gptq import round_weights
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.run import Run, write_atomic
from facesieve_training.student import data
from facesieve_training.student.stage import Config as StudentRunConfig

log = logging.getLogger(__name__)
DESCRIPTION = "Face image quality: expected agreement with a recognition network, from the aligned face."


@dataclass(frozen=True)
class Config(manifest.Texts):
    """Configuration of the stage."""

    student: Path
    """Directory of a finished run of the stage student."""
    matcher: Network
    """Recognition network for the FNMR curve and the choice of weights; must not be the teacher."""
    file: str = "quality.tflite"
    seed: int = 1
    weights: dict[str, float] | None = None
    """Weight of each label in the raw value; null chooses them on the held-out people."""
    representative: Count = 400
    """Training images, clean and degraded, for the ranges of int8 and for GPTQ."""
    knots: Annotated[int, Field(ge=2)] = 41
    """Points of the calibration from the raw value to the score."""
    fmr: Share = 1e-3
    """False match rate of the threshold, for FNMR."""
    embedding: Embedding | None = None
    """The embedding as one more output, with similarity thresholds; null exports the labels only."""
    cache: Path | None = None
    """Directory of decoded images, usually the student's; null makes them on access."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = super().faults()
        if self.weights is not None and sum(self.weights.values()) <= 0:
            found.append("weights: have the sum 0; give one label a weight above 0")
        return found


def run(config: Config, run: Run) -> None:
    """Write the .tflite, its manifest and the parity report into the run's directory."""
    student = load(config.student / "config.yaml", StudentRunConfig)
    names = student.student.labels
    unknown = [name for name in config.weights or {} if name not in names]
    if unknown:
        raise DataError(f"weights.{unknown[0]}: {config.student} has no such label, but {', '.join(names)}")
    if config.embedding and not student.student.length:
        raise DataError(
            f"embedding: {config.student} has student.length 0, so its exported network does not compute the "
            "embedding; export it with --set embedding=null"
        )
    source = data.LabelRun(student.labels)
    labels = source.read(names)
    run.set_data_hash(source.digest)
    images = data.Images(source, labels, config.cache)
    test = data.held_out(labels, student.held_out, student.seed)
    clean = labels.identity[test & (labels.variant == 0)].astype(np.int64)
    try:
        held_out.check(clean, config.fmr, config.knots)
    except DataError as error:
        raise DataError(f"{config.student}: {error}") from error
    features, people = labels.embedding.shape[1], len(labels.identities)
    model = quality.load_student(config.student, student, features, people)
    candidates = np.random.default_rng([config.seed, 4]).permutation(np.flatnonzero(~test))
    representative = images[np.sort(candidates[: config.representative])]
    tflite_bytes = _convert(model, bool(student.student.mobileface), representative)
    if config.embedding:
        tflite_bytes = embedding.expose(tflite_bytes)
    write_atomic(run.dir / config.file, tflite_bytes)
    log.info("%s: %d bytes", run.dir / config.file, len(tflite_bytes))
    held = held_out.gather(labels, images, np.flatnonzero(test), config.matcher)
    sets = {
        "clean": held_out.compare(held, config.fmr, False, config.seed),
        "mixed": held_out.compare(held, config.fmr, True, config.seed),
    }
    basis = (
        f"{len(np.unique(held.identity))} people not trained on, clean and degraded probes against clean "
        f"references, {len(sets['mixed'].similarity)} mated and {sets['mixed'].nonmated} non-mated pairs, "
        f"matcher {config.matcher.file.name}"
    )
    int8, stored = held_out.int8_outputs(Int8Network(tflite_bytes), images, held.rows, len(names))
    real = held_out.float_labels(model, images, held.rows)
    tried = weighting.areas(int8, names, sets)
    chosen, weights = weighting.choose(tried, names, config.weights)
    raw, real_raw = weighting.raw(int8, weights), weighting.raw(real, weights)
    if np.ptp(raw) == 0:
        raise DataError(
            f"{config.student}: the int8 network gives all {len(raw):,} held-out images the same score; "
            "train the student longer or on more faces, and check its metrics.csv"
        )
    curve = calibration.calibrate(raw, held.clean, config.knots)
    score, real_score = (np.interp(r, curve.raw, curve.score) for r in (raw, real_raw))
    fnmr = calibration.fnmr_curve(score, sets["mixed"], config.fmr, 21, basis)
    report = parity.compare(names, real, int8, real_score, score, sets) | {
        "weightings": tried,
        "chosen": chosen,
        "warnings": [
            f"{k}: {text}" for k, pairs in sets.items() for text in held_out.warnings(pairs, config.fmr)
        ],
    }
    for warning in report["warnings"]:
        log.warning("%s", warning)
    parity.write(report, fnmr, run.dir)
    described = manifest.Quality(quality.described_labels(student.student.bins, weights), curve, fnmr)
    if config.embedding:
        scale = embedding.scale_of(tflite_bytes, model, representative)
        faces = similarity.Faces(held.identity, held.image, score, stored * scale)
        head, text = embedding.measure(tflite_bytes, scale, faces, config.embedding)
        write_atomic(run.dir / "embedding.md", text)
        described = replace(described, embedding=head)
    texts = config.stated(
        DESCRIPTION, provenance(student, source.config, int((labels.variant == 0).sum()), people)
    )
    _manifest(config, student, tflite_bytes, described, report, texts).write(
        (run.dir / config.file).with_suffix(".json")
    )
    run.rewind(-1)
    run.log(0, **{name: value for name, value in report["summary"].items() if value is not None})
    run.finish(**report["summary"])


def _convert(model: Any, plain: bool, representative: Image) -> bytes:
    """Convert the model without changing it; a plain one has no batch norm between its layers."""
    kept = model.get_weights()
    if plain:
        equalise(model, representative)
        round_weights(model, representative)
    tflite_bytes = quality.convert(model, list(representative))
    model.set_weights(kept)
    return tflite_bytes


def provenance(student: StudentRunConfig, labels: LabelRunConfig, faces: int, people: int) -> str:
    """The data, teachers and initial weights of a student, as its runs' configurations name them."""
    teachers = [labels.teacher.onnx or labels.teacher.run, labels.lightqnet]
    named = " and ".join(manifest.short(path) for path in teachers if path)
    background = student.background and f"; backgrounds from {manifest.short(student.background.images)}"
    return (
        f"{faces:,} faces of {people:,} people from {manifest.short(labels.faces)}, labelled by {named}"
        f"{background or ''}; {manifest.started_from(student.initial)}"
    )


def _manifest(
    config: Config,
    student: StudentRunConfig,
    tflite_bytes: bytes,
    described: manifest.Quality,
    report: dict[str, Any],
    texts: manifest.Stated,
) -> manifest.Manifest:
    meta = json.loads((config.student / "meta.json").read_text(encoding="utf-8"))
    basis = described.fnmr.set if described.fnmr else ""
    names = [*student.student.labels, *([embedding.NAME] if described.embedding else [])]
    figures = {"parameters": meta["parameters"], "macs": meta["macs"], **report["summary"]}
    return manifest.Manifest(
        **texts,
        task="quality",
        file=config.file,
        sha256=manifest.sha256(tflite_bytes),
        training=manifest.described_training(config.student, meta),
        input=manifest.Input(SIZE, SIZE),
        outputs=quality.described_outputs(tflite_bytes, names),
        self_test=tflite.self_test(tflite_bytes, SIZE, SIZE),
        quality=described,
        measured={"set": basis, **figures},
    )
