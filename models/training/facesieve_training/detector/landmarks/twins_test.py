import cv2
import numpy as np

from facesieve_training.detector.label import Labelled
from facesieve_training.detector.landmarks.twins import without_twins
from facesieve_training.prepare.align import TEMPLATE


def photograph(seed: int) -> np.ndarray:
    """Smooth shapes of 200x160 pixels, which survive another size and JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (160, 200), interpolation=cv2.INTER_CUBIC))


def labelled(name: str, picture: np.ndarray, points: np.ndarray, score: float = 0.9) -> Labelled:
    low, high = points.min(axis=0), points.max(axis=0)
    face = np.array([[*low, *(high - low), *points.ravel(), score]], np.float32)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    return Labelled(name, data, picture.shape[1], picture.shape[0], face, False)


def test_a_face_of_the_same_photograph_goes_and_others_stay() -> None:
    points = TEMPLATE * 0.6 + [50, 60]
    held_out = [labelled("held.jpg", photograph(1), points)]
    onto = np.array([[1 / 0.6, 0, 8 - 50 / 0.6], [0, 1 / 0.6, 8 - 60 / 0.6]])
    twin, other = (
        labelled(f"{seed}.jpg", cv2.warpAffine(photograph(seed), onto, (128, 128)), TEMPLATE + 8)
        for seed in (1, 2)
    )
    assert [item.name for item in without_twins([twin, other], held_out, 0.5)] == ["2.jpg"]
    assert without_twins([twin, other], held_out, 0.95) == []  # nobody is sure of a face in any
