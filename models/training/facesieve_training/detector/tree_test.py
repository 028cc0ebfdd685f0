from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.detector import codec, initial, tree
from facesieve_training.detector.feature_imitation import imitate
from facesieve_training.detector.network import EARLY, HEADS, NetworkConfig, build
from facesieve_training.detector.yunet import YuNet

NETWORK = NetworkConfig(stem=8, stage4=16, blocks4=0)


@pytest.fixture
def yunet(shared_data: Path) -> Path:
    return shared_data / "models" / "yunet_s.onnx"


@pytest.fixture
def scene(shared_data: Path) -> np.ndarray:
    found = cv2.imread(str(min((shared_data / "scenes").glob("*.jpg"))))
    return np.asarray(cv2.resize(found, (960, 960)))


def test_the_network_equals_yunet_on_its_early_maps(yunet: Path, scene: np.ndarray) -> None:
    model = build(NETWORK)
    initial.load(model, yunet)
    rest = keras.Model(model.get_layer(f"{EARLY}_relu").output, model.output)
    maps = rest(tree.Early(yunet)(scene[None]), training=False)
    for stride, wanted in zip(codec.STRIDES, YuNet(yunet).maps(scene), strict=True):
        result = [np.asarray(maps[f"{head}_{stride}"])[0] for head in HEADS]
        result[:2] = [codec.sigmoid(logits) for logits in result[:2]]
        third = len(wanted) // 3  # near the border the 1x1's bias differs
        middle = (slice(third, -third), slice(third, -third))
        np.testing.assert_allclose(np.concatenate(result, axis=-1)[middle], wanted[middle], atol=1e-4)
        assert wanted[middle].std() > 0.1


def test_the_early_layers_are_trained_on_yunets_maps(yunet: Path, scene: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    model = build(NETWORK)
    initial.load(model, yunet)
    kept = model.get_layer("neck8").get_weights()[0]
    batch = np.stack([scene[y : y + 128, x : x + 128] for y in (300, 500) for x in (300, 500)])
    early = tree.Early(yunet)
    first = imitate(model, early, (batch for _ in range(2)), 2)
    left = imitate(model, early, (batch for _ in range(150)), 150)
    assert left < 0.8 * first
    np.testing.assert_array_equal(model.get_layer("neck8").get_weights()[0], kept)


def test_another_detector_is_an_error(bright_squares: Path) -> None:
    with pytest.raises(DataError, match=r"teacher\.onnx: holds no weights.*is not YuNet"):
        initial.load(build(NETWORK), bright_squares)
