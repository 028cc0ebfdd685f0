"""The stage `student`: distils the teacher's feature into a small network and trains it on the labels.

The paper trains in two phases; here phases are a list, each with its epochs and the weights of its losses, so
that both can also be trained at once. The result, in the run's directory: student.weights.h5 and scale.json,
the map of each label to 0..1.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from facesieve_training import devices
from facesieve_training.cli import DataError
from facesieve_training.devices import Precision
from facesieve_training.faces import SIZE
from facesieve_training.fit import Loop, Rate
from facesieve_training.networks.pixels import scaled
from facesieve_training.networks.resnet import macs
from facesieve_training.run import Run, write_atomic
from facesieve_training.student import data, distillation, initial, network
from facesieve_training.student.background import Background, gather
from facesieve_training.student.batches import Batches, Phase
from facesieve_training.student.classes import Classifier, classifier
from facesieve_training.student.distillation import Distillation
from facesieve_training.student.head_fine_tuning import HeadFineTuning, fine_tune
from facesieve_training.student.teachers import NORM, Teachers
from facesieve_training.student.views import Views

log = logging.getLogger(__name__)
_SETTLING, _PRUNING = 2048, 512  # images


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    labels: Path
    """Directory of a finished run of the stage label."""
    seed: int = 1
    student: network.StudentConfig = field(default_factory=network.StudentConfig)
    phases: tuple[Phase, ...] = (Phase(6, feature=1.0), Phase(6, labels=1.0))
    class_scale: float = 32.0
    """Cosine to logit, for the classes of a teacher without a classifier of its own."""
    batch: int = 64
    """Images in a step, over all devices and hosts."""
    precision: Precision = "float32"
    background: Background | None = None
    """Images without a face, to be scored lowest; null trains on faces only."""
    initial: Path | None = None
    """Initial weights: an exported student (.tflite), unchanged without phases; for a MobileFaceNet a larger
    one (.onnx), usually the teacher; or the same student (.weights.h5).
    """
    distillation: Distillation | None = None
    """Distillation on a GPU, before the phases; null omits it."""
    head_fine_tuning: HeadFineTuning | None = None
    """Training of the labels' layers only, after the phases; null omits it."""
    clean: int = 1
    """Repetitions of each clean image in an epoch; a degraded one occurs once."""
    views: Views = field(default_factory=Views)
    held_out: float = 0.1
    """Share of the people who are held out of training, for calibration and model selection."""
    cache: Path | None = None
    """Directory for decoded images, 37 KB each; null makes them on access."""
    devices: int = 0
    """Accelerators to use; 0 for all."""
    save_every: int = 500
    """Steps between checkpoints."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.phases or self.initial else ["phases: must have at least one without initial"]
        found += [
            f"{n}: {getattr(self, n)} is below 1"
            for n in ("batch", "clean", "save_every")
            if getattr(self, n) < 1
        ]
        if self.student.mobileface and self.initial and self.initial.suffix == ".tflite":
            found.append(
                f"initial: {self.initial} cannot initialise a MobileFaceNet; give a larger one's .onnx"
            )
        if self.distillation and NORM not in self.student.labels:
            found.append(f"distillation: needs the label {NORM}; name it in student.labels")
        for name in self.head_fine_tuning.degraded if self.head_fine_tuning else ():
            if name not in self.student.labels:
                found.append(f"head_fine_tuning.degraded: {name} is none of student.labels")
        if self.distillation and not self.background:
            found.append("distillation: needs images without a face; give background")
        if self.distillation and self.distillation.batch % self.views.count:
            found.append(
                f"distillation.batch: {self.distillation.batch} cannot hold {self.views.count} views of each "
                "image"
            )
        if self.views.count > 1 and self.batch % self.views.count:
            found.append(f"views: a batch of {self.batch} cannot hold {self.views.count} views of each image")
        return found if 0 <= self.held_out < 1 else [*found, f"held_out: {self.held_out} is not in 0..1"]


class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Learning rate over all phases; each restarts its schedule."""

    def __init__(self, phases: tuple[Phase, ...], epoch: int) -> None:
        """Take the steps of an epoch."""
        self._parts = [(p.epochs * epoch, Rate(p.optimiser, epoch, p.epochs * epoch)) for p in phases]

    def __call__(self, step: Any) -> Any:
        """Return the rate; step may be a tensor."""
        ops = keras.ops
        first, rate = 0.0, 0.0
        for steps, part in self._parts:
            inside = ops.cast(step, "float32") - first
            rate = ops.where(inside >= 0, part(ops.maximum(inside, 0.0)), rate)
            first += steps
        return rate


