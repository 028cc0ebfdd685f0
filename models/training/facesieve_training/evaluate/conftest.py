"""Fixtures: a small set of people, and small networks."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facesieve_training.evaluate import figures
from facesieve_training.faces import SIZE, Image

PEOPLE, IMAGES = 12, 6


def face(person: int, image: int) -> Image:
    """A person is a pattern; images with a higher number have more noise and less contrast."""
    rng = np.random.default_rng([person, 77])
    pattern = cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (SIZE + 16, SIZE + 16))
    noise = cv2.resize(np.random.default_rng([person, image]).normal(0, 1, (9, 9, 3)), (SIZE + 16, SIZE + 16))
    mixed = 128 + (pattern.astype(np.float64) - 128) * (1 - 0.13 * image) + noise * 13.0 * image
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of faces by identity, with margin."""
    root = tmp_path_factory.mktemp("people")
    for person in range(PEOPLE):
        (root / f"p{person:02d}").mkdir()
        for image in range(IMAGES):
            cv2.imwrite(str(root / f"p{person:02d}" / f"{image}.png"), face(person, image))
    return root


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int, int | str], Path]:
    """Make an ONNX network: means of patches (`low`), a matrix (`cut`), another (`out`)."""
    directory = tmp_path_factory.mktemp("networks")

    def make(name: str, seed: int, batch: int | str) -> Path:
        rng = np.random.default_rng(seed)
        weights = {
            "first": rng.normal(0, 0.2, (48, 32)).astype(np.float32),
            "second": rng.normal(0, 0.2, (32, 16)).astype(np.float32),
            "middle": np.array([127.5], np.float32),
        }
        nodes = [
            helper.make_node("Sub", ["data", "middle"], ["centred"]),
            helper.make_node("AveragePool", ["centred"], ["low"], kernel_shape=[28, 28], strides=[28, 28]),
            helper.make_node("Flatten", ["low"], ["flat"]),
            helper.make_node("MatMul", ["flat", "first"], ["cut"]),
            helper.make_node("MatMul", ["cut", "second"], ["out"]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 16])],
            [numpy_helper.from_array(value, key) for key, value in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        path = directory / f"{name}.onnx"
        onnx.save(model, path)
        return path

    return make


@pytest.fixture(autouse=True)
def quick_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figures, which take most of an evaluation's time, except in a test with the mark."""
    if request.node.get_closest_marker("real_figures") is None:
        monkeypatch.setattr(figures, "saved", lambda title, figure: figures.Drawn(title, b"", b""))
