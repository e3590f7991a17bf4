"""The one exception for input that a user can mend."""

import os


class InputError(ValueError):
    """A file, or a value that a user gave, cannot be used.

    The message is one line, `<path>: <what is wrong>`; `main` prints it and exits
    with code 2, folder jobs count it and go on.
    """

    def __init__(self, path: str | os.PathLike, what: str):
        """Keeps the path and the fault, and joins them to one line.

        Args:
          path: file, folder or config key at fault.
          what: the fault, and where it helps the remedy; no line breaks.
        """
        self.path = os.fspath(path)
        self.what = " ".join(str(what).split())
        super().__init__(f"{self.path}: {self.what}")
