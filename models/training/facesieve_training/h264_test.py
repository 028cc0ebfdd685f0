from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facesieve_training import h264
from facesieve_training.cli import DataError
from facesieve_training.faces import Image


def _frames(count: int = 2, height: int = 48, width: int = 64) -> list[Image]:
    """Texture of one tint that moves by 2 pixels a frame."""
    coarse = np.random.default_rng(3).uniform(40, 200, (max(2, height // 8), max(2, width // 4)))
    scene = cv2.resize(coarse, (2 * width, height))[..., None] * [0.7, 0.9, 1.2]
    return [np.ascontiguousarray(scene[:, 2 * k : 2 * k + width], np.uint8) for k in range(count)]


def _error(one: Image, other: Image) -> float:
    return float(np.sqrt(np.square(one.astype(float) - other).mean()))


def test_the_error_rises_with_the_qp() -> None:
    frames = _frames()
    errors = [_error(h264.last_of(frames, qp), frames[-1]) for qp in (12, 24, 32, 40)]
    assert errors == sorted(errors)
    assert errors[0] < 3
    assert errors[-1] > 2 * errors[0]


def test_the_last_frame_is_decoded_whatever_came_before() -> None:
    alone = h264.last_of(_frames(1), 20)
    after_others = h264.last_of([*_frames()[::-1], _frames(1)[0]], 20)
    assert _error(alone, after_others) < 4
    assert _error(after_others, _frames()[1]) > 10
    np.testing.assert_array_equal(alone, h264.last_of(_frames(1), 20), "an earlier call changes nothing")


@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 9), (31, 48)])
def test_any_size_is_kept(height: int, width: int) -> None:
    frames = _frames(2, height, width)
    made = h264.last_of(frames, 16)
    assert made.shape == (height, width, 3)
    assert _error(made, frames[1]) < 5


def test_a_grey_image_stays_grey() -> None:
    grey = [np.repeat(frame[..., :1], 3, axis=2) for frame in _frames()]
    assert np.ptp(h264.last_of(grey, 30), axis=2).max() <= 2


def test_a_recording_has_its_frames_and_rate(tmp_path: Path) -> None:
    frames = _frames(7)
    h264.write(iter(frames), 10, tmp_path / "a.mp4")
    with av.open(tmp_path / "a.mp4") as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate is not None
        assert int(stream.average_rate) == 10
        decoded = [frame.to_ndarray(format="bgr24").astype(np.uint8) for frame in container.decode(stream)]
    assert len(decoded) == 7
    assert max(_error(*pair) for pair in zip(decoded, frames, strict=True)) < 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_recording_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> object:
        yield _frames()[0]
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        h264.write(failing(), 10, tmp_path / "a.mp4")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_library_without_the_encoder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(av, "codecs_available", {"h264"})
    with pytest.raises(DataError, match="PyAV lacks libx264; install its wheel"):
        h264.last_of(_frames(), 30)
    with pytest.raises(DataError, match="PyAV lacks libx264"):
        h264.write(_frames(), 10, tmp_path / "a.mp4")
