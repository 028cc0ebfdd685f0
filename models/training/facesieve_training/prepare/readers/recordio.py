"""InsightFace's RecordIO: train.rec with train.idx beside it (MXNet's ImageRecordIO).

A record is magic (uint32 0xced7230a), a uint32 whose upper 3 bits are the kind of the part (0 whole, 1 first,
2 middle, 3 last) and whose lower 29 are the length of the following data, padded to 4 bytes. A record is
split where its data contain the magic, which is not stored and must be inserted between the parts. The data
start with the header IfQQ (flag, label, id, id2); flag > 0 is the number of float labels that follow. Then
comes the image.

Record 0 of InsightFace's files has flag 2 and no image: by its labels (a, b) records 1 to a - 1 are images
and a to b - 1 identities, each with the range of its images. Without it every record is an image.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from facesieve_training.cli import DataError
from facesieve_training.prepare.source import Entry, Source, bad_line, lines

MAGIC = 0xCED7230A
_PART = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")


class RecordIo(Source):
    """The images of a .rec file, in the order of its index; the label is the identity."""

    def __init__(self, root: Path) -> None:
        """Take the .rec file, or the directory with train.rec."""
        super().__init__(root / "train.rec" if root.is_dir() else root)
        if not self.root.is_file():
            raise DataError(
                f"{self.root}: no such file; give an InsightFace .rec file with its .idx beside it"
            )
        self._index = self.root.with_suffix(".idx")

    def entries(self) -> Iterator[Entry]:
        """All images. A record that cannot be parsed is an error, because later offsets may be wrong."""
        offsets = self._offsets()
        with self.root.open("rb") as file:
            last = self._last(file, offsets)
            for number in sorted(offsets):
                if last is not None and not 0 < number < last:
                    continue
                label, image = self._record(file, offsets[number])
                identity = f"{int(label):08d}"
                yield Entry(
                    f"{identity}/{number:09d}",
                    identity,
                    f"{self.root.name} record {number}",
                    offsets[number],
                    len(image),
                )

    def encoded(self, entry: Entry) -> bytes:
        """Bytes of a record's image."""
        with self.root.open("rb") as file:
            return self._record(file, entry.locator)[1]

    def _offsets(self) -> dict[int, int]:
        """Byte offset of every record."""
        offsets = {}
        for number, line in lines(self._index, "the .idx file belongs beside the .rec file"):
            parts = line.split("\t")
            if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
                raise bad_line(self._index, number, "NUMBER<tab>OFFSET", line)
            offsets[int(parts[0])] = int(parts[1])
        if not offsets:
            raise DataError(f"{self._index}: is empty")
        return offsets

    def _last(self, file: BinaryIO, offsets: dict[int, int]) -> int | None:
        """Number of the first record without an image, from record 0; None without record 0."""
        if 0 not in offsets:
            return None
        flag, _, labels, _ = self._parsed(file, offsets[0])
        return int(labels[0]) if flag == 2 else None

    def _record(self, file: BinaryIO, offset: int) -> tuple[float, bytes]:
        _, label, labels, image = self._parsed(file, offset)
        return (labels[0] if labels else label), image

    def _parsed(self, file: BinaryIO, offset: int) -> tuple[int, float, tuple[float, ...], bytes]:
        data = self._data(file, offset)
        if len(data) < _HEADER.size:
            raise DataError(f"{self.root}: the record at byte {offset} is too short for its header")
        flag, label, _, _ = _HEADER.unpack_from(data)
        end = _HEADER.size + 4 * flag
        if len(data) < end:
            raise DataError(
                f"{self.root}: the record at byte {offset} has {flag} labels that do not fit into it"
            )
        labels = struct.unpack_from(f"<{flag}f", data, _HEADER.size)
        return flag, label, labels, data[end:]

    def _data(self, file: BinaryIO, offset: int) -> bytes:
        """Read one record, its parts joined."""
        file.seek(offset)
        parts = []
        while True:
            head = file.read(_PART.size)
            if len(head) < _PART.size:
                raise DataError(
                    f"{self.root}: ends within the record at byte {offset}; is the copy complete?"
                )
            magic, word = _PART.unpack(head)
            if magic != MAGIC:
                raise DataError(
                    f"{self.root}: holds no record at byte {offset}; do .rec and .idx belong together?"
                )
            kind, length = word >> 29, word & (1 << 29) - 1
            data = file.read(length)
            if len(data) < length:
                raise DataError(
                    f"{self.root}: ends within the record at byte {offset}; is the copy complete?"
                )
            file.seek(-length % 4, 1)
            parts.append(data)
            if kind in (0, 3):
                return struct.pack("<I", MAGIC).join(parts)
