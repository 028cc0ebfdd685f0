"""The stage `prepare`: images of people to aligned faces with margin, in shards.

The run's directory is the result: index.parquet, shard-*.npy and, where the source has a protocol,
pairs.parquet (shards.py describes them), with rejected.csv, report.md and faces.jpg beside them. Entries are
processed in the source's order, `shard` of them at a time; a killed run resumes after the last whole shard.
"""

import hashlib
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.config import Count, Share
from facesieve_training.distribute import Distribute, over
from facesieve_training.prepare import report, shards
from facesieve_training.prepare.cut import Cut, Cutter, How, Recipe
from facesieve_training.prepare.detector import open_detector
from facesieve_training.prepare.near_duplicates import near_duplicates
from facesieve_training.prepare.readers.adience import Adience
from facesieve_training.prepare.readers.cfp import Cfp
from facesieve_training.prepare.readers.directory import Directory
from facesieve_training.prepare.readers.ijbc import ijbc
from facesieve_training.prepare.readers.lfw import Lfw
from facesieve_training.prepare.readers.recordio import RecordIo
from facesieve_training.prepare.readers.verification import Verification
from facesieve_training.prepare.source import Entry, Source
from facesieve_training.run import Run, write_atomic

log = logging.getLogger(__name__)

# Entries of a worker's work item.
_UNIT = 64


@dataclass(frozen=True)
class SourceConfig:
    """The images and their format."""

    path: Path
    kind: Literal["directory", "lfw", "recordio", "verification", "cfp", "adience", "ijbc"] = "directory"
    protocol: Path | None = None
    """lfw: pairs.txt."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return ["protocol: only lfw takes one"] if self.protocol and self.kind != "lfw" else []

    def aligned(self) -> How:
        """The alignment that the published format of the kind needs."""
        if self.kind in ("recordio", "verification"):
            return "none"
        return "landmarks" if self.kind == "ijbc" and (self.path / "meta").is_dir() else "detect"


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    source: SourceConfig
    align: How | None = None
    """detect: find the face; landmarks: use those of the source; none: faces are aligned already. Default by
    kind: none for recordio and verification, landmarks for InsightFace's IJB-C, otherwise detect."""
    detector: Path | None = None
    """A .tflite with its manifest or any ONNX network with YuNet's heads."""
    threshold: Share = 0.5
    """Lowest score of an accepted face, 0 to 1."""
    longest: Annotated[int, Field(ge=32)] = 640
    """Largest side of the detector's input, pixels."""
    margin: Annotated[int, Field(ge=0)] = 8
    """Pixels around the aligned 112x112 face, for alignment jitter."""
    min_eyes: float = 0.0
    """Least inter-eye distance in the source image, pixels."""
    duplicates: Literal["drop", "keep"] | None = None
    """Faces with the same pixels as an earlier one. Default: drop; keep for verification and ijbc, whose
    pairs and templates share images."""
    near_duplicates: int | None = None
    """List faces of a person whose 64-bit difference hashes differ in at most this many bits (usually 4)."""
    shard: Count = 4096
    """Entries in a shard: the largest loss of a kill."""
    limit: int | None = None
    """Number of entries, the first ones; null for all."""
    seed: int = 1
    distribute: Distribute = field(default_factory=Distribute)

    def how(self) -> How:
        """The alignment, configured or by kind."""
        return self.align or self.source.aligned()

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        if self.how() == "detect" and self.detector is None:
            return ["detector: align: detect needs one, an ONNX or .tflite file"]
        return []


def run(config: Config, run: Run) -> None:
    """Write the shards, their index and the report into the run's directory."""
    source = open_source(config.source)
    total = _survey(source, config, run)
    if config.how() == "detect" and config.detector:
        open_detector(config.detector)  # a fault of the detector or of the protocol is better found now
    _write_pairs(source, run.dir)
    Preparation(config, source, run.dir).all(total)
    shards.join(run.dir, _parts(run.dir, "rows", _count(total, config.shard)))
    lost = report.rejected(_parts(run.dir, "rejected", _count(total, config.shard)), source.empty())
    written = shards.Shards(run.dir)
    counts = report.write(run.dir, written, lost)
    if config.near_duplicates is not None:
        listed = near_duplicates(written, config.near_duplicates)
        write_atomic(run.dir / "near_duplicates.csv", listed.to_csv(index=False))
        counts["near_duplicates"] = len(listed)
    run.rewind(-1)
    run.log(0, **counts)
    run.finish(**counts)
    log.info("%s", ", ".join(f"{count:,} {name}" for name, count in counts.items() if count))
    if not len(written):
        raise DataError(f"{config.source.path}: gave no face; see {run.dir / 'rejected.csv'} for the reasons")


