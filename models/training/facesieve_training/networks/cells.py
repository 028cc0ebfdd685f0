"""The first convolutions of a network on cells of neighbouring pixels, which newer kernels compute faster.

A convolution on a picture has 3 channels to work on, where a processor takes 16 or 64 values at once: on
640x384 pixels it takes half of the detector's time in LiteRT 2, for 3 % of its multiply-adds. Four
neighbouring pixels of a row are one cell of 12 channels, the very same bytes, and a convolution with stride 2
on them gives cells of two pixels: the kernel holds its own weights twice, moved by a pixel, and zeros. What
it computes is the same.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
COLOURS: Final = 3
PIXELS: Final = 4
"""Pixels in a cell of an exported network's input, where nothing else is said."""


def as_cells(pictures: npt.NDArray[Any], pixels: int = PIXELS) -> npt.NDArray[Any]:
    """Give the same values, N x H x W x 3, in cells of so many pixels: N x H x W / pixels x 3 pixels."""
    count, height = pictures.shape[:2]
    return pictures.reshape(count, height, -1, pictures.shape[-1] * pixels)


def pack(kernel: Array, stride: int, pixels: int) -> Array:
    """Turn a kernel, side x side x in x out, of a convolution padded "same" into one on cells of so many
    pixels: side x cells x pixels in x (pixels / stride) out, with strides (stride, 1).
    """
    side, _, ins, outs = kernel.shape
    cells, start = _place(side, stride, pixels)
    wide = np.zeros((side, cells * pixels, ins, pixels // stride, outs), np.float32)
    for k in range(pixels // stride):
        wide[:, start + k * stride : start + k * stride + side, :, k] = kernel
    return wide.reshape(side, cells, pixels * ins, pixels // stride * outs)


def unpack(kernel: Array, stride: int, pixels: int) -> Array:
    """Give back the kernel from which `pack` made this one."""
    side, cells, ins, outs = kernel.shape
    _, start = _place(side, stride, pixels)
    wide = kernel.reshape(side, cells * pixels, ins // pixels, pixels // stride, outs * stride // pixels)
    return np.ascontiguousarray(wide[:, start : start + side, :, 0])


def _place(side: int, stride: int, pixels: int) -> tuple[int, int]:
    """How many cells the kernel sees, and the pixel of them at which its first output's begins."""
    before = max(side - stride, 0) // 2  # what "same" adds to the left of a width that the stride divides
    first = -before // pixels
    last = (pixels - stride - before + side - 1) // pixels
    if pixels % stride or -first != (last - first) // 2:
        raise ValueError(f"a kernel of {side} with stride {stride} does not fit cells of {pixels} pixels")
    return last - first + 1, -before - first * pixels
