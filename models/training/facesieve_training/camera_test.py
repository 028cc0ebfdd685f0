"""The effects for batches compared with those of OpenCV, at equal strengths."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from keras import ops

from facesieve_training import camera, codec_losses, degrade
from facesieve_training.degrade import NOTHING, NUMBERS, Degradation, Jitter, Span, Tone
from facesieve_training.faces import Image

EFFECTS: dict[str, dict[str, Any]] = {
    "occlusion": {"occlusion": Span(1, 0.2, 0.4)},
    "motion": {"motion": Span(1, 3, 21)},
    "defocus": {"defocus": Span(1, 0.5, 3.5)},
    "dark": {"dark": Span(1, 0.1, 0.7)},
    "tone": {"tone": Tone(1, 0.3, 0.15, 0.4, 0.4, 0.12)},
    "grey": {"grey": 1.0},
    "pixels": {"pixels": Span(1, 12, 60)},
    "jpeg": {"jpeg": Span(1, 10, 90)},
    "several": {"defocus": Span(1, 1, 2), "pixels": Span(1, 20, 60), "jpeg": Span(1, 40, 60)},
}


@pytest.fixture(scope="module")
def faces() -> list[Image]:
    """Images with edges and gradients, with a margin of 8 pixels."""
    rng, made = np.random.default_rng(5), []
    for _ in range(8):
        image = cv2.resize(rng.integers(40, 200, (8, 8, 3), np.uint8), (128, 128))
        cv2.circle(image, (60, 68), int(rng.integers(16, 48)), rng.integers(0, 256, 3).tolist(), -1)
        cv2.line(image, (0, 100), (127, 40), (250, 250, 250), 3)
        made.append(np.asarray(image))
    return made


def _both(faces: list[Image], config: Degradation) -> tuple[np.ndarray, np.ndarray]:
    """The faces degraded by OpenCV and as a batch, from the same numbers."""
    generators = [degrade.generator(1, str(k), 1) for k in range(len(faces))]
    here = np.stack(
        [degrade.degrade(*one) for one in zip(faces, [config] * len(faces), generators, strict=True)]
    )
    generators = [degrade.generator(1, str(k), 1) for k in range(len(faces))]
    numbers = np.concatenate([rng.random((1, NUMBERS), np.float32) for rng in generators])
    drawn, images = degrade.strengths(ops.convert_to_tensor(numbers), config, ops), np.stack(faces)
    recorded = camera.record(images.astype(np.float32), drawn, np.zeros(images.shape, np.float32))
    return here.astype(float), ops.convert_to_numpy(camera.align(recorded, drawn, 128.0)).astype(float)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_is_that_of_opencv(effect: str, faces: list[Image]) -> None:
    here, batch = _both(faces, replace(NOTHING, **EFFECTS[effect]))
    clean = np.stack(faces)[:, 8:-8, 8:-8].astype(float)
    change = _rms(here - clean)
    assert change > 2
    assert _rms(batch - clean) == pytest.approx(change, rel=0.1)
    limit = {"motion": 0.35, "jpeg": 0.75, "several": 0.25}.get(effect, 0.05)
    assert _rms(batch - here) < limit * change


def _textured(count: int) -> np.ndarray:
    """Images with details of all sizes: a codec without intra prediction loses more of smooth ones."""
    rng, made = np.random.default_rng(5), []
    for _ in range(count):
        image = np.full((128, 128, 3), 128.0)
        for side, deviation in ((6, 60), (16, 30), (40, 14), (100, 6)):
            layer = rng.standard_normal((side, side, 1)) + 0.3 * rng.standard_normal((side, side, 3))
            image += cv2.resize(deviation * layer, (128, 128), interpolation=cv2.INTER_CUBIC)
        made.append(np.clip(image, 0, 255).astype(np.uint8))
    return np.stack(made)


def _sharpness(images: np.ndarray) -> float:
    return float(
        np.mean([cv2.Laplacian(i.astype(float) @ codec_losses.GREY, cv2.CV_64F).std() for i in images])
    )


def _blockiness(images: np.ndarray) -> float:
    """Step at the edges of 8x8 blocks relative to that between other columns."""
    steps = np.abs(np.diff(images.astype(float) @ codec_losses.GREY, axis=2)).mean(axis=(0, 1))
    edge = np.arange(len(steps)) % 8 == 7
    return float(steps[edge].mean() / steps[~edge].mean())


@pytest.mark.parametrize("qp", [24, 32, 40])
@pytest.mark.parametrize("movement", [0.0, 1.7])
def test_a_video_has_the_losses_of_libx264(qp: int, movement: float) -> None:
    """Error, sharpness and blockiness agree; the pixels of the errors depend on the encoder's choices."""
    images, angles = _textured(8), np.linspace(0, 3, 8, dtype=np.float32)
    here = np.stack([degrade.encode_video(i, qp, movement, a) for i, a in zip(images, angles, strict=True)])
    qps, movements = (np.full(8, value, np.float32) for value in (qp, movement))
    made = codec_losses.encode_video(images.astype(np.float32), qps, movements, angles)
    batch = ops.convert_to_numpy(made)
    assert _rms(batch - images) == pytest.approx(_rms(here - images.astype(float)), rel=0.15)
    assert _sharpness(batch) == pytest.approx(_sharpness(here), rel=0.12)
    assert _blockiness(batch) == pytest.approx(_blockiness(here), abs=0.15)


