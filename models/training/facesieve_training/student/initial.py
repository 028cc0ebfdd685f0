"""Starts a student from a trained network: an exported student, as large or smaller, or a teacher, pruned."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image
from facesieve_training.networks import exported, mirror, mobileface_onnx, net2net, prune
from facesieve_training.student.network import FEATURE, StudentConfig
from facesieve_training.teacher.imported import OnnxTeacher

_NO_WEIGHTS = "holds no weights of this student"


def load(student: keras.Model, path: Path, images: Iterable[np.ndarray]) -> list[str]:
    """Give a student the weights of an exported .tflite, narrower and shallower at will, and its batch norms
    the moments of batches of images (N x 112 x 112 x 3, BGR); returns the labels that the file has, whose
    outputs start from there.
    """
    with _as_data_error(path, _NO_WEIGHTS):
        stored = exported.read(path.read_bytes())
        _give_convolutions(student, [held for held in stored if not held.dense])
        known = [held for held in stored if held.dense and _give_dense(student, held)]
    exported.settle(student, images)
    return [_layer_name(held) for held in known]


def load_same(student: keras.Model, path: Path) -> None:
    """Give a student the weights that another training of the same one left."""
    with _as_data_error(path, _NO_WEIGHTS):
        student.load_weights(path)


def mobileface(path: Path, like: OnnxTeacher) -> list[mobileface_onnx.Layer]:
    """The layers of a trained MobileFaceNet (ONNX, its input as the teacher's)."""
    with _as_data_error(path, "is no MobileFaceNet, to start from or to match"):
        return mobileface_onnx.read(path, like.colour, like.mean, like.std)


def prune_teacher(
    student: keras.Model, config: StudentConfig, path: Path, like: OnnxTeacher, images: Image
) -> list[mobileface_onnx.Layer]:
    """Start a MobileFaceNet from a larger one (ONNX, its input as the teacher's), as far as it tells of
    images, N x 112 x 112 x 3 BGR; returns the large one's layers.
    """
    teacher = mobileface(path, like)
    with _as_data_error(path, "no student starts from it"):
        if config.mobileface is None:
            raise ValueError("only a MobileFaceNet can start from one; give student.mobileface")
        student.get_layer(FEATURE).set_weights(prune.start(student, config.mobileface, teacher, images))
    return teacher


@contextmanager
def _as_data_error(path: Path, fault: str) -> Iterator[None]:
    """Tell what goes wrong inside as a fault of the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {fault}; fix the keys initial, distillation or student: {error}") from error


def _give_convolutions(student: keras.Model, stored: list[exported.Weights]) -> None:
    """Keras numbers its layers by all of the process, so only the order in which they were made tells which
    is which.
    """
    wanted = sorted(exported.convolutions(student), key=lambda pair: _number(pair[0].name))
    for (layer, norm), held in net2net.aligned(wanted, sorted(stored, key=lambda w: _number(w.name))):
        net2net.give(layer, norm, held)


def _give_dense(student: keras.Model, held: exported.Weights) -> bool:
    """Give a dense layer its weights; False when the student has none of that name and as many outputs."""
    layer = next((layer for layer in student.layers if layer.name == _layer_name(held)), None)
    if layer is None or layer.kernel.shape[1] != held.kernel.shape[1]:
        return False
    held = net2net.widen(held, layer)
    kernel, bias = held.kernel, held.bias
    if isinstance(layer, mirror.MirrorDense):
        kernel, bias = kernel[:, : len(bias) // 2], bias[: len(bias) // 2]
    elif isinstance(layer, mirror.MirrorReadout):
        kernel = kernel[: len(kernel) // 2]
    layer.set_weights([kernel, bias])
    return True


def _number(name: str) -> tuple[int, ...]:
    """The layer's number, none being the first, and behind it that of its call where the file has one."""
    return tuple(int(part) for part in re.findall(r"_(\d+)(?=_\d|$)", name))


def _layer_name(held: exported.Weights) -> str:
    return re.sub(r"_\d+$", "", held.name)
