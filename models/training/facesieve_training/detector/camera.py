"""Degradation of an image as by a camera: random colour, darkness, blur, noise and compression."""

import cv2
import numpy as np

TONED, BLURRED, NOISY, COMPRESSED = 0.7, 0.3, 0.35, 0.4
"""Shares of the images."""
GREYED, DARKENED = 0.08, 0.2
"""Shares of the toned ones."""
GAIN, CHANNEL, DARKNESS = (0.7, 1.3), (0.85, 1.15), (0.12, 0.5)
"""Factors of the brightness, of each channel's brightness, and of the brightness of dark images."""
SHIFT, GAMMA = 0.12, 0.4
"""Largest change of the brightness, of 1, and of the logarithm of its exponent."""
DEFOCUSED = 0.5
"""Share of the blurred images that are out of focus; the others have motion blur."""
SIGMA, LENGTH = (0.3, 1.5), (2, 7)
"""Of the blur out of focus and of the movement, pixels."""
DEVIATION = (1, 12)
"""Of the noise, grey levels."""
QUALITY = (20, 90)
"""Of the compression, JPEG's."""


def degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour, darkness, blur, noise and compression at random; most images get two or three of them."""
    if rng.random() < TONED:
        image = _tone(image, rng)
    if rng.random() < BLURRED:
        image = _blur(image, rng)
    if rng.random() < NOISY:
        deviation = float(rng.uniform(*DEVIATION))
        image = _noise(image, deviation, rng)
    if rng.random() < COMPRESSED:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    return image


def _tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain a channel, contrast, gamma and darkness as one look-up table a channel; sometimes grey."""
    if rng.random() < GREYED:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    x = np.arange(256) / 255
    gain = rng.uniform(*GAIN) * rng.uniform(*CHANNEL, 3)
    if rng.random() < DARKENED:
        gain *= rng.uniform(*DARKNESS)
    shift, gamma = rng.uniform(-SHIFT, SHIFT), np.exp(rng.uniform(-GAMMA, GAMMA))
    table = np.clip(gain[None] * x[:, None] ** gamma + shift, 0, 1) * 255
    return np.asarray(cv2.LUT(image, table.astype(np.uint8)[None]))


def _noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise; a quarter of the rows is drawn and repeated with shifts, because drawing is slow."""
    height, width = image.shape[:2]
    drawn = rng.standard_normal(((height + 3) // 4, width, 3), np.float32) * deviation
    bands = [np.roll(drawn, int(rng.integers(width)), axis=1) for _ in range(4)]
    noise = np.concatenate(bands)[:height].astype(np.int16)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U))


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < DEFOCUSED:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(*SIGMA))))
    length = int(rng.integers(*LENGTH))
    kernel = np.zeros((7, 7), np.float32)
    angle = float(rng.uniform(0, np.pi))
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    cv2.line(kernel, (round(3 - step[0]), round(3 - step[1])), (round(3 + step[0]), round(3 + step[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))
