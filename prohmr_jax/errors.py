"""Defines the exception that every reader of files and configs raises."""

import os


class InputError(ValueError):
    """Says that a file, or a value that the user gave, cannot be used.

    The message is one line, `<path>: <what is wrong>`. The command line prints it and
    exits with code 2; jobs over a folder count the faulty file and go on with the next.
    """

    def __init__(self, path: str | os.PathLike, what: str):
        """Keeps the path and the fault, and joins them to a message of one line.

        Args:
          path: the file, folder or config key at fault.
          what: what is wrong with it and, where that helps, how to mend it; line
            breaks become spaces.
        """
        self.path = os.fspath(path)
        self.what = " ".join(str(what).split())
        super().__init__(f"{self.path}: {self.what}")
