"""Chooses the people of a file who are wanted, by their size or their numbers.

`people_reader` calls it, and modes check their configs with it.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path

from prohmr_jax.detection.types import PersonInPicture
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection, LeftOut
from prohmr_jax.geometry.boxes import box_from_keypoints

EVERYBODY = "all"
"""Choice of all people."""
LARGEST = "largest"
"""Choice of the largest person of each picture."""


def require_people_words(chosen: str) -> None:
    """Refuses a choice of people that is no word and no list of numbers.

    Raises:
      InputError: the choice is not "all", "largest", or numbers with commas between.
    """
    if chosen not in (EVERYBODY, LARGEST) and not all(
        part.strip().isdecimal() for part in chosen.split(",")
    ):
        raise InputError(
            "config.people",
            f'"{chosen}" is not "all", "largest" or numbers such as "0,2"',
        )


def choose_people(
    path: Path,
    people: list[PersonInPicture],
    left_out: list[LeftOut],
    chosen: str,
) -> tuple[list[PersonInPicture], list[LeftOut]]:
    """Returns those who are wanted and can be used, and who is wanted and cannot be.

    Args:
      path: the file, for the message.
      people: people of the file who can be used.
      left_out: people of the file who cannot be used.
      chosen: `EVERYBODY`; `LARGEST` for one person of each picture; or numbers.

    Raises:
      InputError: there are people, but none has one of the numbers.
    """
    if chosen == EVERYBODY:
        return people, left_out
    if chosen == LARGEST:
        largest: dict[Hashable, PersonInPicture] = {}
        for person in people:
            other = largest.setdefault(person.picture, person)
            if _side(person.detection) > _side(other.detection):
                largest[person.picture] = person
        return list(largest.values()), left_out
    numbers = {int(part) for part in chosen.split(",")}
    here = [person.detection.person_index for person in people]
    known = {*here, *(person.person_index for person in left_out)}
    wanted = [p for p in people if p.detection.person_index in numbers]
    absent = [LeftOut(n, "does not exist") for n in sorted(numbers - known)]
    left_out = [p for p in left_out if p.person_index in numbers]
    if people and not wanted and not left_out:
        what = f"has no person {chosen} to reconstruct, but has {_list(here)}"
        raise InputError(path, what)
    return wanted, left_out + absent


def _side(person: Detection) -> float:
    """Returns the side of the square box around a person, pixels."""
    box = person.box if person.box is not None else box_from_keypoints(person.keypoints)
    return float(box.size)


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
