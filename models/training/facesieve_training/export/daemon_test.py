"""The daemon and the training tool score a face equally, within one point of 100."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.export.scorer import Scorer
from facesieve_training.faces import FaceSet, centre, read

FACES = 200
TOLERANCE = 1.0
"""Points of 100; both run the same kernels and round sums in a different order."""


def test_scores_agree_with_the_daemon(tmp_path: Path, shared_data: Path, daemon: Path, models: Path) -> None:
    every = list(FaceSet(shared_data / "faces" / "lfw"))
    chosen = [every[i] for i in np.linspace(0, len(every) - 1, FACES).astype(int)]
    scorer = Scorer(models / "quality.tflite")
    expected = {}
    for number, face in enumerate(chosen):
        image = centre(read(face.path))
        if number % 4 == 0:  # bad faces too, so that the low end of the scale is compared
            image = cv2.GaussianBlur(image, (0, 0), 1 + number % 5)
        path = tmp_path / f"{number:03d}.png"
        cv2.imwrite(str(path), image)
        expected[str(path)] = scorer.score(image)
    done = subprocess.run(
        [daemon, "score", "--aligned", "--json", tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == sorted(expected)
    apart = [abs(line["score"] - expected[line["file"]].value) for line in lines]
    print(f"{len(lines)} faces, largest difference {max(apart):.4f}, mean {np.mean(apart):.5f} of 100")
    assert max(apart) <= TOLERANCE
    spread = np.ptp([line["score"] for line in lines])
    assert spread > 30, "the scores must differ for the comparison to be meaningful"
