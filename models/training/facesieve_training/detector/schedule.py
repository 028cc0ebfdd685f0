"""The learning rate of a detector's trainings."""

from keras.optimizers.schedules import CosineDecay


def cosine(rate: float, steps: int, warm_up: int) -> CosineDecay:
    """Linear warm-up from 0 to the rate in warm_up steps, then a cosine down to 1 % of the rate."""
    return CosineDecay(0.0, max(steps - warm_up, 1), alpha=0.01, warmup_target=rate, warmup_steps=warm_up)
