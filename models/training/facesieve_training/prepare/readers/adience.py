"""Adience: fold_0_data.txt to fold_4_data.txt, and the images in faces/USER/ or aligned/USER/.

A fold is a table with tabs and a heading: user_id, original_image, face_id, age, gender, x, y, dx, dy,
tilt_ang, fiducial_yaw_angle, fiducial_score. The image of a row is
faces/USER/coarse_tilt_aligned_face.FACE.IMAGE or aligned/USER/landmark_aligned_face.FACE.IMAGE. face_id
numbers the people (2,284 of them); user and face_id together are the identity, so that a person of two
photographers counts as two.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.prepare.source import Entry, Source, bad_line, directory

_COLUMNS = ("user_id", "original_image", "face_id")
_KINDS = (("faces", "coarse_tilt_aligned_face"), ("aligned", "landmark_aligned_face"))


class Adience(Source):
    """The rows of the folds, sorted by identity; `faces` is preferred to `aligned`."""

    def __init__(self, root: Path) -> None:
        """Take the directory with the folds and the images."""
        super().__init__(directory(root, "give the directory with Adience's folds and its images"))
        self._kind = next((kind for kind in _KINDS if (root / kind[0]).is_dir()), None)
        if self._kind is None:
            raise DataError(f"{root}: holds neither faces/ nor aligned/, Adience's images")

    def entries(self) -> Iterator[Entry]:
        """All images; a row with a missing image gives an empty entry, so that it is reported."""
        folds = sorted(self.root.glob("fold_[0-9]_data.txt"))
        if not folds:
            raise DataError(f"{self.root}: holds no fold_N_data.txt")
        rows = sorted({row for fold in folds for row in _rows(fold)})
        directory, prefix = self._kind or _KINDS[0]
        for user, face, image in rows:
            path = self.root / directory / user / f"{prefix}.{face}.{image}"
            identity = f"{user}_{face}"
            size = path.stat().st_size if path.is_file() else 0
            yield Entry(f"{identity}/{image}", identity, str(path.relative_to(self.root)), path, size)


def _rows(fold: Path) -> Iterator[tuple[str, str, str]]:
    with fold.open(newline="", encoding="utf-8", errors="replace") as file:
        table = csv.DictReader(file, delimiter="\t")
        missing = set(_COLUMNS) - set(table.fieldnames or ())
        if missing:
            raise DataError(f"{fold}: has no columns {', '.join(sorted(missing))}; is it a fold of Adience?")
        for number, row in enumerate(table, 2):
            user, image, face = (row[name] for name in _COLUMNS)
            if not (user and image and face):
                raise bad_line(fold, number, "user, image and face", str(row))
            yield user, face, image
