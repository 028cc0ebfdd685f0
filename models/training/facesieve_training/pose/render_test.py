import numpy as np
import pytest

from facesieve_training.pose.render import Camera, Photograph, render
from facesieve_training.pose.shape import NOSE, Shape

SIDE = 240
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]], np.uint8)


@pytest.fixture
def photo() -> Photograph:
    """A grey image with a patch of its own colour at each landmark."""
    points = np.array([[90, 90], [150, 90], [120, 90 + 60 * NOSE], [94, 149], [146, 149]], float)
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for (x, y), colour in zip(points.round().astype(int), COLOURS, strict=True):
        image[y - 4 : y + 5, x - 4 : x + 5] = colour
    return Photograph(image, points)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-25, 0), (0, 30), (0, -30), (15, -20)])
def test_the_landmarks_are_where_the_image_shows_them(photo: Photograph, yaw: float, pitch: float) -> None:
    view = render(photo, Shape(), Camera(yaw, pitch, roll=10, distance=20, side=160, eyes=40))
    for (x, y), colour in zip(view.landmarks, COLOURS, strict=True):
        patch = view.image[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].reshape(-1, 3)
        assert (np.abs(patch.astype(int) - colour).max(axis=1) < 60).any(), (x, y)


def test_the_signs_are_those_of_the_daemon() -> None:
    shape = Shape()

    def nose(yaw: float, pitch: float) -> np.ndarray:
        return np.asarray(Camera(yaw, pitch).project(shape.landmarks())[2])

    assert nose(20, 0)[0] > nose(0, 0)[0] + 3, "looking to the right of the image"
    assert nose(0, 20)[1] > nose(0, 0)[1] + 3, "looking down"
    eyes = Camera(0, 0, roll=20).project(shape.landmarks())[:2]
    assert eyes[0, 1] > eyes[1, 1] + 5, "the crown to the left of the image"


def test_a_near_camera_enlarges_what_is_near() -> None:
    shape = Shape()
    far, near = (Camera(0, 40, distance=d).project(shape.landmarks()) for d in (1000, 6))
    ratio = [np.hypot(*(p[1] - p[0])) / np.hypot(*(p[4] - p[3])) for p in (far, near)]
    assert ratio[1] > ratio[0] * 1.05, "the eyes are nearer than the mouth when a person looks down"


def test_what_is_behind_the_head_is_known(photo: Photograph) -> None:
    view = render(photo, Shape(), Camera(20, 10, side=160, eyes=30))
    assert view.head[80, 80]
    assert not view.head[2, 2]
    assert 0.2 < view.head.mean() < 0.8


def test_shapes_differ_and_stay_heads() -> None:
    rng = np.random.default_rng(3)
    noses = [Shape().varied(rng).landmarks()[2, 2] for _ in range(50)]
    assert 0.3 < min(noses) < max(noses) < 0.9
    assert np.std(noses) > 0.03
