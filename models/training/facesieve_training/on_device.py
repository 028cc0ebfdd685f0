"""Variables of a Keras training whose values JAX keeps on the device."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

Values = tuple[list[Array], ...]
"""Of each group of variables."""


class OnDevice:
    """Groups of variables with their current values on the device."""

    def __init__(self, *groups: Sequence[Any]) -> None:
        self._groups = groups
        self.values: Values = ()
        self.restore()

    def variables(self) -> list[Any]:
        """The state of a resumable training."""
        return [variable for group in self._groups for variable in group]

    def restore(self) -> None:
        """Copy the variables to the values."""
        self.values = tuple([jnp.array(v.value) for v in group] for group in self._groups)

    def store(self) -> None:
        """Copy the values to the variables."""
        values = (value for group in self.values for value in group)
        for variable, value in zip(self.variables(), values, strict=True):
            variable.assign(value)
