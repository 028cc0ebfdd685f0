"""Squares of another layer's output, without a gradient to it."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("facesieve")
class Square(layers.Layer):  # type: ignore[misc]
    """Squares each value and stops the gradient."""

    def call(self, inputs: Any) -> Any:
        """Square."""
        kept = ops.stop_gradient(inputs)
        return kept * kept
