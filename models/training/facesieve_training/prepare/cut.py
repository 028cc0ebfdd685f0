"""The work of a worker: from an entry to an aligned face or the reason for its rejection."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training import faces
from facesieve_training.faces import SIZE, Image
from facesieve_training.prepare.align import Aligned, align
from facesieve_training.prepare.detector import Detect, Faces, open_detector
from facesieve_training.prepare.source import Box, Entry, Source, points_array

How = Literal["detect", "landmarks", "none"]


@dataclass(frozen=True)
class Recipe:
    """How faces are cut out."""

    how: How
    detector: Path | None
    threshold: float
    """Lowest score of an accepted face."""
    longest: int
    """Largest side of the detector's input, pixels."""
    margin: int
    min_eyes: float
    """Least inter-eye distance in the source image, pixels."""


@dataclass(frozen=True)
class Cut:
    """Result of an entry: the face and its row of the index, or the fault."""

    entry: Entry
    image: Image | None
    row: dict[str, Any]
    fault: str = ""
    """missing, broken, no_face, too_small, wrong_size; empty for a face."""
    detail: str = ""


class FaultyError(Exception):
    """The entry gives no face."""

    def __init__(self, fault: str, detail: str) -> None:
        self.fault, self.detail = fault, detail
        super().__init__(detail)


class Cutter:
    """Cuts the faces of a source, in a worker."""

    def __init__(self, source: Source, recipe: Recipe) -> None:
        """Open the detector, if one is needed."""
        self._source, self._recipe = source, recipe
        self._detect: Detect | None = None
        if recipe.how == "detect" and recipe.detector is not None:
            self._detect = open_detector(recipe.detector)

    def __call__(self, entries: Sequence[Entry]) -> list[Cut]:
        """Cut the faces of some entries."""
        return [self._cut(entry) for entry in entries]

    def _cut(self, entry: Entry) -> Cut:
        try:
            image = self._decoded(entry)
            score, aligned = self._aligned(entry, image)
        except FaultyError as fault:
            return Cut(entry, None, {}, fault.fault, fault.detail)
        height, width = image.shape[:2]
        row = {
            "key": entry.key,
            "identity": entry.identity,
            "source": entry.source,
            "template": entry.template,
            "media": entry.media,
            "width": width,
            "height": height,
            "face_score": score,
            "inter_eye": aligned.inter_eye,
            "residual": aligned.residual,
            "outside": aligned.outside,
            "hash": hashlib.blake2b(aligned.image.tobytes(), digest_size=12).hexdigest(),
        }
        return Cut(entry, aligned.image, row)

    def _decoded(self, entry: Entry) -> Image:
        try:
            data = self._source.encoded(entry)
        except OSError as error:
            raise FaultyError("missing", f"cannot be read: {error.strerror}") from error
        try:
            return faces.decode(data)
        except ValueError as error:
            raise FaultyError("broken", str(error)) from error

    def _aligned(self, entry: Entry, image: Image) -> tuple[float, Aligned]:
        recipe = self._recipe
        if recipe.how == "none":
            return float("nan"), _as_it_is(image, recipe.margin)
        if recipe.how == "landmarks":
            if entry.points is None:
                raise FaultyError("no_face", "its source gives no landmarks")
            score, points = float("nan"), points_array(entry.points)
        else:
            score, points = self._found(entry, image)
        try:
            aligned = align(image, points, recipe.margin)
        except ValueError as error:
            raise FaultyError("no_face", str(error)) from error
        if aligned.inter_eye < recipe.min_eyes:
            raise FaultyError("too_small", f"its eyes are {aligned.inter_eye:.1f} pixels apart")
        return score, aligned

    def _found(self, entry: Entry, image: Image) -> tuple[float, NDArray[np.float32]]:
        view, scale, corner = reduced(image, entry.box, self._recipe.longest)
        face = self._best(view, entry.box is not None)
        if face is None:
            raise FaultyError("no_face", "the detector finds no face in it")
        points = face[4:14].reshape(5, 2) / scale + corner
        return float(face[14]), np.asarray(points, np.float32)

    def _best(self, view: Image, boxed: bool) -> NDArray[np.float32] | None:
        """The main face: large and in the centre."""
        if self._detect is None:
            raise ValueError("a recipe of `detect` needs a detector")
        found = detected(self._detect, view, self._recipe.threshold)
        return found[np.argmax(_meant(found, view, boxed))] if len(found) else None


def detected(detect: Detect, view: Image, threshold: float) -> Faces:
    """All faces of a view; if none is found, the view gets a border and is tried again."""
    found = detect(view, threshold)
    if not len(found):
        room = max(view.shape[:2]) // 2
        wide = cv2.copyMakeBorder(view, room, room, room, room, cv2.BORDER_CONSTANT)
        found = detect(np.asarray(wide, np.uint8), threshold)
        found[:, [0, 1, *range(4, 14)]] -= room
    return found


def _meant(found: Faces, view: Image, boxed: bool) -> NDArray[np.float32]:
    """Rank of each face as the main face: its area less its squared distance from the centre."""
    middle = found[:, :2] + found[:, 2:4] / 2 - np.array([view.shape[1], view.shape[0]]) / 2
    off = (middle**2).sum(axis=1)
    return np.asarray(-off if boxed else found[:, 2] * found[:, 3] - 2 * off, np.float32)


def reduced(image: Image, box: Box | None, longest: int) -> tuple[Image, float, NDArray[np.float64]]:
    """The detector's input, its scale and its origin in the image; the surroundings of the box, if any."""
    height, width = image.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if box is not None:
        x, y, w, h = box
        left, top = max(0, int(x - w / 2)), max(0, int(y - h / 2))
        right, bottom = min(width, int(x + 1.5 * w) + 1), min(height, int(y + 1.5 * h) + 1)
        if right - left < 2 or bottom - top < 2:
            raise FaultyError("no_face", f"its box {box} lies outside the image of {width}x{height}")
    view = image[top:bottom, left:right]
    scale = min(1.0, longest / max(view.shape[:2]))
    if box is not None:
        scale = min(longest / max(view.shape[:2]), 4.0, 128 / max(box[2:]))
    if scale != 1.0:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        size = max(1, round(view.shape[1] * scale)), max(1, round(view.shape[0] * scale))
        view = np.asarray(cv2.resize(view, size, interpolation=method), np.uint8)
    return view, scale, np.array([left, top], np.float64)


def _as_it_is(image: Image, margin: int) -> Aligned:
    """A face that is already aligned: with its margin, or without it, then with a black border."""
    height, width = image.shape[:2]
    side = SIZE + 2 * margin
    if (height, width) == (SIZE, SIZE):
        bordered = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        image = np.asarray(bordered, np.uint8)
    elif (height, width) != (side, side):
        raise FaultyError(
            "wrong_size", f"is {width}x{height}; an aligned face has {SIZE}x{SIZE} or {side}x{side}"
        )
    nothing = float("nan")
    return Aligned(image, nothing, nothing, 0.0)
