"""`facesieve-train score --network FILE DIR|LIST --out scores.csv`: scores any images."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.quality_onnx import QualityNetwork, QualityOnnx
from facesieve_training.faces import Image
from facesieve_training.prepare.detector import open_detector
from facesieve_training.score.images import Finder, Found, Item, listed
from facesieve_training.score.tables import write

Columns = dict[str, float]
ScoreFaces = Callable[[Sequence[Image]], list[Columns]]
"""Scores aligned faces: `score` and, for facesieve's networks, `raw` and each label."""

_BATCH = 64
_DETECTOR = Path(__file__).parents[3] / "detector.tflite"


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its status: 0, 1 for unusable images or networks, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        score = opened(options.network, options.config, options.set)
        items = listed(options.images)
        detect = None if options.align == "none" else open_detector(options.detector)
        table = scored(items, Finder(options.align, detect, options.threshold), score, options.batch)
        written = write(table, options.out)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    print(_summary(table, options.out))
    print("wrote " + ", ".join(map(str, written)))
    return 0 if table["score"].notna().any() else 1


def opened(network: Path, config: Path | None, overrides: list[str]) -> ScoreFaces:
    """Open a network: .tflite with its manifest, or .onnx with its description (`QualityNetwork`)."""
    if network.suffix == ".onnx":
        run = QualityOnnx(network.stem, network, load(config, QualityNetwork, overrides)).open()
        nothing = np.zeros(0, np.float32)
        return lambda faces: [{"score": float(s)} for s in run(Batch([], np.stack(faces), nothing))]
    if config or overrides:
        raise ConfigError("score", [f"--config, --set: describe an .onnx; the manifest describes {network}"])
    from facesieve_training.export.scorer import Scorer

    scorer = Scorer(network)

    def score(faces: Sequence[Image]) -> list[Columns]:
        results = map(scorer.score, faces)
        return [{"score": one.value, "raw": one.raw, **one.labels} for one in results]

    return score


def scored(
    items: Sequence[Item], find: Callable[[Path], Found], score: ScoreFaces, batch: int
) -> pd.DataFrame:
    """Score every image, `batch` faces at a time; the rows are in the order of the items."""
    rows = []
    with tqdm(total=len(items), unit="image", disable=None) as bar:
        for some in _parts(items, batch):
            found = [find(item.path) for item in some]
            faces = [one.face for one in found if one.face is not None]
            results = iter(score(faces)) if faces else iter(())
            for item, one in zip(some, found, strict=True):
                columns = {"score": np.nan} if one.face is None else next(results)
                rows.append(_row(item, one, columns))
            bar.update(len(some))
    return pd.DataFrame(rows).astype({"faces": "Int64"})


def _row(item: Item, found: Found, columns: Columns) -> dict[str, object]:
    return {
        "path": str(item.path),
        "key": item.key,
        **columns,
        "faces": found.faces,
        "face_score": found.face_score,
        "inter_eye": found.inter_eye,
        "fault": found.fault,
    }


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _summary(table: pd.DataFrame, out: Path) -> str:
    done = table["score"].notna()
    text = f"{len(table):,} images, {int(done.sum()):,} scored"
    several = int((table["faces"].fillna(0) > 1).sum())
    if several:
        text += f"; {several:,} with several faces, of which the largest is scored"
    kinds = table.loc[~done, "fault"].str.split(":").str[0].value_counts()
    faults = [f"{count:,} {kind}" for kind, count in kinds.items()]
    return text + (f"; without a score: {', '.join(faults)} (column fault)" if faults else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facesieve-train score",
        description="Score images of faces. Of an image with several faces the largest is scored.",
    )
    add = parser.add_argument
    add("images", type=Path, metavar="DIR|LIST",
        help="directory of images, with subdirectories; or a text file with a path a line")  # fmt: skip
    add("--network", type=Path, required=True, metavar="FILE",
        help="quality network: .tflite with its manifest beside it, or .onnx with --config")  # fmt: skip
    add("--config", type=Path, metavar="FILE",
        help="description of an .onnx: input and output; examples in configs/networks")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE",
        help="one value of the description; repeatable")  # fmt: skip
    add("--out", type=Path, default=Path("scores.csv"), metavar="FILE",
        help="the table; all formats are written side by side: .csv, .parquet, .txt (PATH SCORE, for "
             "CR-FIQA's code) and .pkl (dictionary, for eDifFIQA's); default scores.csv")  # fmt: skip
    add("--align", choices=("auto", "none", "detect"), default="auto",
        help="auto: images of 112x112 and 128x128 are aligned faces, in others a face is found and "
             "aligned; none: all are aligned faces; detect: none is")  # fmt: skip
    add("--detector", type=Path, default=_DETECTOR, metavar="FILE",
        help="detector, .tflite with its manifest or an .onnx with YuNet's heads")  # fmt: skip
    add("--threshold", type=_fraction, default=0.5, metavar="T",
        help="lowest score of a detected face, 0 to 1; default 0.5")  # fmt: skip
    add("--batch", type=_positive, default=_BATCH, metavar="N",
        help="faces that are scored together; default 64")  # fmt: skip
    return parser


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value
