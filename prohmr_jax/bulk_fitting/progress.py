"""How far a long run is, as a line now and then."""

import time


class Progress:
    """Counts people and units of input from where a run was taken up."""

    def __init__(self, num_units: int, units_before: int):
        """Starts the clock.

        Args:
          num_units: files, records or groups of the whole input.
          units_before: of them, done by an earlier run.
        """
        self._start = time.monotonic()
        self._num_units, self._before = num_units, units_before
        self._people = 0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    @property
    def people_per_second(self) -> float:
        """Of this run."""
        return self._people / max(self.seconds, 1e-9)

    def line(self, new_people: int, units: int) -> str:
        """Returns where the run is.

        Args:
          new_people: since the last line.
          units: done of the whole input.
        """
        self._people += new_people
        done, left = units - self._before, self._num_units - units
        time_left = "?" if done <= 0 else _words(self.seconds * left / done)
        share = 100.0 * units / max(self._num_units, 1)
        return (
            f"{units} of {self._num_units} ({share:.0f} %), {self._people} people, "
            f"{self.people_per_second:.1f} people/s, {time_left} left"
        )


def _words(seconds: float) -> str:
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
