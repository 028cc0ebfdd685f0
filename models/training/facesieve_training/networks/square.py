"""The square of what another layer tells, to learn from and not through."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("facesieve")
class Square(layers.Layer):  # type: ignore[misc]
    """Squares each value; what is behind it does not teach what is before it."""

    def call(self, inputs: Any) -> Any:
        """Square."""
        kept = ops.stop_gradient(inputs)
        return kept * kept
