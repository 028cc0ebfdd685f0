"""The surface of a head as a height map, drawn at random from human proportions.

Units are distances between the eyes (about 63 mm); x to the right of the image, y down, z towards the
camera, origin in the middle between the eyes, which lie at z = 0. Proportions are those of adults (Farkas,
"Anthropometry of the Head and Face", 1994); depths are near those of MediaPipe's canonical face model.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

NOSE, MOUTH = 0.577, 0.99
"""Height of nose tip and mouth below the eyes in the median of frontal photographs; see quality/pose.go."""
EXTENT = 3.2
"""A height map spans -EXTENT..EXTENT in x and y."""
SIDE = 192
"""Width and height of a height map, samples."""


@dataclass(frozen=True)
class Shape:
    """Proportions of one head."""

    half_width: float = 1.22
    """Of the head at the ears."""
    depth: float = 1.25
    """From the front of the face to the widest cross-section."""
    jaw: float = 0.70
    """Half-width at the chin, relative to half_width."""
    top: float = 1.95
    """Distance of the crown above the eyes, hair included."""
    chin: float = 1.92
    """Distance of the chin below the eyes."""
    nose: float = 0.37
    """Height of the tip of the nose above the face."""
    nose_width: float = 0.15
    nasion: float = 0.10
    lips: float = 0.18
    mouth_corners: float = 0.05
    """Depression of the corners of the mouth."""
    brow: float = 0.10
    chin_height: float = 0.23
    sockets: float = 0.11
    neck: float = -0.75
    """Height of the front of the neck."""
    floor: float = -1.6
    """Height of everything behind the head."""

    def varied(self, rng: np.random.Generator, spread: float = 0.12) -> "Shape":
        """Another head: each proportion times a normal draw around 1, cut off at two deviations."""
        draws = 1 + spread * np.clip(rng.standard_normal(len(fields(self))), -2, 2)
        near = {"half_width": 0.35, "chin": 0.3, "top": 0.5, "jaw": 0.6, "nose": 1.5}
        return replace(
            self,
            **{
                f.name: getattr(self, f.name) * (1 + (draw - 1) * near.get(f.name, 1.0))
                for f, draw in zip(fields(self), draws.tolist(), strict=True)
            },
        )

    def heights(self) -> Field:
        """Height map, SIDE x SIDE, rows downwards."""
        axis = np.linspace(-EXTENT, EXTENT, SIDE, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        return np.asarray(self._smooth(x, y, self._head(x, y)), np.float32)

    def landmarks(self) -> NDArray[np.float64]:
        """Right eye, left eye, nose tip, right and left mouth corner of the person, 5 x 3."""
        at = np.array([[-0.5, 0], [0.5, 0], [0, NOSE], [-0.43, MOUTH], [0.43, MOUTH]])
        heights = self._head(at[:, 0].astype(np.float32), at[:, 1].astype(np.float32))
        return np.column_stack([at, heights])

    def _head(self, x: Field, y: Field) -> Field:
        """Height of the head above x, y; the floor outside of it."""
        below = np.clip((y - 0.6) / (self.chin - 0.6), 0, 1)
        half = self.half_width * (1 - (1 - self.jaw) * below**2)
        upper, lower = (y - 0.3) / (self.top + 0.3), (y - 0.3) / (self.chin - 0.18)
        across = (x / half) ** 2
        along = np.where(y < 0.3, upper**4, lower**6)
        dome = np.sqrt(np.clip(1 - across - along, 0, 1))
        front = 0.22 + self.depth * (dome - 1) + self._relief(x, y)
        return np.where(across + along < 1, front, np.float32(self.floor)).astype(np.float32)

    def _relief(self, x: Field, y: Field) -> Field:
        def bump(cx: float, cy: float, sx: float, sy: float) -> Field:
            return np.asarray(np.exp(-(((x - cx) / sx) ** 2) / 2 - ((y - cy) / sy) ** 2 / 2), np.float32)

        along = np.clip((y + 0.05) / (NOSE + 0.05), 0, 1)
        ridge = self.nasion + (self.nose - self.nasion) * along
        fall = np.exp(-((np.maximum(y - NOSE, 0) / 0.12) ** 2)) * np.exp(
            -((np.minimum(y + 0.05, 0) / 0.3) ** 2)
        )
        width = 0.09 + (self.nose_width - 0.09) * along
        relief = ridge * fall * np.exp(-((x / width) ** 2) / 2)
        relief = (
            relief
            + self.lips * bump(0, MOUTH, 0.28, 0.12)
            + self.chin_height * bump(0, self.chin - 0.2, 0.3, 0.22)
        )
        for side in (-1, 1):
            relief = relief - self.sockets * bump(0.46 * side, 0, 0.24, 0.14)
            relief = relief - self.mouth_corners * bump(0.43 * side, MOUTH, 0.12, 0.12)
            relief = relief + self.brow * bump(0.42 * side, -0.33, 0.3, 0.1)
        return np.asarray(relief, np.float32)

    def _smooth(self, x: Field, y: Field, head: Field) -> Field:
        """Put the neck below the head."""
        neck = np.sqrt(np.clip(1 - (x / 0.95) ** 2, 0, 1)) * 0.8 + self.neck - 0.8
        torso = self.neck - 0.15 - 0.25 * np.clip(np.abs(x) - 1.0, 0, 3)
        body = np.where(y > 2.6, np.maximum(neck, torso), np.where(y > 0.5, neck, self.floor))
        body = np.where((np.abs(x) < 0.95) | (y > 2.6), body, self.floor)
        return np.asarray(np.maximum(np.maximum(head, body), self.floor), np.float32)
