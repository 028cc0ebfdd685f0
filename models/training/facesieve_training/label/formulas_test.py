import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from facesieve_training.label import formulas

RNG = np.random.default_rng(0)


def test_robustness_is_the_printed_double_sum() -> None:
    embeddings = RNG.normal(0, 1, (5, 7, 4)).astype(np.float32)
    wanted = []
    for x in embeddings:
        total = sum(np.linalg.norm(x[p] - x[q]) for p, q in itertools.combinations(range(7), 2))
        wanted.append(2 / (1 + np.exp(2 / 7**2 * total)))
    np.testing.assert_allclose(formulas.robustness(embeddings), wanted, rtol=1e-5)


def test_robustness_of_two_embeddings_at_a_known_distance() -> None:
    # m = 2: one pair at distance 2, so 2 sigmoid(-(2 / 4) * 2) = 2 / (1 + e).
    pair = np.array([[[0, 1], [0, -1]], [[1, 0], [1, 0]]], np.float32)
    np.testing.assert_allclose(formulas.robustness(pair), [2 / (1 + np.e), 1], rtol=1e-6)


def brute_agreement(
    unit: NDArray[np.float64], image: NDArray[np.int64], clean: NDArray[np.bool_]
) -> list[float]:
    """Eq. 4 pair by pair."""
    found = []
    for i in range(len(unit)):
        others = [j for j in range(len(unit)) if clean[j] and image[j] != image[i]]
        found.append(float(np.mean([(unit[i] @ unit[j] + 1) / 2 for j in others])))
    return found


def test_agreement_by_the_sum_is_agreement_pair_by_pair() -> None:
    embeddings = RNG.normal(0, 3, (12, 6)).astype(np.float32)
    image = np.repeat(np.arange(6), 2)
    clean = np.tile([True, False], 6)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    wanted = brute_agreement(unit.astype(np.float64), image, clean)
    np.testing.assert_allclose(formulas.agreement(embeddings, image, clean), wanted, atol=1e-6)


def test_agreement_of_a_single_image_is_unknown() -> None:
    result = formulas.agreement(np.ones((2, 3), np.float32), np.array([0, 0]), np.array([True, False]))
    assert np.isnan(result).all()


def test_visual_forms() -> None:
    d = np.array([1, 2, 4], np.float32)
    np.testing.assert_allclose(formulas.visual_printed(d), [1 - 1 / 3, 1 - 2 / 3, 1 - 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(formulas.visual_identity(d), [1, 2 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(formulas.visual_dataset(d, 0, 8), [7 / 8, 6 / 8, 4 / 8])
    equal = np.full(3, 2, np.float32)
    assert np.isnan(formulas.visual_printed(equal)).all()
    assert (formulas.visual_identity(equal) == 1).all()


def test_distance_is_to_the_mean_of_the_clean_images() -> None:
    low = np.array([[0, 0], [2, 0], [1, 3]], np.float16)
    result = formulas.distance(list(low), np.array([True, True, False]))
    np.testing.assert_allclose(result, [1, 1, 3])


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_masks_drop_and_scale(rate: float) -> None:
    masks = formulas.masks(200, 512, rate, 1)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(1 / (1 - rate))}
    assert (masks == 0).mean() == pytest.approx(rate, abs=0.01)
    np.testing.assert_array_equal(masks, formulas.masks(200, 512, rate, 1))
