"""The scores on disk: CSV, Parquet, and the formats that published evaluation code reads.

scores.txt  `PATH SCORE` a line, as CR-FIQA's getQualityScore.py writes it and its ERC/erc.py reads it: split
            at white space, higher is better. An image without a score has -inf: it is discarded first.
scores.pkl  dictionary of path to score, as eDifFIQA's inference.py writes it; the same for -inf.
"""

import logging
import pickle
from pathlib import Path

import pandas as pd

from facesieve_training.run import write_atomic

log = logging.getLogger(__name__)


def write(table: pd.DataFrame, out: Path) -> list[Path]:
    """Write all formats beside each other, under the name of `out`; returns the files."""
    scores = table["score"].fillna(float("-inf")).tolist()
    paths = table["path"].tolist()
    base = out if out.suffix not in (".csv", ".parquet", ".txt", ".pkl") else out.with_suffix("")

    def file(suffix: str) -> Path:
        return base.with_name(base.name + suffix)

    contents = {
        file(".csv"): table.to_csv(index=False, float_format="%.9g").encode(),
        file(".parquet"): table.to_parquet(index=False),
        file(".pkl"): pickle.dumps(dict(zip(paths, scores, strict=True))),
    }
    spaced = next((path for path in paths if len(path.split()) != 1), None)
    if spaced is None:
        lines = (f"{path} {score:.9g}\n" for path, score in zip(paths, scores, strict=True))
        contents[file(".txt")] = "".join(lines).encode()
    else:
        log.warning(
            "%s is not written: its readers split lines at white space, which %r has", file(".txt"), spaced
        )
    for path, content in contents.items():
        write_atomic(path, content)
    return list(contents)
