"""Shows on the terminal how far a run of the demo is, and the time that is left."""

from types import TracebackType
from typing import Self

from tqdm import tqdm


class DemoProgress:
    """Counts steps of the work: finding people, and each one's bodies and pictures.

    How many steps a file takes is known once its people are; until then it is expected
    to be a picture of one person. Nothing is shown where there is no terminal.
    """

    def __init__(self, num_files: int, sheets: bool, overlays: bool):
        """Starts with no step taken.

        Args:
          num_files: number of files that people are read from.
          sheets: whether a sheet is drawn of each person.
          overlays: whether an overlay is drawn of each picture.
        """
        self._per_person, self._per_picture = 1 + sheets, int(overlays)
        self._left_in_file = self._steps(1, 1)
        self._bar = tqdm(
            total=num_files * self._left_in_file,
            unit="step",
            disable=None,
            leave=False,
            bar_format="{percentage:3.0f}% |{bar:30}| {elapsed}, {remaining} left",
        )

    def __enter__(self) -> Self:
        """Shows the progress."""
        self._bar.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Takes the progress off the terminal."""
        self._bar.close()

    def people_are_known(self, people: int, pictures: int) -> None:
        """Counts a file as read.

        Args:
          people: number of its people.
          pictures: number of pictures that they are in.
        """
        steps = self._steps(people, pictures)
        self._bar.total += steps - self._left_in_file
        self._left_in_file = steps
        self.step()

    def step(self) -> None:
        """Counts one step as taken."""
        self._left_in_file -= 1
        self._bar.update(1)

    def end_file(self) -> None:
        """Counts the steps as taken that a file did not need, or failed at."""
        self._bar.update(self._left_in_file)
        self._left_in_file = self._steps(1, 1)

    def _steps(self, people: int, pictures: int) -> int:
        return 1 + people * self._per_person + pictures * self._per_picture
