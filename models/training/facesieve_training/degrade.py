"""The model of a camera: which effects degrade an image, how strong, and in which order.

The order is that of a camera: occlusion, motion and defocus, exposure and tone curve, resolution, noise,
codec, and last the alignment by an inaccurate detector. Effects are drawn from numbers 0..1 of each image's
own generator, so that the result depends on seed, image and variant only. They are computed here for one
image, with OpenCV, and in `camera` for batches on the device that trains.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cv2
import numpy as np

from facesieve_training import h264
from facesieve_training.faces import SIZE, Image

NUMBERS = 48
"""Numbers 0..1 from which the strengths of an image's effects are drawn."""
_MOVEMENT = 4.0
"""Largest movement of a face between two frames of a video, pixels of the camera."""
_LARGEST_QP = 51
_LIMIT = 2.5
"""Standard deviations at which the draws of a misalignment are cut off."""


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
        """Draw presence and strength of the effect alone; None without it."""
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
class Tone:
    """A camera's own rendering: with this probability (chance) all of these are drawn, uniformly around 0."""

    chance: float = 0.0
    exposure: float = 0.0
    """Largest relative change of the brightness before the tone curve."""
    colour: float = 0.0
    """Largest relative change of each channel."""
    gamma: float = 0.0
    """Largest exponent of the tone curve, natural logarithm."""
    contrast: float = 0.0
    """Largest change of the contrast, natural logarithm."""
    lift: float = 0.0
    """Largest change of the brightness, of 1."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return [] if 0 <= self.chance <= 1 else [f"chance: {self.chance} is not between 0 and 1"]


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
    tone: Tone = field(default_factory=Tone)
    grey: float = 0.0
    """Probability of a grey image, as under an infra-red lamp."""
    noise: Span = field(default_factory=lambda: Span(0.4, 2, 25))
    """Sigma of the sensor's noise in grey levels."""
    jpeg: Span = field(default_factory=lambda: Span(0.5, 8, 70))
    """JPEG quality of the camera's image."""
    occlusion: Span = field(default_factory=lambda: Span(0.12, 0.15, 0.5))
    """Side of the covered rectangle, relative to the face."""
    jitter: Jitter = field(default_factory=Jitter)
    misaligned: Span = field(default_factory=lambda: Span(0.12, 1.5, 5))
    """Factor of the jitter, for landmarks of very low accuracy."""
    h264: Span = field(default_factory=lambda: Span(0, 24, 40))
    """QP of the predicted frames of an H.264 video, 1..51, of which the image is one. Before the JPEG."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        chances = (("spared", self.spared), ("grey", self.grey))
        found = [f"{name}: {value} is not between 0 and 1" for name, value in chances if not 0 <= value <= 1]
        if not 1 <= self.h264.low <= self.h264.high <= _LARGEST_QP:
            found.append(f"h264: {self.h264.low} to {self.h264.high} are not QPs of 1 to {_LARGEST_QP}")
        return found


_NONE = Span(0, 1, 1)
NOTHING = Degradation(
    0, _NONE, _NONE, _NONE, _NONE, _NONE, Tone(), 0, _NONE, _NONE, _NONE, Jitter(0, 0, 0), _NONE, _NONE
)
"""No effect, and exact alignment."""


def generator(seed: int, key: str, variant: int) -> np.random.Generator:
    """Random numbers that depend on seed, key of the face and variant alone, not on order or machine."""
    digest = hashlib.sha256(f"{seed}\0{key}\0{variant}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


class Strengths(NamedTuple):
    """Strength of each effect on N images, [N] where no other shape is named; None where no image has it.

    Arrays are numpy's, or those of the back end.
    """

    occlusion: Any
    """Size of the covered rectangle, relative to the face; 0 for none."""
    cover: Any
    """Width, height, left, top and colour of the rectangle, numbers of 0..1, [N,7]."""
    motion: Any
    """Length of the motion blur, pixels; 0 for none."""
    angle: Any
    """Its direction, radians."""
    defocus: Any
    """Sigma of the Gaussian blur, pixels; 0 for none."""
    toned: Any
    """Whether exposure, tone curve or colour change."""
    gain: Any
    """Of each channel before the tone curve, [N,3]."""
    gamma: Any
    contrast: Any
    lift: Any
    """Change of the brightness after the tone curve, of 1."""
    grey: Any
    """Whether the image is grey, as that of an infra-red lamp."""
    pixels: Any
    """Width of the face in the camera's pixels; 0 leaves the resolution."""
    noise: Any
    """Sigma of the noise, grey levels; 0 for none."""
    quality: Any
    """JPEG quality, 1..100; 0 for no compression."""
    shift: Any
    """Misalignment, pixels of the aligned face, [N,2]."""
    turn: Any
    """Radians."""
    scale: Any
    """Relative."""
    qp: Any
    """QP of the H.264 video, 1..51; 0 for none."""
    movement: Any
    """Of the face since the frame before in that video, in the direction of `angle`, pixels."""


