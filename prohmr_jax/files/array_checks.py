"""Checks the shapes and types of arrays that are read from files.

Every reader of arrays in the project declares what it expects and calls `Checker`.
This is written here because jaxtyping, which checks shapes in signatures, neither
separates finite numbers from labels nor gives the one-line message that users see.
"""

import dataclasses
import os

import numpy as np

from prohmr_jax.errors import InputError

_DTYPE_KINDS = {
    "real": "fiu", "integer": "iu", "bool": "b", "text": "U", "label": "fiub",
    "name": "US",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Expected:
    """Holds the shape and the kind that an array of a file must have."""

    shape: tuple
    """Size of each axis: a number, a letter (arrays of one file with the same letter
    must agree in that size), or None for any size; a final `...` allows more axes."""
    kind: str = "real"
    """"real" (finite numbers), "integer", "bool", "text", "label" (numbers that may be
    NaN where the label is unknown) or "name" (text, as str or as bytes)."""
    optional: bool = False
    """Whether the file may lack the array."""


class Checker:
    """Checks the arrays of one file and remembers the sizes that letters stand for."""

    def __init__(self, path: str | os.PathLike):
        """Starts without any known size.

        Args:
          path: the file, which error messages name.
        """
        self.path = path
        self.sizes: dict[str, int] = {}

    def check_layout(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype, expected: Expected
    ) -> None:
        """Checks the shape and the type of an array, which need not be in memory yet.

        Args:
          name: name of the array, for the message.
          shape: shape that the file states.
          dtype: type that the file states.
          expected: what the array must be.

        Raises:
          InputError: the shape or the type differs from what is expected.
        """
        if dtype.kind not in _DTYPE_KINDS[expected.kind]:
            raise InputError(
                self.path, f"{name} is of type {dtype}, not {expected.kind}"
            )
        wanted, compared = expected.shape, shape
        if wanted[-1:] == (...,):
            wanted, compared = wanted[:-1], shape[: len(wanted) - 1]
        fits = len(compared) == len(wanted) and all(
            want is None or size == self._size(want, size)
            for want, size in zip(wanted, compared, strict=True)
        )
        if not fits:
            wanted = ", ".join(self._describe(want) for want in expected.shape)
            raise InputError(
                self.path, f"{name} has shape {list(shape)}, expected [{wanted}]"
            )

    def check_values(self, name: str, array: np.ndarray, kind: str = "real") -> None:
        """Raises InputError if an array holds a number that is not finite.

        Args:
          name: name of the array, for the message.
          array: the array.
          kind: one of the kinds of `Expected`; labels may hold NaN.

        Raises:
          InputError: a number is NaN or infinite.
        """
        finite = array.dtype.kind != "f" or kind == "label" or np.isfinite(array).all()
        if not finite:
            raise InputError(self.path, f"{name} holds values that are not finite")

    def _size(self, want: int | str, size: int) -> int:
        return want if isinstance(want, int) else self.sizes.setdefault(want, size)

    def _describe(self, want: object) -> str:
        if isinstance(want, str) and want in self.sizes:
            return f"{want}={self.sizes[want]}"
        return {None: "any", ...: "..."}.get(want, str(want))