def open_source(config: SourceConfig) -> Source:
    """Open the source that a configuration names."""
    if config.kind == "lfw":
        return Lfw(config.path, config.protocol)
    plain = {
        "directory": Directory, "recordio": RecordIo, "verification": Verification, "cfp": Cfp,
        "adience": Adience, "ijbc": ijbc,
    }  # fmt: skip
    return plain[config.kind](config.path)


def _survey(source: Source, config: Config, run: Run) -> int:
    """Count the entries and record their digest."""
    digest, total = hashlib.sha256(), 0
    keys: set[bytes] = set()
    for entry in _limited(source, config):
        line = f"{entry.key} {entry.size}\n".encode()
        digest.update(line)
        total += 1
        keys.add(hashlib.blake2b(entry.key.encode(), digest_size=8).digest())
        if len(keys) < total:
            raise DataError(f"{config.source.path}: has two entries named {entry.key}; names must differ")
    if not total:
        raise DataError(f"{config.source.path}: holds no image")
    run.set_data_hash(digest.hexdigest()[:16])
    return total


def _limited(source: Source, config: Config) -> Iterator[Entry]:
    return itertools.islice(source.entries(), config.limit)


def _count(total: int, shard: int) -> int:
    return -(-total // shard)


def _part(directory: Path, kind: str, number: int) -> Path:
    return directory / "checkpoint" / f"{kind}-{number:06d}.parquet"


def _parts(directory: Path, kind: str, count: int) -> list[Path]:
    return [_part(directory, kind, number) for number in range(count)]


class Preparation:
    """Cuts the faces of a source, shard by shard."""

    def __init__(self, config: Config, source: Source, directory: Path) -> None:
        self._config, self._source, self._directory = config, source, directory
        self._keeps = config.duplicates == "keep" or (config.duplicates is None and source.only_pairs)
        self._keys: dict[bytes, str] = {}  # 200 bytes a face: 2 GB for ten million

    def all(self, total: int) -> None:
        """Make every missing shard."""
        config = self._config
        done = next(i for i in itertools.count() if not _part(self._directory, "rows", i).exists())
        for part in _parts(self._directory, "rows", done):
            for row in pq.read_table(part, columns=["hash", "key"]).to_pylist():
                self._keys.setdefault(bytes.fromhex(row["hash"]), row["key"])
        entries = itertools.islice(_limited(self._source, config), done * config.shard, None)
        recipe = Recipe(
            config.how(), config.detector, config.threshold, config.longest, config.margin, config.min_eyes
        )
        units = iter(lambda: list(itertools.islice(entries, _UNIT)), [])
        made = over(partial(Cutter, self._source, recipe), units, config.distribute)
        cuts = itertools.chain.from_iterable(made)
        with tqdm(total=total, initial=min(done * config.shard, total), unit="image", disable=None) as bar:
            for number in range(done, _count(total, config.shard)):
                batch = []
                for cut in itertools.islice(cuts, config.shard):
                    batch.append(self._without_duplicate(cut))
                    bar.update()
                self._write(number, batch)

    def _without_duplicate(self, cut: Cut) -> Cut:
        """Convert a duplicate to a fault."""
        if cut.image is None or self._keeps:
            return cut
        key = self._keys.setdefault(bytes.fromhex(cut.row["hash"]), cut.entry.key)
        if key == cut.entry.key:
            return cut
        fault = "duplicate" if key.startswith(f"{cut.entry.identity}/") else "duplicate_other"
        return Cut(cut.entry, None, {}, fault, f"the same pixels as {key}")

    def _write(self, number: int, cuts: list[Cut]) -> None:
        """Write a shard; its rows are written last and mark it as complete."""
        images = [cut.image for cut in cuts if cut.image is not None]
        if images:
            shards.write_shard(self._directory, number, np.stack(images))
        rows = [cut.row for cut in cuts if cut.image is not None]
        lost: list[dict[str, object]] = [
            {"key": c.entry.key, "source": c.entry.source, "fault": c.fault, "detail": c.detail}
            for c in cuts
            if c.image is None
        ]
        placed = [{**row, "shard": number, "row": i} for i, row in enumerate(rows)]
        shards.write_table(_part(self._directory, "rejected", number), _table(lost, report.REJECTED))
        shards.write_table(_part(self._directory, "rows", number), _table(placed, shards.SCHEMA))


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def _write_pairs(source: Source, directory: Path) -> None:
    pairs = list(source.pairs())
    if pairs:
        shards.write_pairs(directory, pairs, source.only_pairs)
