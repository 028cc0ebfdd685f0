"""Shared fixtures: small faces, a small teacher, and paths outside this package."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facesieve_training.faces import SIZE
from facesieve_training.run import Run
from facesieve_training.teacher.imported import OnnxTeacher

_REPOSITORY = Path(__file__).parents[3]


def _need(path: Path, fix: str) -> Path:
    if path.exists():
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{path.name} is missing, and CI must have it: {fix}")
    pytest.skip(f"{path.name} is missing: {fix}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces, scenes, videos and networks beside the repository; without them the test is skipped."""
    shared = Path(os.environ.get("FACESIEVE_SHARED", _REPOSITORY.parent / "shared"))
    return _need(shared / "data", "set FACESIEVE_SHARED to the directory of the shared data")


@pytest.fixture(scope="session")
def daemon() -> Path:
    """The built program; without it the test is skipped."""
    return _need(_REPOSITORY / "bin" / "facesieve", "run make build")


@pytest.fixture(scope="session")
def models() -> Path:
    """Directory of the shipped networks."""
    return _REPOSITORY / "models"


@pytest.fixture
def eager() -> Iterator[None]:
    """Eager execution: building the graph of a step takes longer than the few steps of a test."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def face_directory(tmp_path: Path) -> Path:
    """The directory of `make_faces`."""
    return make_faces(tmp_path / "faces")


@pytest.fixture
def teacher_config(tmp_path: Path) -> OnnxTeacher:
    """The teacher of `make_teacher`."""
    return make_teacher(tmp_path / "teacher.onnx")


def make_faces(root: Path) -> Path:
    """12 people with 4 faces each of 128x128, the people in different colours; the last has one face only."""
    rng = np.random.default_rng(0)
    for person in range(12):
        directory = root / f"p{person:02d}"
        directory.mkdir(parents=True)
        base = cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (128, 128))
        for number in range(4 if person < 11 else 1):
            noise = rng.integers(-20, 21, base.shape)
            image = np.clip(base.astype(int) + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(directory / f"{number}.png"), image)
    return root


def make_teacher(path: Path) -> OnnxTeacher:
    """A teacher of two convolutions, a PRelu and a last layer, with random weights."""
    onnx.save(_teacher(), str(path))
    return OnnxTeacher(path, cut="pooled", low="bent", mean=127.5, std=128.0)


def make_labels(root: Path, teacher: OnnxTeacher, masks: int = 4) -> Path:
    """A run of the stage label in root / "label", on the faces of `make_faces` in root / "faces"."""
    from facesieve_training.label import stage
    from facesieve_training.teacher.source import TeacherSource

    source = TeacherSource(**vars(teacher))
    config = stage.Config(root / "faces", source, masks=stage.Masks(masks), threads=1, sheet=0)
    stage.run(config, Run.open(root / "label", "label", config, False))
    return root / "label"


def _teacher() -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.normal(0, 0.2, (6, 3, 3, 3)),
        "slope": rng.uniform(0, 0.5, (6, 1, 1)),
        "w2": rng.normal(0, 0.2, (16, 6, 3, 3)),
        "w3": rng.normal(0, 0.5, (8, 16)),
        "b3": rng.normal(0, 0.1, 8),
    }
    nodes = [
        helper.make_node("Conv", ["data", "w1"], ["first"], strides=[4, 4]),
        helper.make_node("PRelu", ["first", "slope"], ["bent"]),
        helper.make_node("Conv", ["bent", "w2"], ["second"], strides=[3, 3]),
        helper.make_node("GlobalAveragePool", ["second"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["embedding"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
