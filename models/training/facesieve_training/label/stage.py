"""The stage `label`: every face of a set, clean and degraded, to a Parquet table of labels and embeddings.

Shards of identities are labelled one after another and written whole; a killed run goes on at the first
shard that is missing and gives the same table. In memory are one identity and one shard's table (see MEMORY
in the README).
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from facesieve_training.degrade import Degradation
from facesieve_training.faces import FaceSet
from facesieve_training.label import formulas, shard, sheet, table
from facesieve_training.run import Run
from facesieve_training.teacher.imported import OnnxTeacher, Teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Masks:
    """Dropout before the teacher's last layer (SER-FIQ)."""

    count: int = 50
    rate: float = 0.5
    normalise: bool = True
    """Scale the embeddings to length 1 before their distances, as SER-FIQ does."""

    def faults(self) -> list[str]:
        """Say what is wrong with the values."""
        found = [] if self.count >= 2 else [f"count: {self.count} masks make no pair; take at least 2"]
        return found if 0 < self.rate < 1 else [*found, f"rate: {self.rate} is not between 0 and 1"]


@dataclass(frozen=True)
class Weights:
    """Parts of the labels in S (eq. 5)."""

    visual: float = 0.2
    robustness: float = 0.4
    agreement: float = 0.4


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    faces: Path
    teacher: OnnxTeacher
    seed: int = 1
    limit: int | None = None
    """Only the first so many identities."""
    variants: int = 1
    """Degraded versions of each picture."""
    degradation: Degradation = field(default_factory=Degradation)
    masks: Masks = field(default_factory=Masks)
    visual: Literal["printed", "identity", "dataset"] = "dataset"
    """Form of S_v: as printed, well behaved over the identity, or normalised over the data set."""
    weights: Weights = field(default_factory=Weights)
    shard: int = 128
    """Identities in a shard: what a kill costs at most."""
    batch: int = 32
    threads: int = 0
    sheet: int = 24
    """Faces in a row of the contact sheets; 0 for no sheets."""


def run(config: Config, run: Run) -> None:
    """Write labels.parquet, summary in metrics.csv, and contact sheets into the run's folder."""
    source = FaceSet(config.faces, config.limit)
    run.set_data_hash(source.hash())
    shards = label_shards(config, source, run.dir / "shards")
    out = run.dir / "labels.parquet"
    w = config.weights
    table.join(shards, out, config.visual, (w.visual, w.robustness, w.agreement))
    sheet.summarise(out, run)
    if config.sheet:
        sheet.write_sheets(out, source, config.degradation, config.seed, config.sheet, run.dir)
    run.finish()


def label_shards(config: Config, source: FaceSet, folder: Path) -> list[Path]:
    """Label what is not labelled yet; returns the files of all shards in order."""
    starts = range(0, len(source.identities), config.shard)
    paths = [folder / f"{number:05d}.parquet" for number in range(len(starts))]
    missing = [(path, start) for path, start in zip(paths, starts, strict=True) if not path.exists()]
    if not missing:
        return paths
    log.info("labelling %d of %d shards", len(missing), len(paths))
    teacher = Teacher(config.teacher, config.threads)
    recipe = make_recipe(config, teacher)
    with tqdm(unit=" faces", smoothing=0.02, mininterval=2) as bar:
        for path, start in missing:
            identities = source.identities[start : start + config.shard]
            table.write(path, shard.label_identities(source, identities, teacher, recipe, bar.update))
    return paths


def make_recipe(config: Config, teacher: Teacher) -> shard.Recipe:
    """Draw the masks and gather what labelling a picture needs."""
    masks = formulas.masks(config.masks.count, teacher.cut_width, config.masks.rate, config.seed)
    return shard.Recipe(
        config.seed, config.variants, config.degradation, masks, config.masks.normalise, config.batch
    )
