"""The stage `teacher`: trains the recognition network that labels faces, or checks an imported one.

Results of a training, in the run's directory: teacher.keras (see `trained`), teacher.onnx (see `onnx_file`),
and classes.npz with the class layer: kernel (feature x classes), bias, names of the people.
"""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from facesieve_training import devices
from facesieve_training.cli import DataError
from facesieve_training.config import Count
from facesieve_training.devices import Hosts, Precision
from facesieve_training.evaluate.gallery import Gallery, file_digest, open_gallery
from facesieve_training.faces import Image
from facesieve_training.fit import Loop, Optimiser, adam
from facesieve_training.networks.resnet import macs
from facesieve_training.run import Run, write_atomic
from facesieve_training.teacher import imported, network, onnx_file, trained
from facesieve_training.teacher.batches import Augment, Batches
from facesieve_training.teacher.network import Built, TeacherNetwork
from facesieve_training.teacher.verify import Verifier, Verify

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Configuration of the stage; the defaults are the paper's."""

    faces: Path | None = None
    """Faces to train on: a directory for each identity, or what `prepare` wrote."""
    teacher: imported.OnnxTeacher | None = None
    """Import this network instead of training one."""
    seed: int = 1
    limit: int | None = None
    """Number of identities, the first ones; null for all."""
    network: TeacherNetwork = field(default_factory=TeacherNetwork)
    epochs: Count = 30
    batch: Count = 512
    """Faces in a step, over all devices and hosts."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    precision: Precision = "float32"
    augment: Augment = field(default_factory=Augment)
    devices: int = 0
    """Accelerators to use; 0 for all."""
    readers: int = 0
    """Threads that read faces; 0 for one per core."""
    save_every: Count = 1000
    """Steps between checkpoints, and between rows of metrics.csv."""
    verify: Verify | None = None
    """Pairs for evaluation after each epoch."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        if self.faces is None and self.teacher is None:
            return ["faces: is required to train a teacher (or import one with teacher.onnx)"]
        return []


def run(config: Config, run: Run) -> None:
    """Train or import a teacher, with results in the run's directory."""
    verifier = Verifier(config.verify) if config.verify else None
    if config.teacher:
        _import(config.teacher, verifier, run)
    elif config.faces:
        _train(config, open_gallery(config.faces, config.limit), verifier, run)


def _import(config: imported.OnnxTeacher, verifier: Verifier | None, run: Run) -> None:
    """Check and evaluate the network; stages that use this run load it from its original file."""
    run.set_data_hash(file_digest(config.onnx)[:16])
    teacher = imported.Teacher(config)
    run.rewind(-1)
    accuracy = verifier(lambda faces: teacher(faces).embedding) if verifier else {}
    log.info("%s: dropout on %d values; %s", config.onnx, teacher.cut_width, accuracy or "not evaluated")
    if accuracy:
        run.log(0, **accuracy)
    run.finish(cut=teacher.cut_width, **accuracy)


def _train(config: Config, gallery: Gallery, verifier: Verifier | None, run: Run) -> None:
    run.set_data_hash(gallery.digest)
    hosts = devices.prepare(config.seed)
    _same_data(gallery, hosts)
    batches = Batches(gallery, config.batch, config.seed, config.augment, hosts, config.readers)
    if not run.resumed:
        batches.check()
    used = devices.spread(config.devices, config.batch, hosts)
    built = network.build(config.network, len(gallery.names), devices.policy(config.precision))
    figures = {
        "parameters": built.teacher.count_params(),
        "macs": macs(built.teacher),
        "classes": len(gallery.names),
        "faces": len(gallery),
        "devices": used,
        "hosts": hosts.number,
    }
    run.save_meta(**figures)
    log.info(
        "%s: %.1f M parameters, %.2f GFLOPs (multiply-adds); %d faces of %d people; %d devices, %d hosts",
        config.network.backbone,
        figures["parameters"] / 1e6,
        figures["macs"] / 1e9,
        *(figures[name] for name in ("faces", "classes", "devices", "hosts")),
    )
    steps = config.epochs * batches.epoch
    optimiser = adam(config.optimiser, batches.epoch, steps, config.precision)
    loss = network.loss(config.network.head)
    built.trained.compile(optimiser, loss=loss, metrics=[_accuracy()], jit_compile="auto")
    evaluate = _evaluation(built.teacher, verifier)
    Loop(built.trained, batches, run, config.save_every, hosts).train(config.epochs, batches.epoch, evaluate)
    write(built, gallery, run.dir)
    run.finish(**evaluate())


def _same_data(gallery: Gallery, hosts: Hosts) -> None:
    digests = devices.gather(int(gallery.digest[:7], 16), hosts)
    if len(set(digests)) > 1:
        raise DataError(
            f"faces: differ between the hosts (digests {', '.join(map(hex, digests))}); copy them again"
        )


def _accuracy() -> keras.metrics.Metric:
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def _evaluation(teacher: keras.Model, verifier: Verifier | None) -> Callable[[], dict[str, float]]:
    if verifier is None:
        return dict

    def embed(faces: Image) -> NDArray[np.float32]:
        return np.asarray(teacher.predict_on_batch(faces)[network.EMBEDDING], np.float32)

    return lambda: verifier(embed)


def write(built: Built, gallery: Gallery, directory: Path) -> None:
    """Write the results, each atomically."""
    temporary = directory / f".{trained.FILE}.tmp.keras"
    built.teacher.save(temporary)
    temporary.replace(directory / trained.FILE)
    write_atomic(directory / "teacher.onnx", onnx_file.to_onnx(built.teacher))
    weights = built.trained.get_layer("classes").weights
    arrays = {v.name: keras.ops.convert_to_numpy(v) for v in weights}
    buffer = io.BytesIO()
    np.savez(buffer, names=gallery.names, **arrays)
    write_atomic(directory / "classes.npz", buffer.getvalue())
