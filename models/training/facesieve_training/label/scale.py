"""Labels synthetic features and prints time and memory, to show that millions of images fit.

    python -m facesieve_training.label.scale --images 1000000 --out DIR

All steps after the teacher are those of the stage: sums by identity, shards, the joined table, the summary.
Features have the sizes of the imported MobileFaceNet. The low-level ones are windows of one random array,
because drawing 50,000 values per image would take longer than all other steps.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from facesieve_training.label import shard, sheet, table
from facesieve_training.label.shard import ImageFeatures, Job
from facesieve_training.run import Run

_LOW, _EMBEDDING, _WINDOWS = 64 * 28 * 28, 128, 1 << 20
_EACH = 50  # faces of an identity; one in a thousand has forty times as many


def synthetic(first: int, last: int, rng: np.random.Generator) -> Iterator[ImageFeatures]:
    """Features of identities first to last, each face clean and degraded."""
    values = rng.standard_normal(_LOW + _WINDOWS, np.float32).astype(np.float16)
    for number in range(first, last):
        name = f"{number:08d}"
        centre = rng.standard_normal(_EMBEDDING, np.float32)
        for face in range(40 * _EACH if number % 1000 == 999 else _EACH):
            for variant in (0, 1):
                at = int(rng.integers(_WINDOWS))
                embedding = centre + (1 + variant) * rng.standard_normal(_EMBEDDING, np.float32)
                robust = float(rng.uniform(0.4, 0.6))
                yield ImageFeatures(
                    Job(name, f"{face:06d}.jpg", variant), embedding, robust, values[at : at + _LOW]
                )


def measure(images: int, out: Path, identities: int = 128) -> dict[str, float]:
    """Label `images` images in shards of `identities` identities; returns rows, seconds, peak MiB."""
    start, rows, first = time.monotonic(), 0, 0
    paths: list[Path] = []
    with tqdm(total=images, unit="images", disable=None) as bar:
        while rows < images:
            rng = np.random.default_rng([1, first])
            labelled: pa.Table = shard.label_stream(synthetic(first, first + identities, rng))
            paths.append(out / "shards" / f"{len(paths):05d}.parquet")
            table.write(paths[-1], labelled)
            rows, first = rows + len(labelled), first + identities
            bar.update(len(labelled))
    table.join(paths, out / "labels.parquet", "dataset", (0.2, 0.4, 0.4))
    sheet.summarise(out / "labels.parquet", Run(out, {}, False))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": time.monotonic() - start, "peak_mib": peak}


def main() -> int:
    """Run the measurement and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m facesieve_training.label.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = measure(options.images, options.out)
    print(", ".join(f"{name} {value:.0f}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
