"""Turns the errors of the libraries that keep arrays on disk into errors of one line.

The readers and writers of weights and of training states call it.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator

from prohmr_jax.errors import InputError

# As many characters of a library's message are shown.
_LONGEST_FAULT = 400


@contextlib.contextmanager
def storage_errors_as_input_errors(
    path: str | os.PathLike, action: str
) -> Iterator[None]:
    """Turns the errors of Orbax and TensorStore into an `InputError` of one line.

    Args:
      path: named in the error.
      action: what failed, such as "cannot be read".
    """
    former_hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_without_closed_loops, former_hook)
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Damaged files give errors of many kinds.
        fault = str(error).partition(" [tensorstore_spec")[0].partition("In spec")[0]
        fault = fault[:_LONGEST_FAULT] or type(error).__name__
        raise InputError(path, f"{action}: {fault}") from error
    else:
        sys.unraisablehook = former_hook


def _without_closed_loops(former_hook, unraisable) -> None:
    """Reports an exception of another thread, unless it only follows from a fault.

    When one array cannot be read, Orbax ends its event loop, and TensorStore reports
    later, for each array that was being read, that the loop is closed.
    """
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        former_hook(unraisable)