ORDER = (
    ("occlusion", "occlude", ("occlusion", "cover")),
    ("motion", "motion_blur", ("motion", "angle")),
    ("defocus", "defocus", ("defocus",)),
    ("toned", "tone", ("gain", "gamma", "contrast", "lift", "grey")),
    ("pixels", "reduce", ("pixels",)),
    ("noise", "add_noise", ("noise",)),
    ("qp", "encode_video", ("qp", "movement", "angle")),
    ("quality", "compress", ("quality",)),
)
"""The effects in order: the strength that is 0 without it, its function, and the strengths it takes."""


class _Numbers:
    """Takes the columns of N x NUMBERS numbers of 0..1, one after the other."""

    def __init__(self, numbers: Any, xp: Any) -> None:
        self._numbers, self._xp, self._next = numbers, xp, 0

    def one(self) -> Any:
        """A number, [N]."""
        self._next += 1
        return self._numbers[:, self._next - 1]

    def some(self, count: int) -> Any:
        """Numbers, [N,count]."""
        self._next += count
        return self._numbers[:, self._next - count : self._next]

    def around(self, reach: float) -> Any:
        """A value between -reach and reach."""
        return reach * (2 * self.one() - 1)

    def normal(self, count: int) -> Any:
        """Normal draws, [N,count], by the transform of Box and Muller."""
        xp, length, angle = self._xp, self.some(count), self.some(count)
        draws = xp.sqrt(-2 * xp.log(1 - 0.9999999 * length)) * xp.cos(2 * np.pi * angle)
        return xp.clip(draws, -_LIMIT, _LIMIT)

    def span(self, span: Span, logarithmic: bool = False) -> tuple[Any, Any]:
        """Whether the effect is there, and its strength; uniform in its logarithm, small values are more
        common.
        """
        chance, strength = self.one(), self.one()
        if logarithmic and span.high > span.low > 0:
            return chance < span.chance, span.low * (span.high / span.low) ** strength
        return chance < span.chance, span.low + (span.high - span.low) * strength


def strengths(numbers: Any, config: Degradation, xp: Any = np) -> Strengths:
    """Draw the strengths of N images from N x NUMBERS numbers of 0..1; `xp` is numpy or keras.ops."""
    n = _Numbers(numbers, xp)
    taken = n.one() >= config.spared

    def drawn(span: Span, logarithmic: bool = False) -> Any:
        there, strength = n.span(span, logarithmic)
        there = xp.where(xp.logical_and(taken, there), strength, 0.0)
        return there if span.chance > 0 else None

    wide, factor = n.span(config.misaligned)
    occlusion, cover = drawn(config.occlusion), n.some(7)
    motion, angle, defocus = drawn(config.motion), np.pi * n.one(), drawn(config.defocus)
    toned = _toned(n, taken, config, xp)
    pixels, noise, quality = drawn(config.pixels, True), drawn(config.noise), drawn(config.jpeg)
    offsets = xp.where(wide, factor, 1.0)[:, None] * n.normal(4)
    j = config.jitter
    # New draws are the last ones, so that the others of a seed remain.
    qp, movement = drawn(config.h264), _MOVEMENT * n.one()
    return Strengths(
        occlusion, cover, motion, angle, defocus, *toned, pixels, noise,
        None if quality is None else xp.round(quality),
        offsets[:, :2] * j.shift, offsets[:, 2] * (j.rotation * np.pi / 180), offsets[:, 3] * j.scale,
        None if qp is None else xp.round(qp), movement,
    )  # fmt: skip


