"""Contact sheets of failures: missed faces, false positives, and landmarks far from the true ones."""

from pathlib import Path

import cv2
import numpy as np

from facesieve_training.detector.compare.outcome import SHOWN, THUMB, Outcome, frame
from facesieve_training.run import write_atomic

_COLUMNS = 16
_TRUE, _FOUND = (80, 220, 80), (60, 60, 250)


def write_sheets(
    outcome: Outcome, name: str, peer: str, scores: dict[str, float], directory: Path
) -> list[str]:
    """Write the sheets of one detector beside a peer; returns their file names."""
    detected, other = outcome.detected(name, scores[name]), outcome.detected(peer, scores[peer])
    errors = outcome.errors(name)
    large = np.where(np.isfinite(errors) & (outcome.sizes >= 24), errors, -1)
    worst = np.argsort(-large, kind="stable")
    worst = worst[large[worst] > 0]
    sheets = {
        "missed-but-by-the-peer": outcome.thumbs[~detected & other],
        "missed-by-both": outcome.thumbs[~detected & ~other],
        "found-alone": outcome.thumbs[detected & ~other],
        "false": outcome.false_thumbs[name],
        "landmarks": np.array([_marked(outcome, name, k) for k in worst[:SHOWN]], np.uint8),
    }
    for title, thumbs in sheets.items():
        write(directory / f"{title}.png", thumbs)
    return [f"{title}.png" for title, thumbs in sheets.items() if len(thumbs)]


def write(path: Path, thumbs: np.ndarray) -> None:
    """Write one sheet, unless there are no images."""
    if len(thumbs):
        write_atomic(path, cv2.imencode(".png", _grid(thumbs))[1].tobytes())


def _marked(outcome: Outcome, name: str, k: int) -> np.ndarray:
    """A true face with its landmarks green and the found ones red, twice as large."""
    image = cv2.resize(outcome.thumbs[k], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    matrix = 2 * frame(outcome.truth[k])
    for face, colour in ((outcome.truth[k], _TRUE), (outcome.found[name][k], _FOUND)):
        for x, y in face[4:14].reshape(5, 2) @ matrix[:, :2].T + matrix[:, 2]:
            cv2.circle(image, (round(float(x)), round(float(y))), 2, colour, -1, cv2.LINE_AA)
    return np.asarray(image)


def _grid(thumbs: np.ndarray) -> np.ndarray:
    """Rows of images, evenly drawn from all when there are too many."""
    if len(thumbs) > SHOWN:
        thumbs = thumbs[np.linspace(0, len(thumbs) - 1, SHOWN).astype(int)]
    side = thumbs.shape[1] if len(thumbs) else THUMB
    rows = -(-len(thumbs) // _COLUMNS)
    sheet = np.full((rows * side, _COLUMNS * side, 3), 255, np.uint8)
    for k, image in enumerate(thumbs):
        y, x = k // _COLUMNS * side, k % _COLUMNS * side
        sheet[y : y + side, x : x + side] = image
    return sheet
