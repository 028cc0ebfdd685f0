from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.faces import FaceSet, decode, read


def test_directories_without_an_image_are_reported(
    face_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = FaceSet(face_directory).hash()
    assert not caplog.messages
    (face_directory / "p98").mkdir()
    (face_directory / "p99").mkdir()
    assert FaceSet(face_directory).hash() == whole
    assert caplog.messages == [f"{face_directory}: 2 directories hold no image: p98, p99"]


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_truncated_jpeg_is_an_error(progressive: int, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
    assert decode(data).shape == image.shape
    assert decode(data + b"\0" * 9).shape == image.shape
    for kept in (len(data) // 2, len(data) - 2):
        with pytest.raises(ValueError, match="is a truncated JPEG"):
            decode(data[:kept])
    (tmp_path / "a.jpg").write_bytes(data[:3000])
    with pytest.raises(DataError, match=r"a\.jpg: is a truncated JPEG; remove or replace it"):
        read(tmp_path / "a.jpg")
