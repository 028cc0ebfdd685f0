"""Initialises a student from an exported student, or from a pruned teacher."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image
from facesieve_training.networks import exported, mirror, mobileface_onnx, prune
from facesieve_training.student.network import FEATURE, StudentConfig
from facesieve_training.teacher.imported import OnnxTeacher

_NO_WEIGHTS = "holds no weights of this student"


def load(student: keras.Model, path: Path, images: Iterable[np.ndarray]) -> list[str]:
    """Set a student's weights from an exported .tflite of the same backbone.

    Batch norms get the moments of these batches of images (N x 112 x 112 x 3, BGR). Returns the names of the
    dense layers, labels included, that the file has.
    """
    with _as_data_error(path, _NO_WEIGHTS):
        stored = exported.read(path.read_bytes())
        _give_convolutions(student, [weights for weights in stored if not weights.dense])
        copied = [weights for weights in stored if weights.dense and _give_dense(student, weights)]
    exported.settle(student, images)
    return [_layer_name(weights) for weights in copied]


def load_same(student: keras.Model, path: Path) -> None:
    """Load the weights of another training of the same student."""
    with _as_data_error(path, _NO_WEIGHTS):
        student.load_weights(path)


def mobileface(path: Path, like: OnnxTeacher) -> list[mobileface_onnx.Layer]:
    """The layers of a trained MobileFaceNet (ONNX, with the teacher's input)."""
    with _as_data_error(path, "is not a MobileFaceNet to prune or to distil"):
        return mobileface_onnx.read(path, like.color, like.mean, like.std)


def prune_teacher(
    student: keras.Model, config: StudentConfig, path: Path, like: OnnxTeacher, images: Image
) -> None:
    """Initialise a MobileFaceNet by pruning a larger one (ONNX, with the teacher's input).

    Channels are selected on these images, N x 112 x 112 x 3 BGR.
    """
    teacher = mobileface(path, like)
    with _as_data_error(path, "cannot initialise the student"):
        if config.mobileface is None:
            raise ValueError("only a MobileFaceNet can be pruned from it; give student.mobileface")
        student.get_layer(FEATURE).set_weights(prune.start(student, config.mobileface, teacher, images))


@contextmanager
def _as_data_error(path: Path, fault: str) -> Iterator[None]:
    """Convert errors of the block to a DataError that names the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {fault}; fix the keys initial, distillation or student: {error}") from error


def _give_convolutions(student: keras.Model, stored: list[exported.Weights]) -> None:
    """Pair the layers by the order of their creation: Keras numbers layers over the whole process."""
    wanted = sorted(exported.convolutions(student), key=lambda pair: _number(pair[0].name))
    if len(wanted) != len(stored):
        raise ValueError(f"it has {len(stored)} convolutions and this network {len(wanted)}")
    for (layer, norm), weights in zip(wanted, sorted(stored, key=lambda w: _number(w.name)), strict=True):
        exported.give(layer, norm, weights)


def _give_dense(student: keras.Model, weights: exported.Weights) -> bool:
    """Set a dense layer's weights; False when the student has no layer of this name with as many outputs."""
    layer = next((layer for layer in student.layers if layer.name == _layer_name(weights)), None)
    if layer is None or tuple(layer.kernel.shape) != weights.kernel.shape:
        return False
    kernel, bias = weights.kernel, weights.bias
    if isinstance(layer, mirror.MirrorDense):
        kernel, bias = kernel[:, : len(bias) // 2], bias[: len(bias) // 2]
    elif isinstance(layer, mirror.MirrorReadout):
        kernel = kernel[: len(kernel) // 2]
    layer.set_weights([kernel, bias])
    return True


def _number(name: str) -> tuple[int, ...]:
    """The layer's number (empty for the first), and the number of its call where the file has one."""
    return tuple(int(part) for part in re.findall(r"_(\d+)(?=_\d|$)", name))


def _layer_name(weights: exported.Weights) -> str:
    return re.sub(r"_\d+$", "", weights.name)
