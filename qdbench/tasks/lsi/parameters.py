"""Tensors by name, with errors that say which is missing or has another shape."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from qdbench.datasets import DataError

Tensors = Mapping[str, Any]
"""Arrays by the names that a checkpoint gives them."""


class Parameters:
    """The tensors of a checkpoint, taken one by one.

    Attributes:
        source: The file or folder, for messages.
        dtype: The precision that they are converted to.
    """

    def __init__(self, tensors: Tensors, source: str, dtype: str = "float32") -> None:
        self.source = source
        self.dtype = dtype
        self._tensors = tensors

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def names(self) -> list[str]:
        """All names, in the checkpoint's order."""
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor.

        Raises:
            DataError: If there is none of that name.
        """
        return tuple(int(size) for size in self._find(name).shape)

    def take(self, name: str, *shape: int | None) -> Array:
        """A tensor.

        Args:
            name: Its name in the checkpoint.
            shape: The shape that it has to have; None stands for any size.

        Raises:
            DataError: If there is none of that name, or its shape is another.
        """
        array = self._find(name)
        found = tuple(array.shape)
        if len(found) != len(shape) or any(size not in (None, have) for size, have in zip(shape, found, strict=True)):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise DataError(f"{self.source}: tensor {name!r} has the shape {found}; it should be ({wanted})")
        return jnp.asarray(array, self.dtype)

    def _find(self, name: str) -> Any:
        if name in self._tensors:
            return self._tensors[name]
        near = difflib.get_close_matches(name, list(self._tensors), 3) or list(self._tensors)[:3]
        raise DataError(
            f"{self.source}: there is no tensor {name!r} among its {len(self._tensors)}; "
            f"the nearest are {', '.join(map(repr, near)) or 'none'}"
        )
