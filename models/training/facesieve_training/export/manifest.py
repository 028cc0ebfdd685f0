"""The manifest beside each .tflite file: the data with which the daemon checks and decodes the network.

The daemon decodes the JSON strictly: these dataclasses define the format. Fields that are None are omitted.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from facesieve_training.cli import DataError
from facesieve_training.run import write_atomic

SCHEMA = 1
NOT_STATED = "not stated"
"""Licence of a network whose configuration states none."""
MINIMUM_STEPS = 4
"""A self-test tolerance is never below this many quantisation steps."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A network's name and origin, as the configuration of the stage that exports it."""

    name: str
    """Name of the network."""
    version: str = "1"
    description: str = ""
    """What the network does; empty for the stage's own text."""
    license: str = NOT_STATED
    """Terms of use, which the terms of the data, the teachers and the initial weights limit."""
    trained_on: str | None = None
    """Data, teachers and initial weights; null names those of the run."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.name.strip() else ["name: must not be empty"]
        if self.trained_on is not None and not self.trained_on.strip():
            found.append("trained_on: must not be empty; null names the data of the run")
        return found

    def stated(self, description: str, trained_on: str) -> "Stated":
        """The manifest's texts; the arguments replace those that the configuration leaves to the stage."""
        return Stated(
            name=self.name,
            version=self.version,
            description=self.description or description,
            license=self.license,
            trained_on=self.trained_on or trained_on,
        )


class Stated(TypedDict):
    """The texts of a manifest."""

    name: str
    version: str
    description: str
    license: str
    trained_on: str


@dataclass(frozen=True)
class Training:
    """Provenance of a network."""

    run: str
    commit: str
    data_hash: str
    seed: int
    command: str


@dataclass(frozen=True)
class Input:
    """The input tensor, NHWC; real = (pixel - mean) / std = (quantised - zero_point) * scale.

    Width and height are 0 when any multiple of `multiple` is allowed.
    """

    width: int
    height: int
    multiple: int = 0
    channels: int = 3
    color: Literal["BGR", "RGB"] = "BGR"
    mean: float = 128
    std: float = 128
    type: Literal["int8"] = "int8"
    scale: float = 1 / 128
    zero_point: int = 0


@dataclass(frozen=True)
class Output:
    """An output tensor, in the interpreter's order; -1 in the shape varies with the input's size."""

    name: str
    shape: list[int]
    type: Literal["int8", "float32"]
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Label:
    """A quality label: the expectation of its bins under the softmax of an output."""

    name: str
    output: int
    bins: list[float]
    weight: float


@dataclass(frozen=True)
class Calibration:
    """Raw score to 0..100: piecewise linear through these points, increasing, clamped at the ends."""

    raw: list[float]
    score: list[float]


@dataclass(frozen=True)
class Fnmr:
    """The false-non-match rate to expect when faces below a score are dropped, at one false-match rate, and
    the share of the set's faces that are kept.
    """

    fmr: float
    set: str
    score: list[float]
    kept: list[float]
    fnmr: list[float]
    pairs: int | None = None
    """Mated pairs of the set."""


@dataclass(frozen=True)
class Thresholds:
    """Similarities that faces of two people exceed at two false-match rates, for pairs whose lower score is
    at least min_score.
    """

    min_score: float
    fmr_1e3: float
    fmr_1e4: float


@dataclass(frozen=True)
class Embedding:
    """The output that is compared between faces.

    Its values are (quantised - zero_point of the output) * scale, divided by their Euclidean length; the
    similarity is the cosine. Faces that score below the first thresholds cannot be compared.
    """

    output: int
    dimension: int
    scale: list[float]
    thresholds: list[Thresholds]
    set: str
    """The faces that the thresholds were measured on."""


@dataclass(frozen=True)
class Pose:
    """The output with yaw and pitch of the head, degrees, signs as in ISO/IEC 29794-5."""

    output: int


@dataclass(frozen=True)
class Quality:
    """How the outputs of a quality network become one score."""

    labels: list[Label]
    calibration: Calibration
    fnmr: Fnmr | None = None
    embedding: Embedding | None = None
    pose: Pose | None = None


