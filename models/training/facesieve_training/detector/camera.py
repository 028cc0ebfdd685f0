"""What cameras do to a picture: colour, darkness, blur, noise and compression, drawn at random."""

import cv2
import numpy as np


def degrade(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour, darkness, blur, noise and compression at random; most pictures get two or three of them."""
    if rng.random() < 0.7:
        picture = _tone(picture, rng)
    if rng.random() < 0.3:
        picture = _blur(picture, rng)
    if rng.random() < 0.35:
        deviation = float(rng.uniform(1, 12))
        picture = _noise(picture, deviation, rng)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))]
        picture = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))
    return picture


def _tone(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain a channel, contrast, gamma and darkness as one look-up table a channel; sometimes grey."""
    if rng.random() < 0.08:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    x = np.arange(256) / 255
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.85, 1.15, 3)
    if rng.random() < 0.2:
        gain *= rng.uniform(0.12, 0.5)
    shift, gamma = rng.uniform(-0.12, 0.12), np.exp(rng.uniform(-0.4, 0.4))
    table = np.clip(gain[None] * x[:, None] ** gamma + shift, 0, 1) * 255
    return np.asarray(cv2.LUT(picture, table.astype(np.uint8)[None]))


def _noise(picture: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise; a quarter of the rows is drawn and repeated with shifts, for drawing is what costs."""
    height, width = picture.shape[:2]
    drawn = rng.standard_normal(((height + 3) // 4, width, 3), np.float32) * deviation
    bands = [np.roll(drawn, int(rng.integers(width)), axis=1) for _ in range(4)]
    noise = np.concatenate(bands)[:height].astype(np.int16)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U))


def _blur(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.5))))
    length = int(rng.integers(2, 7))
    kernel = np.zeros((7, 7), np.float32)
    angle = float(rng.uniform(0, np.pi))
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    cv2.line(kernel, (round(3 - step[0]), round(3 - step[1])), (round(3 + step[0]), round(3 + step[1])), 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()))
