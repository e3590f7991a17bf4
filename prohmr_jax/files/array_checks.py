"""What a reader expects of an array, and the check."""

import dataclasses
import os

import numpy as np

from prohmr_jax.errors import InputError

_KINDS = {
    "real": "fiu", "integer": "iu", "bool": "b", "text": "U", "label": "fiub",
    "name": "US",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Expected:
    """Shape and kind of an array that a file must hold."""

    shape: tuple
    """A number, a letter for a size that others share, or None for any size; at the
    end perhaps `...` for any further axes."""
    kind: str = "real"
    """"real" (finite numbers), "integer", "bool", "text", "label" (numbers, not finite
    where they are unknown) or "name" (text, perhaps as bytes)."""
    optional: bool = False


class Checker:
    """Checks the arrays of one file; learns the sizes that letters stand for."""

    def __init__(self, path: str | os.PathLike):
        """Takes the path that messages name."""
        self.path = path
        self.sizes: dict[str, int] = {}

    def check_layout(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype, expected: Expected
    ) -> None:
        """Raises InputError unless shape and type are as expected."""
        if dtype.kind not in _KINDS[expected.kind]:
            raise InputError(
                self.path, f"{name} is of type {dtype}, not {expected.kind}"
            )
        wanted, found = expected.shape, shape
        if wanted[-1:] == (...,):
            wanted, found = wanted[:-1], shape[: len(wanted) - 1]
        fits = len(found) == len(wanted) and all(
            want is None or size == self._size(want, size)
            for want, size in zip(wanted, found, strict=True)
        )
        if not fits:
            wanted = ", ".join(self._describe(want) for want in expected.shape)
            raise InputError(
                self.path, f"{name} has shape {list(shape)}, expected [{wanted}]"
            )

    def check_values(self, name: str, array: np.ndarray, kind: str = "real") -> None:
        """Raises InputError if a number is NaN or infinite, where that has no sense."""
        finite = array.dtype.kind != "f" or kind == "label" or np.isfinite(array).all()
        if not finite:
            raise InputError(self.path, f"{name} holds values that are not finite")

    def _size(self, want: int | str, found: int) -> int:
        return want if isinstance(want, int) else self.sizes.setdefault(want, found)

    def _describe(self, want: object) -> str:
        if isinstance(want, str) and want in self.sizes:
            return f"{want}={self.sizes[want]}"
        return {None: "any", ...: "..."}.get(want, str(want))
