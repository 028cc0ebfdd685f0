"""A folder for each identity, pictures in it: MS-Celeb-1M, VGGFace2, CASIA, or one's own."""

from collections.abc import Iterator
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.faces import EXTENSIONS
from facesieve_training.prepare.source import Entry, Source, folder


class Folder(Source):
    """Identities and pictures in the order of their names."""

    def __init__(self, root: Path) -> None:
        """Take the folder that holds the identities' folders."""
        super().__init__(folder(root, "give one that holds a folder of pictures for each identity"))

    def entries(self) -> Iterator[Entry]:
        """All pictures, identity by identity."""
        people = sorted(path for path in self.root.iterdir() if path.is_dir())
        if not people:
            raise DataError(f"{self.root}: holds no folder; one for each identity is wanted")
        for person in people:
            for path in sorted(person.iterdir()):
                if path.suffix.lower() in EXTENSIONS:
                    name = f"{person.name}/{path.name}"
                    yield Entry(name, person.name, name, path, path.stat().st_size)
