import numpy as np

from facesieve_training.student.views import Views, draw


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
