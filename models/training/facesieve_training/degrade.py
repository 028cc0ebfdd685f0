"""Degrades a clean face like a surveillance camera; the result depends on seed, face and variant only.

The order is that of a camera: occlusion, lens and motion blur, exposure, resolution and noise, codec, and
last the alignment by an inaccurate detector, which scales the face to 112x112.
"""

import hashlib
from dataclasses import dataclass, field

import cv2
import numpy as np

from facesieve_training.faces import SIZE, Image


@dataclass(frozen=True)
class Span:
    """An effect with this probability (chance), at a strength drawn uniformly between low and high."""

    chance: float
    low: float
    high: float

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if 0 <= self.chance <= 1 else [f"chance: {self.chance} is not between 0 and 1"]
        return found if self.low <= self.high else [*found, f"low: {self.low} is above high ({self.high})"]

    def draw(self, rng: np.random.Generator) -> float | None:
        """Draw presence and strength; always consumes two numbers, so that effects do not shift each
        other.
        """
        chance, strength = rng.random(2)
        return float(self.low + (self.high - self.low) * strength) if chance < self.chance else None


@dataclass(frozen=True)
class Jitter:
    """Misalignment of a detector: standard deviations of normal draws, cut off at 2.5 deviations."""

    shift: float = 1.5
    """Pixels of the 112x112 face, each axis."""
    rotation: float = 2.0
    """Degrees."""
    scale: float = 0.025
    """Relative."""


