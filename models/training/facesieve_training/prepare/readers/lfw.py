"""Labeled Faces in the Wild: a directory for each identity, and pairs.txt.

10 300                          folds, pairs of each kind in a fold (or one number alone)
Abel_Pacheco 1 4                mated: images 1 and 4 of one person
Abdel_Madi_Shabneh 1 Dean_Barker 1    not mated
"""

from collections.abc import Iterator
from pathlib import Path

from facesieve_training.prepare.readers.directory import Directory
from facesieve_training.prepare.source import Pair, bad_line, lines


class Lfw(Directory):
    """The images of a directory by identity, with the protocol's pairs when the file is given."""

    def __init__(self, root: Path, protocol: Path | None) -> None:
        """Take the images' directory and pairs.txt."""
        super().__init__(root)
        self._protocol = protocol

    def pairs(self) -> Iterator[Pair]:
        """Pairs of pairs.txt; the images' extension is that of the directory's files."""
        if self._protocol is None:
            return
        keys = {entry.key.rpartition(".")[0]: entry.key for entry in self.entries()}
        for number, line in lines(self._protocol, "give LFW's pairs.txt"):
            parts = line.split()
            if number == 1 and all(part.isdecimal() for part in parts):
                continue
            if len(parts) not in (3, 4) or not parts[1].isdecimal() or not parts[-1].isdecimal():
                raise bad_line(self._protocol, number, "NAME N M or NAME N NAME M", line)
            names = [_stem(parts[0], parts[1]), _stem(parts[-2] if len(parts) == 4 else parts[0], parts[-1])]
            missing = next((name for name in names if name not in keys), None)
            if missing is not None:
                raise bad_line(
                    self._protocol, number, f"images that {self.root} has ({missing} is missing)", line
                )
            yield Pair(keys[names[0]], keys[names[1]], len(parts) == 3)


def _stem(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}"