def run(config: Config, run: Run) -> None:
    """Train, and write the student into the run's directory."""
    if config.distillation:
        distillation.check_backend()
    hosts = devices.prepare(config.seed)
    source = data.LabelRun(config.labels)
    names = config.student.labels
    labels = source.read(names)
    teachers = _teachers(source) if config.distillation else None
    run.set_data_hash(source.digest)
    images = data.Images(source, labels, config.cache)
    test = data.held_out(labels, config.held_out, config.seed)
    rows = data.training_rows(labels, test, config.clean)
    if len(rows) < config.batch:
        raise DataError(f"batch: {config.batch} is more than the {len(rows)} images to train on")
    scale = data.Scale.fit(labels.labels[rows], names)
    write_atomic(run.dir / "scale.json", json.dumps(scale.knots) + "\n")
    scaled = scale.apply(labels.labels)
    empty = gather(config.background, config.seed) if config.background else None
    batches = Batches(
        config.phases, images, labels, scaled, names, rows, config.batch, config.views, config.seed, hosts,
        empty,
    )  # fmt: skip
    devices.spread(config.devices, config.batch, hosts)
    student = make_student(config, labels, rows)
    if config.initial:
        if config.initial.suffix == ".h5":
            initial.load_same(student, config.initial)
        elif config.initial.suffix == ".tflite":
            _start(student, config.initial, images, rows, config.seed)
        else:
            _start_small(student, config.initial, config, source, images, rows, run)
    shipped = network.inference(student, config.student)
    run.save_meta(parameters=shipped.count_params(), macs=macs(shipped))
    log.info(
        "%s as shipped: %.2f M parameters, %.3f GFLOPs (multiply-accumulates) a face",
        student.name, shipped.count_params() / 1e6, macs(shipped) / 1e9,
    )  # fmt: skip
    if config.distillation and teachers and empty:
        material = distillation.gather(source.faces, labels, scaled, rows, empty.images)
        _distil(student, config, config.distillation, teachers, scale, material, run)
    teacher: Classifier | None = None
    if network.CLASSES in student.output:
        teacher = classifier(source.config.teacher, labels, rows, config.class_scale)
        log.info("C_t of eq. 6: %s", teacher.origin)
        run.save_meta(teacher_classes=teacher.origin)
    model = in_training(student, config, teacher, batches.epoch)
    rows_held_out = np.flatnonzero(test)
    figures: dict[str, float] = {}

    def evaluate() -> dict[str, float]:
        figures.update(correlations(predict(shipped, images, rows_held_out), scaled[rows_held_out], names))
        return figures

    epochs = sum(phase.epochs for phase in config.phases)
    after = config.distillation.steps if config.distillation else 0
    Loop(model, batches, run, config.save_every, hosts, after=after).train(epochs, batches.epoch, evaluate)
    after += round(epochs * batches.epoch)
    if config.head_fine_tuning:
        fine_tune(
            student,
            config.student,
            images,
            labels,
            scaled,
            rows,
            empty,
            config.head_fine_tuning,
            run,
            config.seed,
            after,
        )
    student.save_weights(run.dir / "student.weights.h5")
    run.finish(**evaluate())


def _distil(
    student: keras.Model, config: Config, how: Distillation, teachers: Teachers, scale: data.Scale,
    material: distillation.Material, run: Run,
) -> None:  # fmt: skip
    from facesieve_training.student.distiller import Distiller, train  # JAX is an optional dependency

    distiller = Distiller(config.student.labels, teachers, scale, material, how, config.views)
    train(distiller, student, how, run, config.seed)


