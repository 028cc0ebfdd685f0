"""A precomputed score: a column of a Parquet or CSV table, joined by the face's key."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facesieve_training.cli import DataError
from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.gallery import Batch, Gallery
from facesieve_training.evaluate.scorers.base import Scorer, Scores


@dataclass(frozen=True)
class Column(Scorer):
    """A table with the column `key` (IDENTITY/FILE), or `identity` and `file`; only `variant` 0 is used."""

    file: Path
    column: str

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return f"Column {self.column} of {self.file.name}."

    def open(self) -> Callable[[Batch], Scores]:
        """Read the table."""
        scores = dict(zip(*self._read(), strict=True))

        def some(batch: Batch) -> Scores:
            missing = [key for key in batch.keys if key not in scores]
            if missing:
                raise DataError(
                    f"{self.file}: has no row for {missing[0]}, a face of the set ({len(missing)} of the "
                    f"{len(batch.keys)} in the batch)"
                )
            return np.array([scores[key] for key in batch.keys], np.float64)

        return some

    def scores(self, gallery: Gallery, cache: Cache) -> Scores:
        """Look the scores up in this process, without cache and workers."""
        return self.open()(Batch(gallery.keys, np.zeros((0, 0, 0, 3), np.uint8), np.zeros(0, np.float32)))

    def _read(self) -> tuple[list[str], list[float]]:
        if not self.file.is_file():
            raise DataError(f"{self.file}: no such file")
        if self.file.suffix.lower() == ".csv":
            table = pd.read_csv(self.file, dtype={"identity": str, "file": str, "key": str})
        else:
            table = pd.read_parquet(self.file)
        if self.column not in table:
            raise DataError(
                f"{self.file}: has no column {self.column}; it has {', '.join(map(str, table.columns))}"
            )
        if "variant" in table:
            table = table[table["variant"] == 0]
        if "key" in table:
            keys = table["key"]
        elif {"identity", "file"} <= set(table.columns):
            keys = table["identity"] + "/" + table["file"]
        else:
            raise DataError(
                f"{self.file}: needs a column key (IDENTITY/FILE), or the columns identity and file"
            )
        return list(keys), list(pd.to_numeric(table[self.column]))
