"""The learning rate of everything that is trained of a detector."""

from keras.optimizers.schedules import CosineDecay


def cosine(rate: float, steps: int, warm_up: int) -> CosineDecay:
    """Up from 0 to the rate in warm_up steps, then down along a cosine to a hundredth of it at the last."""
    return CosineDecay(0.0, max(steps - warm_up, 1), alpha=0.01, warmup_target=rate, warmup_steps=warm_up)
