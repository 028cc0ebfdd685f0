"""Celebrities in Frontal-Profile (CFP): Data/Images/ID/{frontal,profile}/NN.jpg, and its protocol.

Protocol/Pair_list_F.txt, Pair_list_P.txt      NUMBER PATH, paths relative to Protocol/
Protocol/Split/{FF,FP}/SS/{same,diff}.txt      LEFT,RIGHT: numbers in the lists (FP: left frontal, right
profile)

Copies of the set keep the images in Images/ or at the top, the protocol in Protocols/, or everything one
directory deeper; all of these are found.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from facesieve_training.cli import DataError
from facesieve_training.faces import EXTENSIONS
from facesieve_training.prepare.source import Entry, Pair, Source, bad_line, directory, lines

_IMAGES = ("Data/Images", "Images", "Data", ".")
_PROTOCOLS = ("Protocol", "Protocols", "protocol")


class Cfp(Source):
    """All images, identity by identity, frontal ones first; pairs of FF and FP."""

    def __init__(self, root: Path) -> None:
        """Take the directory with Data and Protocol (cfp-dataset)."""
        super().__init__(directory(root, "give CFP's directory, the one with Data and Protocol"))
        images = [place for place in self._places(_IMAGES) if next(place.glob("*/frontal"), None)]
        if not images:
            raise DataError(
                f"{root}: holds no IDENTITY/frontal, neither itself nor in {', '.join(_IMAGES[:3])}"
            )
        self._images = images[0]

    def entries(self) -> Iterator[Entry]:
        """All images."""
        for person in sorted(path for path in self._images.iterdir() if path.is_dir()):
            for path in sorted(person.glob("*/*")):
                if path.suffix.lower() in EXTENSIONS:
                    yield Entry(
                        _key(path.parts),
                        person.name,
                        str(path.relative_to(self.root)),
                        path,
                        path.stat().st_size,
                    )

    def pairs(self) -> Iterator[Pair]:
        """Pairs of both protocols, FF then FP, split by split."""
        protocol = next(iter(self._places(_PROTOCOLS)), None)
        if protocol is None:
            return
        listed = {kind: self._list(protocol / f"Pair_list_{kind}.txt") for kind in "FP"}
        for kind in ("FF", "FP"):
            for split in sorted(directory(protocol / "Split" / kind, "CFP's protocol has it").iterdir()):
                for name, mated in (("same.txt", True), ("diff.txt", False)):
                    yield from self._split(split / name, listed["F"], listed[kind[1]], mated)

    def _places(self, names: tuple[str, ...]) -> Iterator[Path]:
        """Directories of these names in the root, then one directory deeper."""
        deeper = sorted(path for path in self.root.iterdir() if path.is_dir())
        return (base / name for base in (self.root, *deeper) for name in names if (base / name).is_dir())

    @staticmethod
    def _list(path: Path) -> dict[int, str]:
        listed = {}
        for number, line in lines(path, "CFP's protocol has it"):
            parts = line.split()
            if len(parts) != 2 or not parts[0].isdecimal():
                raise bad_line(path, number, "NUMBER PATH", line)
            listed[int(parts[0])] = _key(PurePosixPath(parts[1].replace("\\", "/")).parts)
        return listed

    @staticmethod
    def _split(path: Path, left: dict[int, str], right: dict[int, str], mated: bool) -> Iterator[Pair]:
        for number, line in lines(path, "each split has it"):
            parts = line.split(",")
            if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
                raise bad_line(path, number, "LEFT,RIGHT", line)
            try:
                yield Pair(left[int(parts[0])], right[int(parts[1])], mated)
            except KeyError as error:
                raise DataError(f"{path}:{number}: image {error} is in no list of the protocol") from error


def _key(parts: tuple[str, ...]) -> str:
    """IDENTITY/frontal-NN.jpg, from a path that ends in IDENTITY/frontal/NN.jpg."""
    return f"{parts[-3]}/{parts[-2]}-{parts[-1]}"
