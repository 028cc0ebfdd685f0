"""A directory for each identity, images in it: MS-Celeb-1M, VGGFace2, CASIA, or one's own."""

from collections.abc import Iterator
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.faces import EXTENSIONS
from facesieve_training.prepare.source import Entry, Source, directory


class Directory(Source):
    """Identities and images in the order of their names."""

    def __init__(self, root: Path) -> None:
        """Take the directory that holds the identities' directories."""
        super().__init__(directory(root, "give one that holds a directory of images for each identity"))

    def entries(self) -> Iterator[Entry]:
        """All images, identity by identity."""
        people = self._people()
        if not people:
            raise DataError(f"{self.root}: holds no directory; one for each identity is needed")
        for person in people:
            for path in _images(person):
                name = f"{person.name}/{path.name}"
                yield Entry(name, person.name, name, path, path.stat().st_size)

    def empty(self) -> list[str]:
        """Directories without an image, by name."""
        return [person.name for person in self._people() if not _images(person)]

    def _people(self) -> list[Path]:
        return sorted(path for path in self.root.iterdir() if path.is_dir())


def _images(person: Path) -> list[Path]:
    return sorted(path for path in person.iterdir() if path.suffix.lower() in EXTENSIONS)
