"""H.264 by PyAV and libx264: what a network camera makes of a face, and whole recordings."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image

_MACROBLOCK = 16
"""Side of the units of coding, pixels."""
_ENCODER = "libx264"
_MISSING = f"PyAV lacks {_ENCODER}; install its wheel from PyPI: pip install av"
# As a camera's encoder: constant QP, no B frames, no psychovisual decisions, which this preset does not take.
_CAMERA = {
    "preset": "superfast",
    "tune": "zerolatency",
    "x264-params": "log-level=none:keyint=infinite:scenecut=0:aq-mode=0",
}


def last_of(frames: Sequence[Image], qp: int) -> Image:
    """Encode consecutive frames of any one size and return the last one decoded, BGR.

    The first is a key frame, the others are predicted. `qp`, 1..51, is that of predicted frames; libx264
    takes 3 less for a key frame. The result depends on the arguments alone, because each call opens its own
    encoder: that takes 0.6 of its 2.4 ms for a face.
    """
    height, width = frames[0].shape[:2]
    decoder = _context("r", "h264")
    decoded = [image for packet in _encoded(frames, qp) for image in decoder.decode(packet)]
    decoded += decoder.decode(None)
    image = cv2.cvtColor(decoded[-1].to_ndarray(), cv2.COLOR_YUV2BGR_I420)
    return np.ascontiguousarray(image[:height, :width], np.uint8)


def write(frames: Iterable[Image], fps: int, path: Path) -> None:
    """Write frames of one size, BGR, with even sides, as a video of good quality (CRF 21)."""
    temporary = path.with_suffix(".partial.mp4")
    try:
        with av.open(temporary, "w", options={"movflags": "+faststart"}) as container:
            stream: Any = None
            for frame in frames:
                if stream is None:
                    stream = _stream(container, fps, frame)
                container.mux(stream.encode(_picture(frame)))
            if stream is not None:
                container.mux(stream.encode(None))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)


def _stream(container: Any, fps: int, frame: Image) -> Any:
    if _ENCODER not in av.codecs_available:
        raise DataError(_MISSING)
    stream = container.add_stream(_ENCODER, rate=fps, options={"preset": "veryfast", "crf": "21"})
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
    return stream


def _picture(frame: Image) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
    return picture.reformat(format="yuv420p", interpolation="BICUBIC")


def _encoded(frames: Sequence[Image], qp: int) -> Iterator[Any]:
    """Packets of a stream of frames as a camera sends it."""
    height, width = frames[0].shape[:2]
    below, beside = -height % _MACROBLOCK, -width % _MACROBLOCK
    encoder = _context("w", _ENCODER)
    encoder.height, encoder.width = height + below, width + beside
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = {**_CAMERA, "qp": str(qp)}
    for number, frame in enumerate(frames):
        full = np.asarray(cv2.copyMakeBorder(frame, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
        picture = av.VideoFrame.from_ndarray(_planes(full), format="yuv420p")
        picture.pts = number
        yield from encoder.encode(picture)
    yield from encoder.encode(None)


def _planes(image: Image) -> Image:
    """Luma and chroma of an image with even sides, as 3/2 times its rows.

    OpenCV takes the chroma of each second pixel, hence the means of 2x2 pixels for it. FFmpeg's scaler is
    slower and darkens the luma.
    """
    height, width = image.shape[:2]
    planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
    half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    means = cv2.resize(half, (width, height), interpolation=cv2.INTER_NEAREST)
    planes[height:] = cv2.cvtColor(means, cv2.COLOR_BGR2YUV_I420)[height:]
    return planes


def _context(mode: Any, codec: str) -> Any:
    if codec not in av.codecs_available:
        raise DataError(_MISSING)
    context = av.CodecContext.create(codec, mode)
    context.thread_count = 1
    return context
