import cv2
import numpy as np
import pytest

from facesieve_training.detector.compare import views
from facesieve_training.detector.compare.conftest import face
from facesieve_training.detector.evaluate import EvaluateConfig
from facesieve_training.detector.label import Labelled


@pytest.mark.parametrize("times", [2, 3])
def test_a_camera_has_more_pixels_than_the_input(times: int) -> None:
    """An image with a face of 60 pixels gives a view with a face of 20, and none with a face of 40."""
    image = cv2.imencode(".png", np.full((240, 360, 3), 90, np.uint8))[1].tobytes()
    item = Labelled("one", image, 360, 240, face(100, 50, 60)[None], True)
    (view,) = views.camera([item], EvaluateConfig(sizes=(20, 40)), times)
    assert view.full.shape == (80 * times, 120 * times, 3)
    assert view.image.shape == (80, 120, 3)
    assert view.scale == pytest.approx(1 / times)
    np.testing.assert_allclose(view.faces[0, :4], [100 / 3, 50 / 3, 20, 20], rtol=1e-3)
