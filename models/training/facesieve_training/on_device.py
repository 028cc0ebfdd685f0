"""Variables of a Keras training whose values JAX keeps on the device."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

Values = tuple[list[Array], ...]
"""Of each group of variables."""


class OnDevice:
    """Groups of variables and, apart from them, their values on the way."""

    def __init__(self, *groups: Sequence[Any]) -> None:
        self._groups = groups
        self.values: Values = ()
        self.restore()

    def variables(self) -> list[Any]:
        """All that a resumed training needs."""
        return [variable for group in self._groups for variable in group]

    def restore(self) -> None:
        """Bring the values to where the variables are."""
        self.values = tuple([jnp.array(v.value) for v in group] for group in self._groups)

    def store(self) -> None:
        """Bring the variables to where the values are."""
        values = (value for group in self.values for value in group)
        for variable, value in zip(self.variables(), values, strict=True):
            variable.assign(value)
