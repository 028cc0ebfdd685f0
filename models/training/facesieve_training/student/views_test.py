import numpy as np

from facesieve_training.student.views import VIEW_NUMBERS, Views, draw, draw_batch


def test_a_view_is_shifted_by_at_most_the_configured_pixels() -> None:
    image = np.zeros((1, 112, 112, 3), np.uint8)
    image[0, 50, 30] = 255
    positions = set()
    for seed in range(300):
        out = draw(image, Views(shift=2, light=0.1), np.random.default_rng(seed))
        assert out.min() == 0
        y, x = np.argwhere(out[0, ..., 0] > 0)[0]
        positions.add((int(y), int(min(x, 111 - x))))
    assert positions == {(50 + dy, 30 + dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_every_other_view_of_an_image_is_its_mirror_image() -> None:
    images = np.repeat(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8), 2, axis=0)
    drawn = draw(images, Views(count=2, shift=0), np.random.default_rng(1))
    np.testing.assert_array_equal(drawn[::2], drawn[1::2, :, ::-1])
    as_it_was = (drawn[::2] == images[::2]).all(axis=(1, 2, 3)).sum()
    assert 10 < as_it_was < 30


def test_light_changes_within_its_bounds_and_never_leaves_the_range() -> None:
    image = np.full((200, 8, 8, 3), 100, np.uint8)
    lit = draw(image, Views(shift=0, light=0.2), np.random.default_rng(1))[:, 0, 0]
    gain = np.log(lit / 100)
    assert 0.2 < np.abs(gain).max() < 0.3
    assert 0.05 < np.ptp(gain, axis=1).max() < 0.2
    bright = draw(np.full_like(image, 250), Views(shift=0, light=0.2), np.random.default_rng(1))
    assert bright.max() == 255


def test_views_of_a_batch_are_those_of_single_images() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 16, 16, 3)).astype(np.float32)
    numbers = rng.random((120, VIEW_NUMBERS), np.float32)
    still = np.asarray(draw_batch(images, numbers, Views(count=2, shift=0)))
    np.testing.assert_array_equal(still[::2], still[1::2, :, ::-1])
    straight = (still[::2] == images).all(axis=(1, 2, 3))
    assert (straight ^ (still[1::2] == images).all(axis=(1, 2, 3))).all()
    assert 15 < straight.sum() < 45
    dot = np.zeros((120, 16, 16, 3), np.float32)
    dot[:, 8, 3] = 100
    moved = np.asarray(
        draw_batch(dot, rng.random((120, VIEW_NUMBERS), np.float32), Views(shift=1, light=0.2))
    )
    places = {(int(y), int(min(x, 15 - x))) for y, x in (np.argwhere(m[..., 0] > 0)[0] for m in moved)}
    assert places == {(8 + dy, 3 + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    gain = np.log(moved.max(axis=(1, 2)) / 100)
    assert 0.2 < np.abs(gain).max() < 0.31
    assert 0.05 < np.ptp(gain, axis=1).max() < 0.21
