"""Summary of the labels: mean and deviation, and contact sheets of best, middle and worst faces."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facesieve_training.degrade import Degradation
from facesieve_training.faces import SIZE
from facesieve_training.label.source import Source, image
from facesieve_training.label.table import COMPONENTS, LIGHTQNET
from facesieve_training.run import Run, write_atomic

_SHOWN = (*COMPONENTS, "quality", "norm", LIGHTQNET.name)
_ROW = 12


def summarise(path: Path, run: Run) -> None:
    """Log mean and deviation of each column, one row per variant (0: clean); reads one column at a time."""
    variant = pq.read_table(path, columns=["variant"])["variant"].to_numpy()
    found: dict[int, dict[str, float]] = {int(v): {} for v in np.unique(variant)}
    for name in _shown(path):
        values = pq.read_table(path, columns=[name])[name].to_numpy()
        for v, figures in found.items():
            of_variant = values[variant == v]
            finite = of_variant[np.isfinite(of_variant)].astype(np.float64)
            figures[f"{name}_mean"] = float(finite.mean()) if len(finite) else float("nan")
            figures[f"{name}_std"] = float(finite.std()) if len(finite) else float("nan")
            figures[f"{name}_missing"] = len(of_variant) - len(finite)
    run.rewind(-1)
    for v, figures in found.items():
        run.log(v, faces=int((variant == v).sum()), **figures)


def write_sheets(
    path: Path, source: Source, degradation: Degradation, seed: int, count: int, out: Path
) -> None:
    """Write sheet_NAME.png for each column: `count` best, middle and worst faces, clean and degraded."""
    for name in _shown(path):
        values = pq.read_table(path, columns=[name])[name].to_numpy()
        rows = extremes(values, count)
        images = [_images(path, source, degradation, seed, part) for part in rows]
        sheet = np.concatenate([np.pad(_grid(p), ((0, 12), (0, 0), (0, 0))) for p in images])
        _, coded = cv2.imencode(".png", sheet)
        write_atomic(out / f"sheet_{name}.png", coded.tobytes())


def _shown(path: Path) -> list[str]:
    """Columns of the table in summary and sheets."""
    stored = pq.read_schema(path).names
    return [name for name in _SHOWN if name in stored]


def extremes(values: NDArray[np.floating], count: int) -> tuple[NDArray[np.int64], ...]:
    """Rows of the `count` highest values, of those around the median, and of the lowest, each falling."""
    finite = np.flatnonzero(np.isfinite(values))
    falling = finite[np.argsort(-values[finite], kind="stable")]
    count = min(count, len(falling))
    middle = (len(falling) - count) // 2
    return falling[:count], falling[middle : middle + count], falling[len(falling) - count :]


def _images(
    path: Path, source: Source, degradation: Degradation, seed: int, rows: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Make the images of these rows of the table, reading only the row groups that hold them."""
    found: dict[int, NDArray[np.uint8]] = {}
    first = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            inside = [int(r) for r in rows if first <= r < first + size]
            if inside:
                names = file.read_row_group(group, columns=["identity", "file", "variant"]).take(
                    [r - first for r in inside]
                )
                for row, entry in zip(inside, names.to_pylist(), strict=True):
                    found[row] = image(
                        source, entry["identity"], entry["file"], entry["variant"], degradation, seed
                    )
            first += size
    return (
        np.stack([found[int(row)] for row in rows]) if len(rows) else np.zeros((0, SIZE, SIZE, 3), np.uint8)
    )


def _grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay images out in rows of twelve."""
    missing = -len(images) % _ROW
    filled = np.concatenate([images, np.zeros((missing, SIZE, SIZE, 3), np.uint8)])
    rows = filled.reshape(-1, _ROW, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4)
    return rows.reshape(-1, _ROW * SIZE, 3)