def _toned(n: _Numbers, taken: Any, config: Degradation, xp: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """The strengths from `toned` to `grey`."""
    t = config.tone
    own = xp.logical_and(taken, n.one() < t.chance)

    def rendered(change: Any, neutral: float) -> Any:
        return xp.where(own, change, neutral)

    exposure, gamma = rendered(1 + n.around(t.exposure), 1.0), rendered(xp.exp(n.around(t.gamma)), 1.0)
    contrast, lift = rendered(xp.exp(n.around(t.contrast)), 1.0), rendered(n.around(t.lift), 0.0)
    colours = xp.where(own[:, None], 1 + t.colour * (2 * n.some(3) - 1), 1.0)
    (dark, low), (bright, high), curve = n.span(config.dark), n.span(config.bright), 0.8 + 0.6 * n.one()
    dark, bright = xp.logical_and(taken, dark), xp.logical_and(taken, bright)
    exposure = exposure * xp.where(dark, low, xp.where(bright, high, 1.0))
    gamma = gamma * xp.where(dark, curve, 1.0)
    grey = xp.logical_and(taken, n.one() < config.grey)
    any_of_them = t.chance + config.dark.chance + config.bright.chance + config.grey > 0
    toned = xp.logical_or(xp.logical_or(own, grey), xp.logical_or(dark, bright)) if any_of_them else None
    return toned, exposure[:, None] * colours, gamma, contrast, lift, grey


def degrade(image: Image, config: Degradation, rng: np.random.Generator) -> Image:
    """Degrade an aligned face with or without margin; returns a new 112x112 BGR image."""
    drawn = _one(config, rng)
    return _aligned(_recorded(image, drawn, rng), image.shape[0], drawn)


def record(image: Image, config: Degradation, rng: np.random.Generator) -> Image:
    """Apply all effects before the alignment to an image of any size; one of few pixels gets smaller."""
    return _recorded(image, _one(config, rng), rng)


def align(image: Image, jitter: Jitter, rng: np.random.Generator) -> Image:
    """Cut the face out of an aligned one with margin, misaligned, 112x112."""
    still = Degradation(spared=1, jitter=jitter, misaligned=Span(0, 1, 1))
    return _aligned(image, image.shape[0], _one(still, rng))


def _one(config: Degradation, rng: np.random.Generator) -> Strengths:
    return strengths(rng.random((1, NUMBERS), np.float32), config)


def _recorded(image: Image, drawn: Strengths, rng: np.random.Generator) -> Image:
    for strength, name, arguments in ORDER:
        chosen = getattr(drawn, strength)
        if chosen is not None and chosen[0]:
            more = (rng,) if name == "add_noise" else ()
            image = _EFFECTS[name](image, *(getattr(drawn, a)[0] for a in arguments), *more)
    return image


def _aligned(image: Image, full: int, drawn: Strengths) -> Image:
    """Warp the face to 112x112; `full`: width of the image in template pixels."""
    zoom = image.shape[0] / full / (1 + float(drawn.scale[0]))
    cos, sin = zoom * np.cos(drawn.turn[0]), zoom * np.sin(drawn.turn[0])
    middle, (dx, dy) = (SIZE - 1) / 2, drawn.shift[0]
    centre_x, centre_y = (image.shape[1] - 1) / 2 + zoom * dx, (image.shape[0] - 1) / 2 + zoom * dy
    back = np.array(
        [
            [cos, -sin, centre_x - cos * middle + sin * middle],
            [sin, cos, centre_y - sin * middle - cos * middle],
        ],
        np.float64,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, back, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def occlude(image: Image, size: float, cover: np.ndarray) -> Image:
    """Put a rectangle in front of the face, about `size` of its width; cover: see Strengths."""
    out = image.copy()
    width = max(1, round(float(size * SIZE * (0.7 + 0.6 * cover[0]))))
    height = max(1, round(float(size * SIZE * (0.7 + 0.6 * cover[1]))))
    left = round(float(cover[2] * max(0, image.shape[1] - width)))
    top = round(float(cover[3] * max(0, image.shape[0] - height)))
    colour = [float(c) for c in np.round(255 * cover[4:7])]
    cv2.rectangle(out, (left, top), (left + width - 1, top + height - 1), colour, cv2.FILLED)
    return out


def motion_blur(image: Image, length: float, angle: float) -> Image:
    """Motion blur along a line; length in pixels, angle in radians."""
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), np.float32)
    middle, reach = size // 2, length / 2
    dx, dy = reach * np.cos(angle), reach * np.sin(angle)
    start = (round(float(middle - dx) * 16), round(float(middle - dy) * 16))
    end = (round(float(middle + dx) * 16), round(float(middle + dy) * 16))
    cv2.line(kernel, start, end, 1.0, 1, shift=4)
    return np.asarray(
        cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8
    )


def defocus(image: Image, sigma: float) -> Image:
    """Gaussian blur; sigma in pixels."""
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), float(sigma), borderType=cv2.BORDER_REPLICATE), np.uint8
    )


def tone(image: Image, gain: np.ndarray, gamma: float, contrast: float, lift: float, grey: bool) -> Image:
    """Colour, exposure, tone curve, contrast and brightness."""
    if grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    levels = np.clip(gain * (np.arange(256, dtype=np.float32) / 255)[:, None], 0, 1) ** gamma
    levels = np.clip((levels - 0.5) * contrast + 0.5 + lift, 0, 1)
    return np.asarray(cv2.LUT(image, np.round(255 * levels).astype(np.uint8)[None]), np.uint8)


def reduce(image: Image, pixels: float) -> Image:
    """Reduce by averaging, so that the face is this many pixels wide."""
    height, width = (max(4, round(float(side * pixels / SIZE))) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Normal noise; a quarter of the rows is drawn and repeated with shifts, because drawing is slow."""
    height, width = image.shape[:2]
    drawn = rng.standard_normal(((height + 3) // 4, width, 3), np.float32) * sigma
    bands = [np.roll(drawn, int(rng.integers(width)), axis=1) for _ in range(4)]
    noise = np.rint(np.concatenate(bands)[:height]).astype(np.int16)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def compress(image: Image, quality: float) -> Image:
    """JPEG."""
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(float(quality))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def encode_video(image: Image, qp: float, movement: float, angle: float) -> Image:
    """Predict from a key frame of an H.264 video in which the face was `movement` pixels behind."""
    back = np.array([[1, 0, -movement * np.cos(angle)], [0, 1, -movement * np.sin(angle)]], np.float64)
    before = cv2.warpAffine(
        image, back, image.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return h264.last_of((np.asarray(before, np.uint8), image), round(float(qp)))


_EFFECTS: dict[str, Any] = {
    effect.__name__: effect
    for effect in (occlude, motion_blur, defocus, tone, reduce, add_noise, encode_video, compress)
}
