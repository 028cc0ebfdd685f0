from pathlib import Path

import numpy as np
import onnx
import pytest

from facesieve_training.detector.yunet import YuNet


def test_a_square_is_located(bright_squares: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[32:64, 64:96] = 255
    faces = YuNet(bright_squares).candidates(image, 0.5)
    large = faces[faces[:, 2] > 30]
    np.testing.assert_allclose(large[:, :4], [[64, 32, 32, 32]], atol=1e-3)
    np.testing.assert_allclose(large[0, 4:6], [64 + 0.2 * 32, 32 + 0.3 * 32], atol=1e-3)


def test_views_agree_on_a_symmetric_face(bright_squares: Path) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[32:64, 32:64] = 255
    faces = YuNet(bright_squares).detect(image, 0.5, mirrored=True)
    large = faces[faces[:, 2] > 30]
    assert len(large) == 1
    np.testing.assert_allclose(large[0, :4], [32, 32, 32, 32], atol=0.5)


def test_sizes_are_padded_to_the_stride(bright_squares: Path) -> None:
    maps = YuNet(bright_squares).maps(np.zeros((50, 70, 3), np.uint8))
    assert [m.shape for m in maps] == [(8, 12, 16), (4, 6, 16), (2, 3, 16)]


def test_another_network_is_refused(bright_squares: Path, tmp_path: Path) -> None:
    model = onnx.load(str(bright_squares))
    model.graph.output.pop()
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(ValueError, match=r"other\.onnx: no outputs \['kps_32'\]"):
        YuNet(tmp_path / "other.onnx")
