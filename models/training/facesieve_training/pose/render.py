"""Renders a photograph of a frontal face under another pose: it is projected onto a height map."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.pose.shape import EXTENT, MOUTH, NOSE, SIDE, Field, Shape

Points = NDArray[np.float64]
_NEAR, _FAR, _STEPS = 1.3, -3.2, 56
_CENTRE = np.array([0.0, 0.5, -0.3])
"""Point of the head that stays in the middle of the view."""


@dataclass(frozen=True)
class Camera:
    """Position of the camera about the head, and the size of the view."""

    yaw: float
    """Degrees; positive: the nose goes to the right of the image."""
    pitch: float
    """Degrees; positive: the nose goes down, as before a camera above the face."""
    roll: float = 0.0
    """Degrees; positive: the crown goes to the left of the image."""
    distance: float = 30.0
    """Of the camera from the head, in distances between the eyes."""
    side: int = 192
    """Width and height of the view, pixels."""
    eyes: float = 40.0
    """Distance between the eyes of a frontal head in the view, pixels."""

    def rotation(self) -> NDArray[np.float64]:
        """Matrix from head to camera; the axes are the same at pose 0."""
        (sy, sp, sr), (cy, cp, cr) = (
            f(np.deg2rad([self.yaw, self.pitch, self.roll])) for f in (np.sin, np.cos)
        )
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ about_y)

    def project(self, points: Points) -> Points:
        """Pixels of N x 3 points of the head."""
        turned = (points - _CENTRE) @ self.rotation().T
        scale = self.eyes * self.distance / (self.distance - turned[:, 2])
        return np.asarray(turned[:, :2] * scale[:, None] + (self.side - 1) / 2)


@dataclass(frozen=True)
class Photograph:
    """A photograph of a near-frontal face with its five landmarks, pixels."""

    image: Image
    landmarks: Points

    def pixels(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Pixels of points of the head; nose tip and mouth of the head lie on those of the photograph."""
        right, left, nose, mouth = self._frame()
        middle, unit = (right + left) / 2, left - right
        down = np.array([-unit[1], unit[0]])
        heights = [float((p - middle) @ down / (down @ down)) for p in (nose, mouth)]
        own = np.interp(y, [-EXTENT, 0, NOSE, MOUTH, EXTENT], _stretched(heights))
        return tuple(  # type: ignore[return-value]
            np.asarray(middle[k] + x * unit[k] + own * down[k], np.float32) for k in range(2)
        )

    def _frame(self) -> list[Points]:
        p = np.asarray(self.landmarks, np.float64)
        return [p[0], p[1], p[2], (p[3] + p[4]) / 2]


def _stretched(heights: list[float]) -> list[float]:
    nose, mouth = heights
    return [-EXTENT, 0.0, nose, mouth, mouth + (EXTENT - MOUTH) * mouth / MOUTH]


@dataclass(frozen=True)
class View:
    """A rendered view."""

    image: Image
    landmarks: Points
    """Five landmarks, pixels; those on the far side may be hidden."""
    head: NDArray[np.bool_]
    """Pixels that show the head or the neck, not what is behind them."""


def render(photo: Photograph, shape: Shape, camera: Camera) -> View:
    """Render the photograph on a head of this shape before the camera."""
    heights = shape.heights()
    x, y = _hits(heights, camera)
    across, down = photo.pixels(x, y)
    image = cv2.remap(photo.image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    at = _sample(heights, x, y)
    return View(np.asarray(image, np.uint8), camera.project(shape.landmarks()), at > shape.floor + 0.3)


def _sample(heights: Field, x: Field, y: Field) -> Field:
    scale, middle = (SIDE - 1) / (2 * EXTENT), (SIDE - 1) / 2
    return np.asarray(
        cv2.remap(
            heights, x * scale + middle, y * scale + middle, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _hits(heights: Field, camera: Camera) -> tuple[Field, Field]:
    """Where the ray of each pixel first meets the surface: x, y of the head."""
    origin, direction = _rays(camera)
    # A ray is at depth z towards the camera: origin + (distance - z) * direction.
    step = (_NEAR - _FAR) / _STEPS
    reach = np.full(direction.shape[1:], camera.distance - _FAR, np.float32)
    found = np.zeros(direction.shape[1:], bool)
    before = np.full(direction.shape[1:], np.float32(1))
    for k in range(_STEPS + 1):
        if found.all():
            break
        t = np.float32(camera.distance - _NEAR + k * step)
        px, py, pz = (np.float32(origin[i]) + t * direction[i] for i in range(3))
        above = pz - _sample(heights, px, py)
        hit = ~found & (above <= 0)
        share = above[hit] / np.minimum(above[hit] - before[hit], -1e-6)
        reach[hit] = t - np.clip(share, 0, 1) * step
        found |= hit
        before = above
    return origin[0] + reach * direction[0], origin[1] + reach * direction[1]


def _rays(camera: Camera) -> tuple[NDArray[np.float32], Field]:
    """Origin (3) and directions (3 x side x side) of the rays, in coordinates of the head."""
    axis = (np.arange(camera.side) - (camera.side - 1) / 2) / (camera.eyes * camera.distance)
    u, v = np.meshgrid(axis, axis)
    back = camera.rotation().T
    direction = np.einsum("ij,jkl->ikl", back, np.stack([u, v, -np.ones_like(u)]))
    origin = back @ np.array([0, 0, camera.distance]) + _CENTRE
    return origin.astype(np.float32), direction.astype(np.float32)
