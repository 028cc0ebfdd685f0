"""Draws an actor: a photograph's head over a plain body."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.visits.canvas import Canvas, Floats, motion_blur
from facesieve_training.visits.scenario import Actor, Key
from facesieve_training.visits.truth import Box

_EYES = 35.24
"""Distance of the eyes in a photograph, an aligned face with 8 pixels of margin: 128x128."""
_CENTRE = (64.0, 80.0)
"""Centre between eyes and mouth there."""
_HEAD = (64, 66, 41, 57)
"""Ellipse of the head there: centre and half axes."""
_FACE = (64, 78, 30, 36)
"""Ellipse of what must be seen of a face."""
_BOX = (28.0, 27.0, 72.0, 94.0)
"""Box of the face there, as a detector reports it."""
_EXPOSURE = 0.4
"""Share of the time between two frames in which the camera exposes."""


def _ellipse(values: tuple[int, int, int, int], softness: float) -> Floats:
    mask = np.zeros((128, 128), np.float32)
    cv2.ellipse(mask, values[:2], values[2:], 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), np.float32) if softness else mask


@dataclass(frozen=True)
class Pose:
    """State of an actor in one frame: the key with small motions, and the motion since the last frame."""

    key: Key
    angle: float
    """Rotation in the image, degrees."""
    gain: float
    moved: tuple[float, float]


def pose(actor: Actor, time: float, fps: int, phase: float) -> Pose | None:
    """State at a time; None when the actor is absent. Phase, 0..1, makes actors move differently."""
    key = actor.at(time)
    if key is None:
        return None
    before = actor.at(time - 1 / fps) or key
    dx, dy = key.x - before.x, key.y - before.y
    turns = 2 * np.pi * (time * np.array([0.23, 0.31, 1.7, 0.11, 0.41]) + phase * np.arange(1, 6))
    wave = actor.alive * np.sin(turns)
    stride = min(1.0, abs(dx) * fps / (2 * key.eyes))  # steps of a walk shake the head
    moved = Key(
        time,
        key.x + 0.05 * key.eyes * float(wave[0]),
        key.y + key.eyes * float(0.03 * wave[1] + 0.06 * stride * wave[2]),
        key.eyes * (1 + 0.012 * float(wave[3])),
        key.face,
    )
    return Pose(moved, 3.5 * float(wave[4]), 1 + 0.03 * float(wave[3]), (dx, dy))


def box(key: Key) -> Box:
    """Box of the face, pixels of the frame."""
    scale = key.eyes / _EYES
    left, top, width, height = _BOX
    return (
        key.x + (left - _CENTRE[0]) * scale,
        key.y + (top - _CENTRE[1]) * scale,
        width * scale,
        height * scale,
    )


class Figure:
    """One person in one photograph, with a body of a colour of its own."""

    def __init__(self, photo: Image, colour: NDArray[np.float32]) -> None:
        """Take a photograph of 128x128 with the aligned face in its middle."""
        self._photo = photo.astype(np.float32)
        self._colour = colour
        self._hair = np.median(photo[10:24, 44:84].reshape(-1, 3), axis=0).astype(np.float32)
        self._head, self._face = _ellipse(_HEAD, 2.5), _ellipse(_FACE, 0)
        self._square = np.ones((128, 128), np.float32)

    def draw(self, canvas: Canvas, actor: Actor, pose: Pose) -> int:
        """Draw the figure; the result is the face's index for `Canvas.visible`."""
        key = pose.key
        scale = key.eyes / _EYES
        left, top = int(np.floor(key.x - 70 * scale)) - 8, int(np.floor(key.y - 90 * scale)) - 8
        size = int(np.ceil(150 * scale)) + 16
        forward = cv2.getRotationMatrix2D(_CENTRE, pose.angle, scale)
        forward[:, 2] += (key.x - left - _CENTRE[0], key.y - top - _CENTRE[1])
        source = self._photo if key.face >= 1 else key.face * self._photo + (1 - key.face) * self._hair
        soft = max(0.0, 0.4 / scale - 0.4)  # before it is made smaller
        if soft > 0.1:
            source = cv2.GaussianBlur(source, (0, 0), soft)

        def warp(image: Floats, border: int) -> Floats:
            warped = cv2.warpAffine(image, forward, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
            blurred = cv2.GaussianBlur(warped, (0, 0), actor.blur * key.eyes) if actor.blur else warped
            return motion_blur(np.asarray(blurred, np.float32), *(_EXPOSURE * d for d in pose.moved))

        if not actor.poster:
            self._draw_body(canvas, key)
        patch = warp(source, cv2.BORDER_REPLICATE) * pose.gain
        outline = self._square if actor.poster else self._head
        index = canvas.blend(
            patch,
            warp(outline, cv2.BORDER_CONSTANT),
            left,
            top,
            warp(self._face, cv2.BORDER_CONSTANT),
        )
        assert index is not None  # noqa: S101 - a face was given
        return index

    def _draw_body(self, canvas: Canvas, key: Key) -> None:
        """Neck, shoulders and trunk."""
        e = key.eyes
        half = np.array([(0.5, 0.9), (0.55, 1.7), (2.2, 2.3), (2.5, 3.2), (2.3, 9.0)])
        outline = np.concatenate([half * (-1, 1), half[::-1]])
        left, top = int(np.floor(key.x - 3 * e)), int(np.floor(key.y))
        width, height = int(np.ceil(6 * e)), int(np.ceil(9.2 * e))
        points = np.rint((outline * e + (key.x - left, key.y - top)) * 16).astype(np.int32)
        mask = np.zeros((height, width), np.float32)
        cv2.fillPoly(mask, [points], 1.0, lineType=cv2.LINE_8, shift=4)
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.0), np.float32)
        shade = np.linspace(1.1, 0.8, height, dtype=np.float32)[:, None, None]
        patch = np.broadcast_to(self._colour * shade, (height, width, 3))
        canvas.blend(np.asarray(patch, np.float32), mask, left, top)
