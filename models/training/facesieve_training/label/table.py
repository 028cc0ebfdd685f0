"""The label table: its columns, and the join of shards to one Parquet file, row group by row group."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facesieve_training.label import formulas
from facesieve_training.run import atomic

COMPONENTS = ("visual", "robustness", "agreement")
"""The paper's labels, in the order of a student's outputs."""

SHARD = pa.schema(
    [
        ("identity", pa.string()),
        ("file", pa.string()),
        ("variant", pa.int8()),  # 0: the clean image; 1, 2, ...: its degraded versions
        ("distance", pa.float32()),
        ("visual_printed", pa.float32()),
        ("visual_identity", pa.float32()),
        ("robustness", pa.float32()),
        ("agreement", pa.float32()),
        ("norm", pa.float32()),
        ("embedding", pa.list_(pa.float16())),
    ]
)
LIGHTQNET = pa.field("lightqnet", pa.float32())
"""Additional column of a second teacher."""


def write(path: Path, table: pa.Table) -> None:
    """Write a Parquet file atomically."""
    with atomic(path) as file:
        pq.write_table(table, file, compression="zstd")


def distance_extremes(shards: list[Path]) -> tuple[float, float]:
    """Smallest and largest d of the data set, one column of one shard in memory at a time."""
    low, high = math.inf, -math.inf
    for path in shards:
        extremes = pc.min_max(pq.read_table(path, columns=["distance"])["distance"]).as_py()
        low, high = min(low, extremes["min"]), max(high, extremes["max"])
    return low, high


def join(shards: list[Path], out: Path, form: str, weights: tuple[float, float, float]) -> None:
    """Write all shards as one table with the columns visual (in this form) and quality (eq. 5) added."""
    low, high = distance_extremes(shards)
    schema = pq.read_schema(shards[0]) if shards else SHARD
    schema = schema.append(pa.field("visual", pa.float32())).append(pa.field("quality", pa.float32()))
    with atomic(out) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for path in shards:
            table = pq.read_table(path)
            if form == "dataset":
                visual = formulas.visual_dataset(table["distance"].to_numpy(), low, high)
            else:
                visual = table[f"visual_{form}"].to_numpy()
            parts = (visual, table["robustness"].to_numpy(), table["agreement"].to_numpy())
            quality = sum(w * part for w, part in zip(weights, parts, strict=True)) / sum(weights)
            table = table.append_column("visual", pa.array(visual, pa.float32()))
            table = table.append_column("quality", pa.array(np.asarray(quality), pa.float32()))
            writer.write_table(table)


def batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read these columns of a table piece by piece."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(columns=columns)
