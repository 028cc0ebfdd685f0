import numpy as np
import pytest

from facesieve_training.detector import codec
from facesieve_training.detector.assign import BOX, POINTS, POSITIVE, WEIGHT, AssignConfig, around, targets

CONFIG = AssignConfig()


def _face(x: float, y: float, size: float) -> codec.FloatArray:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * size + [x, y]
    return np.array([[x, y, size, size, *points.ravel(), 0.9]], np.float32)


NONE = np.zeros((0, codec.COLUMNS), np.float32)


@pytest.mark.parametrize(
    ("size", "levels"),
    [(8, [0]), (16, [0]), (40, [0, 1]), (64, [1]), (110, [1, 2]), (250, [2])],
)
def test_a_face_goes_to_the_levels_of_its_size(size: float, levels: list[int]) -> None:
    maps = targets(_face(30, 40, size), NONE, (320, 320), CONFIG)
    assert [k for k, level in enumerate(maps) if level[..., POSITIVE].any()] == levels


@pytest.mark.parametrize("size", [7, 12, 30, 80, 200])
def test_targets_decode_to_the_face(size: float) -> None:
    face = _face(41.5, 33.25, size)
    maps = targets(face, NONE, (320, 320), CONFIG)
    found = codec.decode(
        [m[..., POSITIVE] for m in maps],
        [m[..., BOX:POINTS] for m in maps],
        [m[..., POINTS:] for m in maps],
        0.5,
    )
    assert len(found) >= 1
    np.testing.assert_allclose(found[:, :14], np.repeat(face[:, :14], len(found), 0), rtol=1e-4, atol=1e-3)


def test_unsure_faces_are_left_out_of_the_classification() -> None:
    maps = targets(NONE, _face(64, 64, 64), (320, 320), CONFIG)
    assert not any(m[..., POSITIVE].any() for m in maps)
    assert maps[0][12, 12, WEIGHT] == 0
    assert maps[0][0, 0, WEIGHT] == 1


def test_a_face_near_a_levels_range_is_not_background_there() -> None:
    maps = targets(_face(96, 96, 56), NONE, (320, 320), CONFIG)
    center = maps[0][15, 15]
    assert (center[POSITIVE], center[WEIGHT]) == (0, 0)


def test_the_smaller_face_gets_the_cell() -> None:
    both = np.concatenate([_face(90, 90, 20), _face(80, 80, 40)])
    level = targets(both, NONE, (320, 320), CONFIG)[0]
    assert np.exp(level[12, 12, BOX + 2]) * 8 == pytest.approx(20, rel=1e-4)


def test_a_face_at_the_edge_stays_inside_the_map() -> None:
    for x, y in [(-6, -6), (312, 312), (-3, 310)]:
        maps = targets(_face(x, y, 14), NONE, (320, 320), CONFIG)
        assert maps[0].shape == (40, 40, 16)


def test_cells_around_a_face_are_those_of_its_box_widened_by_half() -> None:
    for stride, covered in zip(codec.STRIDES, around(_face(96, 128, 64), (320, 256)), strict=True):
        assert covered.shape == (320 // stride, 256 // stride)
        rows, columns = ((np.arange(n) + 0.5) * stride for n in covered.shape)
        inside = (abs(rows[:, None] - 160) <= 48) & (abs(columns - 128) <= 48)
        beyond = (abs(rows[:, None] - 160) > 48 + stride) | (abs(columns - 128) > 48 + stride)
        assert covered[inside].all()
        assert not covered[beyond].any()
