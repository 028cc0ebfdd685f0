import keras
import numpy as np
import pytest

from facesieve_training.teacher.margin import Cosines, arcface


def naive(truth: np.ndarray, cosines: np.ndarray, margin: float, scale: float) -> np.ndarray:
    losses = []
    for right, row in zip(truth, cosines, strict=True):
        logits = row.astype(np.float64).copy()
        angle = np.arccos(logits[right])
        logits[right] = (
            np.cos(angle + margin) if angle + margin < np.pi else logits[right] - margin * np.sin(margin)
        )
        logits *= scale
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[right])
    return np.array(losses)


@pytest.mark.parametrize(("margin", "scale"), [(0.0, 1.0), (0.5, 64.0), (1.2, 30.0)])
def test_arcface_is_the_formula_also_beyond_pi(margin: float, scale: float) -> None:
    cosines = np.random.default_rng(0).uniform(-1, 1, (40, 7)).astype(np.float32)
    cosines[0, 3], cosines[1, 3] = -0.999, 0.999
    truth = np.full(40, 3, np.int32)
    result = keras.ops.convert_to_numpy(arcface(margin, scale)(truth, keras.ops.convert_to_tensor(cosines)))
    np.testing.assert_allclose(result, naive(truth, cosines, margin, scale), rtol=1e-4, atol=1e-4)


def test_cosines_are_of_angles_whatever_the_lengths() -> None:
    layer = Cosines(3)
    feature = np.array([[3.0, 0.0], [0.0, 0.1]], np.float32)
    layer.build((None, 2))
    layer.kernel.assign(np.array([[2.0, 0.0, 1.0], [0.0, 5.0, 1.0]]))
    result = keras.ops.convert_to_numpy(layer(feature))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(result, [[1, 0, half], [0, 1, half]], atol=1e-6)