@dataclass(frozen=True)
class Detector:
    """Scores that begin a track and continue one, and indices into the outputs of each head's map, by
    stride.
    """

    score: float
    low_score: float
    strides: list[int]
    cls: list[int]
    obj: list[int]
    bbox: list[int]
    kps: list[int]


@dataclass(frozen=True)
class Refinement:
    """How a network of task landmarks refines a detected face; the network is trained for these values.

    side: width and height of the network's input, pixels. crop_scale: side of the square that is cut out
    around a face, in sizes of the face (square root of its box's area), 1..4. min_crop: lowest side of this
    square, pixels of the frame. min_iou: lowest IoU with the detected box at which a detection in the square
    is the same face.
    """

    side: int
    crop_scale: float
    min_crop: int
    min_iou: float

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        checks = {
            f"side: {self.side} is below 1": self.side >= 1,
            f"crop_scale: {self.crop_scale:g} is outside 1..4": 1 <= self.crop_scale <= 4,
            f"min_crop: {self.min_crop} is below 1": self.min_crop >= 1,
            f"min_iou: {self.min_iou:g} is not between 0 and 1": 0 < self.min_iou < 1,
        }
        return [fault for fault, holds in checks.items() if not holds]


@dataclass(frozen=True)
class SelfTestCase:
    """A self-test image by number, and its expected dequantised outputs, row-major."""

    picture: int
    outputs: list[list[float]]


@dataclass(frozen=True)
class SelfTest:
    """Generated images with expected outputs, and the tolerance of each output, in real units."""

    width: int
    height: int
    cases: list[SelfTestCase]
    tolerance: list[float]


@dataclass(frozen=True)
class Manifest:
    """Everything about one .tflite file."""

    name: str
    version: str
    task: Literal["quality", "detector", "landmarks"]
    file: str
    sha256: str
    description: str
    license: str
    trained_on: str
    training: Training
    input: Input
    outputs: list[Output]
    self_test: SelfTest
    quality: Quality | None = None
    detector: Detector | None = None
    refinement: Refinement | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Write the manifest as JSON, atomically."""
        tree = dataclasses.asdict(self)
        write(path, {"schema": tree.pop("schema"), **tree})


def write(path: Path, tree: dict[str, Any]) -> None:
    """Write a manifest's tree as JSON, atomically; raises DataError for a figure that is no number."""
    if bad := next(_not_finite(tree, ""), None):
        raise DataError(f"{path}: {bad} has no value (NaN or infinite), which a manifest cannot hold")
    write_atomic(path, _json(_drop_none(tree), "") + "\n")


def short(path: Path) -> str:
    """The last two names of a path, which identify data without the directories of a machine."""
    return "/".join([part for part in path.parts if part not in (path.anchor, "..")][-2:])


def started_from(*initial: Path | None) -> str:
    """The initial weights of a network, as a clause of `trained_on`."""
    named = " and ".join(short(path) for path in initial if path)
    return f"it started from {f'the weights of {named}' if named else 'random weights'}"


def described_training(directory: Path, meta: dict[str, Any]) -> Training:
    """Provenance of a network from its run's directory and meta.json."""
    origin = {key: meta.get(key) or "unknown" for key in ("commit", "data_hash", "command")}
    return Training(
        directory.name, origin["commit"], origin["data_hash"], int(meta["seed"]), origin["command"]
    )


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def self_test_image(width: int, height: int, number: int) -> npt.NDArray[np.uint8]:
    """The generated image, BGR, [height, width, 3]; integer arithmetic, the same in every language."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    checker = ((x >> 3) + (y >> 3)) & 1
    value = x * (number + 1) * 2 + y * (number + 2) + c * 31 + 97 * checker
    return np.asarray(value & 255, np.uint8)


def _not_finite(value: Any, where: str) -> Iterator[str]:
    """Keys of the figures that are NaN or infinite."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _not_finite(item, f"{where}[{number}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield where


def _drop_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_none(item) for key, item in value.items() if item is not None}
    return value


def _json(value: Any, indent: str) -> str:
    """Indented JSON with every list of plain values on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(key)}: {_json(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(inner + _json(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
