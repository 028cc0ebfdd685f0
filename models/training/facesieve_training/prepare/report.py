"""The report of `prepare`: rejected entries with their reasons, figures, and a contact sheet."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from facesieve_training.prepare.shards import Shards
from facesieve_training.run import write_atomic

REJECTED = pa.schema(
    [("key", pa.string()), ("source", pa.string()), ("fault", pa.string()), ("detail", pa.string())]
)
FAULTS = {
    "missing": "file is not there or cannot be read",
    "broken": "cannot be decoded, or is truncated",
    "empty": "directory of an identity without an image",
    "no_face": "no face found",
    "too_small": "eyes closer than min_eyes",
    "wrong_size": "not of an aligned face's size",
    "duplicate": "same pixels as an earlier face",
    "duplicate_other": "same pixels as an earlier face of another identity: one of the two is mislabelled",
}
_SHEET = 12


def rejected(parts: list[Path], empty: list[str]) -> pd.DataFrame:
    """All rejected entries, in the order of the source, and after them the identities without an image."""
    rows = [{"key": name, "source": name, "fault": "empty", "detail": FAULTS["empty"]} for name in empty]
    found = [*(pq.read_table(part) for part in parts), pa.Table.from_pylist(rows, schema=REJECTED)]
    frame: pd.DataFrame = pa.concat_tables(found).to_pandas()
    return frame


def write(directory: Path, shards: Shards, lost: pd.DataFrame) -> dict[str, int]:
    """Write rejected.csv, report.md and faces.jpg, and return the counts."""
    counts = Counter(lost["fault"])
    write_atomic(directory / "rejected.csv", lost.to_csv(index=False))
    write_atomic(directory / "report.md", _markdown(shards, counts))
    if len(shards):
        write_atomic(directory / "faces.jpg", _sheet(shards))
    return {"faces": len(shards), **{name: counts.get(name, 0) for name in FAULTS}}


def _markdown(shards: Shards, counts: Counter[str]) -> str:
    index = shards.index
    total = len(index) + sum(counts.values()) - counts["empty"]  # directories, not entries
    sizes = index.groupby("identity").size()
    lines = [
        f"{len(index):,} faces of {len(sizes):,} people from {total:,} entries.",
        "",
        "| rejected | entries | why |",
        "| --- | ---: | --- |",
        *(f"| {name} | {counts.get(name, 0):,} | {why} |" for name, why in FAULTS.items()),
        "",
        "Each is listed in rejected.csv. faces.jpg: faces at random"
        + (" above, below those whose landmarks fit the template worst." if _fitted(shards) else "."),
    ]
    if len(index):
        lines += [
            "",
            "| figure | 5 % | median | 95 % |",
            "| --- | ---: | ---: | ---: |",
            f"| faces of a person | {_quantiles(sizes)} |",
            f"| eyes apart in the source, pixels | {_quantiles(index['inter_eye'])} |",
            f"| landmarks off the template, pixels | {_quantiles(index['residual'])} |",
            f"| share outside the source | {_quantiles(index['outside'])} |",
            f"| detector's score | {_quantiles(index['face_score'])} |",
        ]
    return "\n".join(lines) + "\n"


def _fitted(shards: Shards) -> bool:
    """Whether the faces were aligned by landmarks, so that a residual exists."""
    return bool(shards.index["residual"].notna().any())


def _quantiles(values: "pd.Series[float] | pd.Series[int]") -> str:
    if values.isna().all():
        return "– | – | –"
    return " | ".join(f"{value:.3g}" for value in values.quantile([0.05, 0.5, 0.95]))


def _sheet(shards: Shards) -> bytes:
    """Three rows of random faces, and one row of those with the largest residual, if known."""
    rng = np.random.default_rng(1)
    shown = rng.choice(len(shards), min(3 * _SHEET, len(shards)), replace=False)
    residual = np.nan_to_num(shards.index["residual"].to_numpy(np.float64))
    worst = np.argsort(-residual, kind="stable")[: _SHEET if _fitted(shards) else 0]
    images = shards.read(np.concatenate((np.sort(shown), worst)))
    rows = [images[i : i + _SHEET] for i in range(0, len(shown), _SHEET)]
    rows += [images[len(shown) :]] if len(worst) else []
    side = images.shape[1]
    sheet = np.zeros((len(rows) * side, _SHEET * side, 3), np.uint8)
    for y, row in enumerate(rows):
        for x, face in enumerate(row):
            sheet[y * side : (y + 1) * side, x * side : (x + 1) * side] = face
    return bytes(cv2.imencode(".jpg", sheet)[1].tobytes())
