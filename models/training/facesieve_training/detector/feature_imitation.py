"""Feature imitation: trains a network's early layers on the maps of another network's early layers."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.network import EARLY
from facesieve_training.detector.schedule import cosine
from facesieve_training.networks.pixels import scaled

_RATE, _WARM_UP = 3e-3, 100


def imitate(
    model: keras.Model, early: Callable[[np.ndarray], FloatArray], batches: Iterator[np.ndarray], steps: int
) -> float:
    """Train the layers up to EARLY only, with the maps of `early` as targets, on batches of images.

    Returns the unexplained share of the maps' variance, averaged over the last tenth of the steps.
    """
    front = keras.Model(model.input, model.get_layer(f"{EARLY}_relu").output)
    optimizer = keras.optimizers.Adam(cosine(_RATE, steps, _WARM_UP))
    optimizer.build(front.trainable_variables)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = tf.cast(front(scaled(images), training=True), tf.float32)
            variance = tf.reduce_mean(tf.math.reduce_variance(wanted, [0, 1, 2]))
            loss = tf.reduce_mean(tf.square(outputs - wanted)) / variance
        gradients = tape.gradient(loss, front.trainable_variables)
        optimizer.apply_gradients(zip(gradients, front.trainable_variables, strict=True))
        return loss

    losses = list[float]()
    with tqdm(total=steps, desc="feature imitation", unit="step", disable=None) as bar:
        for _ in range(steps):
            images = next(batches)
            losses.append(float(step(tf.constant(images), tf.constant(early(images)))))
            bar.update()
            bar.set_postfix(left=f"{losses[-1]:.3f}", refresh=False)
    return float(np.mean(losses[-max(1, steps // 10) :]))
