from pathlib import Path

import numpy as np
import pytest

from facesieve_training.detector.compare import figures, sheet
from facesieve_training.detector.compare.outcome import SHOWN, Outcome, run_detectors
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.evaluate import EvaluateConfig


@pytest.fixture(name="outcome")
def _outcome(views: list[View], exact: OnView, sloppy: OnView) -> Outcome:
    return run_detectors({"exact": exact, "sloppy": sloppy}, views, EvaluateConfig())


def test_every_sure_face_has_a_row_for_each_detector(outcome: Outcome) -> None:
    assert outcome.images == 10
    assert outcome.truth.shape == (20, 15)
    assert outcome.thumbs.shape == (20, 64, 64, 3)
    np.testing.assert_array_equal(outcome.found["exact"], outcome.truth)
    assert np.isnan(outcome.found["sloppy"][outcome.sizes < 20]).all()
    assert outcome.errors("sloppy")[1] == pytest.approx(6 / 24, rel=1e-3)
    assert len(outcome.false["exact"]) == 0
    assert len(outcome.false["sloppy"]) == 10


def test_a_rate_of_false_positives_gives_the_lowest_score_that_keeps_it(outcome: Outcome) -> None:
    for rate, left in ((0.0, 0), (0.1, 1), (0.3, 3), (0.35, 3)):
        score = outcome.threshold("sloppy", rate)
        assert (outcome.false["sloppy"] >= score).sum() == left
        assert outcome.false_rate("sloppy", score) == pytest.approx(left / 10)
    assert outcome.threshold("sloppy", 1.0) == 0.1
    assert outcome.threshold("exact", 0.0) == 0.1


def test_figures_are_compared_at_the_same_rate(outcome: Outcome) -> None:
    strict, loose = (figures.at_rate(outcome, ["exact", "sloppy"], rate) for rate in (0.1, 0.5))
    small, large = strict["sizes"][0], strict["sizes"][3]
    assert (small["faces"], large["faces"]) == (10, 10)
    assert small["recall"] == {"exact": 1.0, "sloppy": 0.0}
    # At one false positive in ten images the large face, 0.55, is below what is false.
    assert large["recall"] == {"exact": 1.0, "sloppy": 0.0}
    assert loose["sizes"][3]["recall"] == {"exact": 1.0, "sloppy": 1.0}
    assert loose["sizes"][3]["landmark_error"] == {"exact": 0.0, "sloppy": pytest.approx(0.25, abs=1e-3)}
    own = figures.at_scores(outcome, {"sloppy": 0.5})
    assert own["false_per_image"] == {"sloppy": 0.6}


def test_sheets_show_each_kind_of_failure(outcome: Outcome, tmp_path: Path) -> None:
    scores = {"exact": 0.5, "sloppy": 0.5}
    made = sheet.write_sheets(outcome, "sloppy", "exact", scores, tmp_path)
    assert made == ["missed-but-by-the-peer.png", "false.png", "landmarks.png"]
    assert {path.name for path in tmp_path.iterdir()} == set(made)


def test_the_false_positives_with_the_highest_scores_are_kept_as_images(views: list[View]) -> None:
    """Each image has more false positives than are kept; those of the last have the highest scores."""
    grey = [np.full((128, 192, 3), level, np.uint8) for level in (50, 100, 150)]
    shown = [View(image, views[0].faces, image, 1.0) for image in grey]

    def find(view: View) -> np.ndarray:
        faces = np.repeat(views[0].faces[:1], SHOWN + 5, axis=0)
        faces[:, :2] = 100  # where no true face is
        faces[:, 14] = view.image[0, 0, 0] / 255
        faces[0, 14] = 0.9 if view is shown[0] else 0.2
        return faces

    outcome = run_detectors({"wrong": find}, shown, EvaluateConfig())
    assert outcome.false["wrong"].shape == (3 * (SHOWN + 5),)
    levels = outcome.false_thumbs["wrong"][:, 32, 32, 0]
    np.testing.assert_array_equal(levels, [50] + [150] * (SHOWN - 1))