def _teachers(source: data.LabelRun) -> Teachers:
    teacher = source.config.teacher.as_onnx()
    return Teachers.of(source.config, initial.mobileface(teacher.onnx, teacher))


def _start(model: keras.Model, path: Path, images: data.Images, rows: NDArray[np.int64], seed: int) -> None:
    """Load the weights of an exported student; the moments are those of images and their mirror images."""
    chosen = np.random.default_rng([seed, 5]).permutation(rows)[:_SETTLING]
    groups = [images[np.sort(some)] for some in np.array_split(chosen, max(1, len(chosen) // 128))]
    copied = initial.load(model, path, [b for some in groups for b in (some, some[:, :, ::-1])])
    log.info("initialised from %s with the layers %s", path, ", ".join(copied))


def _start_small(
    model: keras.Model, path: Path, config: Config, source: data.LabelRun, images: data.Images,
    rows: NDArray[np.int64], run: Run,
) -> None:  # fmt: skip
    """Prune the large network; a resumed run loads the result."""
    begun = run.dir / "begun.weights.h5"
    if begun.exists():
        model.load_weights(begun)
        return
    chosen = np.sort(np.random.default_rng([config.seed, 5]).permutation(rows)[:_PRUNING])
    teacher = source.config.teacher.as_onnx()
    initial.prune_teacher(model, config.student, path, teacher, images[chosen])
    log.info("initialised by pruning %s", path)
    temporary = begun.with_name(f".{begun.name}")
    model.save_weights(temporary)
    temporary.replace(begun)


def make_student(config: Config, labels: data.Labels, rows: NDArray[np.int64]) -> keras.Model:
    """Build the student."""
    with_classes = any(p.classes or p.teacher_classes for p in config.phases)
    classes = len(labels.identities) if with_classes else 0
    policy = devices.policy(config.precision)
    student = network.build(config.student, labels.embedding.shape[1], classes, policy)
    network.spread_length(student, labels.embedding[rows[:_SETTLING]].astype(np.float32))
    return student


def in_training(student: keras.Model, config: Config, teacher: Classifier | None, epoch: int) -> keras.Model:
    """Compile the student for training on uint8 images; the phases' weights come with the batches."""
    bins = network.BinsLoss(config.views)
    losses: dict[str, Any] = dict.fromkeys(config.student.labels, bins)
    losses[network.FEATURE] = "mse"
    if teacher is not None:
        losses[network.CLASSES] = network.ClassLoss(teacher.kernel, teacher.bias, teacher.unit)
    images = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="picture")
    model = keras.Model(images, student(keras.layers.Rescaling(1 / 128, -1, dtype="float32")(images)))
    optimizer = keras.optimizers.Adam(Rates(config.phases, epoch))
    if config.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, loss=losses)
    return model


def correlations(
    predicted: NDArray[np.float32], truth: NDArray[np.float32], names: tuple[str, ...]
) -> dict[str, float]:
    """Spearman's correlation of prediction and label, for each label that has one: a constant has none."""
    found = {}
    for i, name in enumerate(names):
        finite = np.isfinite(truth[:, i]) if len(predicted) else np.zeros(0, bool)
        both = predicted[finite, i], truth[finite, i]
        if finite.sum() > 2 and min(map(np.ptp, both)) > 0:
            found[f"spearman_{name}"] = float(spearmanr(*both).statistic)
    return found


def predict(
    shipped: keras.Model, images: data.Images, rows: NDArray[np.int64], batch: int = 64
) -> NDArray[np.float32]:
    """Predict the labels (0..1) of these rows, N x labels, with what `network.inference` returns."""
    predicted = [np.zeros((0, len(shipped.outputs)), np.float32)]
    for first in range(0, len(rows), batch):
        x = scaled(images[rows[first : first + batch]])
        outputs = keras.tree.flatten(shipped.predict_on_batch(x))  # Keras returns a single output bare
        values = [keras.ops.convert_to_numpy(network.expectation(o)) for o in outputs]
        predicted.append(np.stack(values, axis=1))
    return np.concatenate(predicted)
