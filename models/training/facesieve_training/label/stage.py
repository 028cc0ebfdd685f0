"""The stage `label`: every face of a set, clean and degraded, to a Parquet table of labels and embeddings.

First all images are read: those that cannot be labelled are listed in rejected.csv and left out, so that a
run can also be resumed after they were deleted. Shards of identities are labelled one after another and
written atomically; a killed run resumes at the first missing shard and gives the same table.

Memory, with the imported MobileFaceNet (low-level feature of 64x28x28, embedding of 128):

    one identity's low-level features, float16        98 KiB an image: 0.4 GiB for the largest of MS-Celeb-1M
                                                      (about 2,000 faces), clean and degraded
    a batch of 32 and the one being read              20 MiB of features, 13 MiB in the teacher
    a shard's table, 128 identities                   0.4 KiB a row: 5 MiB at 50 faces, clean and degraded
    names of the identities                           100 bytes each: 10 MiB for 100,000
    `prepare`'s index, when the faces are shards      40 bytes a face: 0.4 GiB for 10 million
    the summary, one column of the table at a time    4 bytes a row, 8 for its order: 0.25 GiB for 20 million

So 10 million faces need about 2 GiB with the runtime; S_c needs no pairs (`formulas.agreement`).
`python -m facesieve_training.label.scale` measures it on synthetic features.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import pyarrow as pa
from pydantic import Field
from tqdm import tqdm

from facesieve_training.config import Count, Share
from facesieve_training.degrade import Degradation
from facesieve_training.distribute import Distribute, over
from facesieve_training.label import formulas, shard, sheet, table
from facesieve_training.label.source import Rejected, Source, open_source
from facesieve_training.run import Run, write_atomic
from facesieve_training.teacher.lightqnet import open_lightqnet
from facesieve_training.teacher.source import TeacherSource, open_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Masks:
    """Dropout before the teacher's last layer (SER-FIQ)."""

    count: Annotated[int, Field(ge=2)] = 50
    rate: Share = 0.5
    normalise: bool = True
    """Scale the embeddings to length 1 before their distances, as SER-FIQ does."""


@dataclass(frozen=True)
class Weights:
    """Weights of the labels in S (eq. 5)."""

    visual: float = 0.2
    robustness: float = 0.4
    agreement: float = 0.4


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    faces: Path
    """Aligned faces: a directory for each identity, or what `prepare` wrote."""
    teacher: TeacherSource
    seed: int = 1
    limit: int | None = None
    """Number of identities, the first ones; null for all."""
    variants: Annotated[int, Field(ge=0, le=127)] = 1
    """Degraded versions of each image."""
    degradation: Degradation = field(default_factory=Degradation)
    masks: Masks = field(default_factory=Masks)
    lightqnet: Path | None = None
    """File of LightQNet, a second teacher, whose score of every image is an additional label."""
    visual: Literal["printed", "identity", "dataset"] = "dataset"
    """Form of S_v: as printed, normalised over the identity, or normalised over the data set."""
    weights: Weights = field(default_factory=Weights)
    shard: Count = 128
    """Identities in a shard: the largest loss of a kill."""
    batch: Count = 32
    threads: int = 0
    """Threads of an imported teacher in each worker; 0 for one per core."""
    sheet: int = 24
    """Best, middle and worst faces in the contact sheets; 0 for no sheets."""
    distribute: Distribute = field(default_factory=Distribute)


def run(config: Config, run: Run) -> None:
    """Write labels.parquet, summary in metrics.csv, and contact sheets into the run's directory."""
    rejected = open_source(config.faces, config.limit).rejected()
    source = open_source(config.faces, config.limit, frozenset(one.key for one in rejected))
    run.set_data_hash(source.hash())
    _report(rejected, run)
    shards = label_shards(config, source, run.dir / "shards", rejected)
    out = run.dir / "labels.parquet"
    w = config.weights
    table.join(shards, out, config.visual, (w.visual, w.robustness, w.agreement))
    sheet.summarise(out, run)
    if config.sheet:
        sheet.write_sheets(out, source, config.degradation, config.seed, config.sheet, run.dir)
    run.finish(rejected=len(rejected))


def _report(rejected: list[Rejected], run: Run) -> None:
    """Write rejected.csv."""
    table = pd.DataFrame(rejected, columns=["key", "fault", "detail"])
    write_atomic(run.dir / "rejected.csv", table.to_csv(index=False))
    if rejected:
        log.warning("%d images or directories are left out, see %s", len(rejected), run.dir / "rejected.csv")


def label_shards(
    config: Config, source: Source, directory: Path, rejected: Sequence[Rejected] = ()
) -> list[Path]:
    """Label the missing shards; returns the files of all shards in order."""
    starts = range(0, len(source.identities), config.shard)
    paths = [directory / f"{number:05d}.parquet" for number in range(len(starts))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    work = [source.identities[starts[number] : starts[number] + config.shard] for number in missing]
    log.info("labels: %d of %d shards to do", len(missing), len(paths))
    without = frozenset(one.key for one in rejected)
    made = over(partial(_Labeller, config, without), work, config.distribute) if missing else iter(())
    with tqdm(unit="images", disable=None) as bar:
        for number, labelled in zip(missing, made, strict=True):
            table.write(paths[number], labelled)
            bar.update(len(labelled))
    return paths


class _Labeller:
    """Labels the identities of a shard, in a worker."""

    def __init__(self, config: Config, without: frozenset[str]) -> None:
        self._source = open_source(config.faces, config.limit, without)
        self._teacher = open_teacher(config.teacher, config.threads)
        m = config.masks
        masks = formulas.masks(m.count, self._teacher.cut_width, m.rate, config.seed)
        second = open_lightqnet(config.lightqnet) if config.lightqnet else None
        self._recipe = shard.Recipe(
            config.seed, config.variants, config.degradation, masks, m.normalise, config.batch, second
        )

    def __call__(self, identities: list[str]) -> pa.Table:
        return shard.label_identities(self._source, identities, self._teacher, self._recipe)
