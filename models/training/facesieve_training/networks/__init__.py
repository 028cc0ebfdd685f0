"""Networks that are trained here, as functions that return Keras models."""