@dataclass(frozen=True)
class Degradation:
    """Probability and strength of each effect; effects are drawn independently."""

    spared: float = 0.25
    """Probability that only the alignment is degraded."""
    pixels: Span = field(default_factory=lambda: Span(0.6, 12, 60))
    """Width of the face in camera pixels (uniform in its logarithm)."""
    motion: Span = field(default_factory=lambda: Span(0.3, 3, 21))
    """Length of the motion blur, pixels of the 112x112 face."""
    defocus: Span = field(default_factory=lambda: Span(0.3, 0.5, 3.5))
    """Sigma of the Gaussian blur, pixels of the 112x112 face."""
    dark: Span = field(default_factory=lambda: Span(0.22, 0.1, 0.7))
    """Gain below one, followed by a gamma drawn between 0.8 and 1.4."""
    bright: Span = field(default_factory=lambda: Span(0.1, 1.2, 2.5))
    """Gain above one, with clipping."""
    noise: Span = field(default_factory=lambda: Span(0.4, 2, 25))
    """Sigma of the sensor's noise in grey levels."""
    jpeg: Span = field(default_factory=lambda: Span(0.5, 8, 70))
    """JPEG quality of the camera's image."""
    occlusion: Span = field(default_factory=lambda: Span(0.12, 0.15, 0.5))
    """Side of the covered rectangle, relative to the face."""
    jitter: Jitter = field(default_factory=Jitter)
    misaligned: Span = field(default_factory=lambda: Span(0.12, 1.5, 5))
    """Factor of the jitter, for landmarks of very low accuracy."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return [] if 0 <= self.spared <= 1 else [f"spared: {self.spared} is not between 0 and 1"]


def generator(seed: int, key: str, variant: int) -> np.random.Generator:
    """Random numbers that depend on seed, key of the face and variant alone, not on order or machine."""
    digest = hashlib.sha256(f"{seed}\0{key}\0{variant}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def degrade(image: Image, config: Degradation, rng: np.random.Generator) -> Image:
    """Degrade an aligned face with or without margin; returns a new 112x112 BGR image."""
    spared, wide = rng.random() < config.spared, config.misaligned.draw(rng) or 1.0
    recorded = image if spared else record(image, config, rng)
    return align(recorded, image.shape[0], config.jitter, rng, wide)


def record(image: Image, config: Degradation, rng: np.random.Generator) -> Image:
    """Apply all effects before the alignment."""
    pixels = config.pixels.draw(rng)
    spans = (
        config.occlusion,
        config.motion,
        config.defocus,
        config.dark,
        config.bright,
        config.noise,
        config.jpeg,
    )
    occlusion, motion, defocus, dark, bright, noise, jpeg = [span.draw(rng) for span in spans]
    side = rng.random(8)  # position, direction and colour: always drawn, used or not
    out = image
    if occlusion is not None:
        out = occlude(out, occlusion, side)
    if motion is not None:
        out = motion_blur(out, motion, 180 * float(side[4]))
    if defocus is not None:
        out = cv2.GaussianBlur(out, (0, 0), defocus)
    if dark is not None:
        out = _expose(out, dark, 0.8 + 0.6 * float(side[5]))
    elif bright is not None:
        out = _expose(out, bright, 1.0)
    if pixels is not None:
        out = _shrink(out, _log_uniform(pixels, config.pixels))
    if noise is not None:
        out = _noise(out, noise, rng)
    if jpeg is not None:
        out = _jpeg(out, round(jpeg))
    return out


def align(image: Image, full: int, jitter: Jitter, rng: np.random.Generator, wide: float = 1.0) -> Image:
    """Warp the face to 112x112, misaligned by `wide` times the jitter; `full`: width of the image in template
    pixels.
    """
    sx, sy, turn, size = wide * np.clip(rng.standard_normal(4), -2.5, 2.5)
    angle = np.deg2rad(turn * jitter.rotation)
    zoom = image.shape[0] / full / (1 + size * jitter.scale)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    middle = (SIZE - 1) / 2
    centre_x = (image.shape[1] - 1) / 2 + zoom * sx * jitter.shift
    centre_y = (image.shape[0] - 1) / 2 + zoom * sy * jitter.shift
    back = np.array(
        [
            [cos, -sin, centre_x - cos * middle + sin * middle],
            [sin, cos, centre_y - sin * middle - cos * middle],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, back, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _log_uniform(value: float, span: Span) -> float:
    """Map a uniform draw from the span to one uniform in the logarithm: small faces are more common."""
    if span.high == span.low:
        return value
    return float(span.low * (span.high / span.low) ** ((value - span.low) / (span.high - span.low)))


def occlude(image: Image, size: float, draws: np.ndarray) -> Image:
    """Put a rectangle in front of the face, about `size` of its width; draws are eight numbers of 0..1."""
    out = image.copy()
    width = max(1, round(size * SIZE * (0.7 + 0.6 * draws[0])))
    height = max(1, round(size * SIZE * (0.7 + 0.6 * draws[1])))
    left = round(draws[2] * max(0, image.shape[1] - width))
    top = round(draws[3] * max(0, image.shape[0] - height))
    colour = [float(c) for c in np.round(255 * draws[5:8])]
    cv2.rectangle(out, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
    return out


def motion_blur(image: Image, length: float, degrees: float) -> Image:
    """Motion blur along a line, by a length in pixels."""
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), np.float32)
    middle, reach = size // 2, length / 2
    dx, dy = reach * np.cos(np.deg2rad(degrees)), reach * np.sin(np.deg2rad(degrees))
    start = (round((middle - dx) * 16), round((middle - dy) * 16))
    end = (round((middle + dx) * 16), round((middle + dy) * 16))
    cv2.line(kernel, start, end, 1.0, 1, shift=4)
    return np.asarray(
        cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8
    )


def _expose(image: Image, gain: float, gamma: float) -> Image:
    levels = np.clip(gain * (np.arange(256) / 255.0), 0, 1) ** gamma
    return np.asarray(cv2.LUT(image, np.round(255 * levels).astype(np.uint8)), np.uint8)


def _shrink(image: Image, pixels: float) -> Image:
    width = max(4, round(image.shape[0] * pixels / SIZE))
    return np.asarray(cv2.resize(image, (width, width), interpolation=cv2.INTER_AREA), np.uint8)


def _noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    noisy = image + rng.standard_normal(image.shape, np.float32) * sigma
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def _jpeg(image: Image, quality: int) -> Image:
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
