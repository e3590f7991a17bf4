"""Defines the exception that every reader of files and configs raises."""

import collections
import os
import re
from collections.abc import Iterable

# A message repeats what stands in a file, which can be of any length.
_LONGEST = 1500
# Control characters, which could also move a terminal's cursor, and halves of
# characters, which no file can hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """Returns a text in which characters that no line of a file can hold are escaped.

    Names that differ still differ afterwards.

    Args:
      text: any text, such as the name of a file on disk.
    """
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


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
            breaks become spaces, and very long text is cut.
        """
        self.path = os.fspath(path)
        words = " ".join(str(what).split())
        cut = words[:_LONGEST] + " ..." if len(words) > _LONGEST else words
        self.what = one_line(cut)
        super().__init__(f"{one_line(str(self.path))}: {self.what}")

    def __reduce__(self):
        """Returns how the error is made again in the process that it is sent to."""
        return type(self), (self.path, self.what)


class OutputError(InputError):
    """Says that a result cannot be written, because of the disk or the folder.

    It ends every job, also one that goes on after faulty input: what follows could not
    be written either, and would be lost.
    """


# As many files are named for each reason.
_NUM_NAMED = 3


def count_by_reason(faults: Iterable[InputError]) -> list[str]:
    """Returns a line for each reason, with the number and the first of the files.

    Reasons that differ in numbers or in what stands in parentheses count as one, and
    the first of them is shown.

    Args:
      faults: what was wrong with files, or with people in them ("person 3 has ...").
    """
    names, shown = collections.defaultdict(list), {}
    for fault in faults:
        reason = re.sub(r"^person \d+ ", "a person ", fault.what)
        kind = re.sub(r"\([^()]*\)|\d+", "", reason)
        shown.setdefault(kind, reason)
        names[kind].append(os.path.basename(fault.path))
    return [
        f"{len(files)}: {shown[kind]} [{', '.join(files[:_NUM_NAMED])}"
        f"{', ...' * (len(files) > _NUM_NAMED)}]"
        for kind, files in names.items()
    ]