def test_a_drawn_video_has_the_losses_of_libx264() -> None:
    images = _textured(8)
    here, batch = _both(list(images), replace(NOTHING, h264=Span(1, 28, 36)))
    clean = images[:, 8:-8, 8:-8].astype(float)
    for k in range(len(images)):
        assert _rms(batch[k] - clean[k]) == pytest.approx(_rms(here[k] - clean[k]), rel=0.25)
    assert _rms(batch - clean) == pytest.approx(_rms(here - clean), rel=0.15)
    assert _sharpness(batch) == pytest.approx(_sharpness(here), rel=0.12)


def test_a_plane_is_shifted_as_by_opencv() -> None:
    image = _textured(1)
    down, across = np.array([1.3], np.float32), np.array([-0.6], np.float32)
    moved = ops.convert_to_numpy(codec_losses.shift(image.astype(np.float32), down, across))[0]
    back = np.array([[1, 0, 0.6], [0, 1, -1.3]])
    expected = cv2.warpAffine(
        image[0], back, (128, 128), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(moved - expected)[4:-4, 4:-4].mean() < 1


def test_misalignment_is_that_of_opencv(faces: list[Image]) -> None:
    here, batch = _both(faces, replace(NOTHING, jitter=Jitter(3, 8, 0.08)))
    assert np.abs(here - np.stack(faces)[:, 8:-8, 8:-8]).mean() > 5
    assert np.abs(here - batch).mean() < 1, "OpenCV interpolates with 5 bits"


def test_without_an_effect_the_face_is_exact(faces: list[Image]) -> None:
    for made in _both(faces, NOTHING):
        np.testing.assert_array_equal(made, np.stack(faces)[:, 8:-8, 8:-8])


def test_noise_has_its_deviation_where_it_is_drawn() -> None:
    images, sigma = np.full((3, 64, 64, 3), 128, np.float32), np.array([0, 5, 12], np.float32)
    noise = np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    drawn = degrade.strengths(np.full((3, NUMBERS), 0.5, np.float32), replace(NOTHING, noise=Span(1, 1, 2)))
    made = ops.convert_to_numpy(camera.record(images, drawn._replace(noise=sigma), noise).images)
    np.testing.assert_allclose(made.std(axis=(1, 2, 3)), sigma, atol=0.2)
    here = degrade.add_noise(images[0].astype(np.uint8), 12, np.random.default_rng(0))
    assert here.std() == pytest.approx(12, abs=0.3)
