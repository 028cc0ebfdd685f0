import numpy as np
import pytest
import tensorflow as tf

from facesieve_training.networks import cells


@pytest.mark.parametrize("pixels", [2, 4])
@pytest.mark.parametrize("side", [2, 3, 4, 5, 7])
def test_a_packed_kernel_computes_the_same(side: int, pixels: int) -> None:
    rng = np.random.default_rng(side)
    picture = rng.normal(size=(2, 16, 24, 3)).astype(np.float32)
    kernel = rng.normal(size=(side, side, 3, 5)).astype(np.float32)
    wanted = tf.nn.conv2d(picture, kernel, 2, "SAME")
    wide = picture.reshape(2, 16, 24 // pixels, 3 * pixels)
    found = tf.nn.conv2d(wide, cells.pack(kernel, 2, pixels), [1, 2, 1, 1], "SAME")
    np.testing.assert_allclose(np.reshape(found, wanted.shape), wanted, atol=1e-4)
    np.testing.assert_array_equal(cells.unpack(cells.pack(kernel, 2, pixels), 2, pixels), kernel)


def test_a_stride_that_leaves_part_of_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="a kernel of 3 with stride 3 does not fit cells of 4 pixels"):
        cells.pack(np.zeros((3, 3, 3, 4), np.float32), 3, 4)


def test_cells_hold_the_bytes_as_they_are() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 8, 12, 3), np.uint8)
    assert cells.as_cells(pictures).shape == (2, 8, 3, 12)
    assert cells.as_cells(pictures).tobytes() == pictures.tobytes()
