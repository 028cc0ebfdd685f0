import numpy as np
import pytest

from facesieve_training.detector.compare.scores import TRUTH, difference, scores
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.evaluate import EvaluateConfig


def brightness(image: np.ndarray) -> float:
    """Substitute for the student: the mean grey value of the aligned face."""
    assert image.shape == (112, 112, 3)
    return float(image.mean())


def test_inaccurate_landmarks_change_the_score(views: list[View], exact: OnView, sloppy: OnView) -> None:
    """An image that is brighter to the right: a shift of 6 pixels to the right is 6 grey values."""
    full = np.repeat(np.arange(192, dtype=np.uint8)[None, :, None], 128, axis=0).repeat(3, axis=2)
    view = View(full, views[0].faces, full, 1.0)
    result = scores({"exact": exact, "sloppy": sloppy}, [view], brightness, EvaluateConfig())
    assert len(result[TRUTH]) == 1, "the face of 14 pixels is too small to be scored"
    assert difference(result["exact"], result[TRUTH]) == {"faces": 1, "apart": 0.0, "higher": 0.0}
    assert difference(result["sloppy"], result[TRUTH])["higher"] == pytest.approx(6, abs=0.2)


def test_a_smaller_view_is_cut_from_the_full_image(views: list[View], exact: OnView) -> None:
    full = np.zeros((256, 384, 3), np.uint8)
    full[:, 150:] = 200
    small = np.ascontiguousarray(full[::2, ::2])
    found = scores({"exact": exact}, [View(small, views[0].faces, full, 0.5)], brightness, EvaluateConfig())
    twice = views[0].faces.copy()
    twice[:, :14] *= 2
    whole = scores({}, [View(full, twice, full, 1.0)], brightness, EvaluateConfig())
    np.testing.assert_allclose(found["exact"], whole[TRUTH][-len(found["exact"]) :], atol=0.01)


def test_no_face_in_common_has_no_difference() -> None:
    result = difference(np.array([1.0, np.nan]), np.array([np.nan, 2.0]))
    assert result["faces"] == 0
    assert result["apart"] is None
