import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.warp import transform


def test_transform_scales_and_shifts() -> None:
    face = np.array([[50, 60, 60, 60, 70, 80, 90, 80, 80, 92, 72, 105, 88, 105, 0.9]], np.float32)
    moved = transform(face, np.array([[2.0, 0, 5], [0, 2.0, -7]]))
    np.testing.assert_allclose(moved[0, :4], [105, 113, 120, 120], rtol=1e-5)
    np.testing.assert_allclose(moved[0, 4:6], [145, 153], rtol=1e-5)
    assert moved.shape == (1, codec.COLUMNS)
