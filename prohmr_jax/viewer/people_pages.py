"""Puts results of any mode on a page; the mode "view" calls it for `--html`."""

from collections.abc import Sequence

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.images import read_image
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.viewer.page import (
    MAX_BODIES,
    MAX_PEOPLE,
    Page,
    PageJoint,
    PagePerson,
    jpeg,
)
from prohmr_jax.viewer.people import ShownPerson
from prohmr_jax.viewer.scene import PosedBodies


def page_of_people(
    people: Sequence[ShownPerson], posed: PosedBodies, title: str
) -> Page:
    """Returns a page with the first people, each in the first frame.

    Args:
      people: people to show.
      posed: poses their bodies.
      title: title of the page.

    Raises:
      InputError: the body model does not fit the results.
    """
    implausible = sum(bool(person.verdict) for person in people)
    notes = [f"people: {len(people)}, implausible: {implausible}"]
    if len(people) > MAX_PEOPLE:
        notes.append(f"the first {MAX_PEOPLE} are shown")
    shown = [_page_person(person, posed) for person in people[:MAX_PEOPLE]]
    return Page(title, notes, people=shown)


def _page_person(person: ShownPerson, posed: PosedBodies) -> PagePerson:
    bodies = person.bodies[:MAX_BODIES]
    facts = [("bodies", str(len(person.bodies)))]
    if len(person.frames) > 1:
        first, last = person.frames[0], person.frames[-1]
        facts.append(("frames", f"{first} to {last}, here the first"))
    if person.joint_spread is not None:
        mean = 1000 * float(person.joint_spread.mean())
        facts.append(("spread, mean", f"{mean:.0f} mm"))
    return PagePerson(
        name=person.name,
        verdict=person.verdict,
        facts=tuple(facts),
        labels=tuple(b.label for b in bodies),
        bodies=posed(person, bodies),
        faces=posed.faces,
        vertex_spread=posed.spread(person),
        joints=_joints(person),
        pictures=tuple(_pictures(person)),
    )


def _joints(person: ShownPerson) -> tuple[PageJoint, ...]:
    if person.joint_spread is None:
        return ()
    unknown = np.zeros(len(BODY_25))
    confidence = unknown if person.confidence is None else person.confidence
    rows = zip(BODY_25.names, confidence, person.joint_spread, strict=False)
    return tuple(
        PageJoint(name.replace("_", " "), float(seen), float(spread))
        for name, seen, spread in rows
    )


def _pictures(person: ShownPerson) -> list[tuple[str, bytes]]:
    """Returns the pictures that can be read, with their names."""
    pictures = []
    for path in person.pictures:
        try:
            pictures.append((path.name, jpeg(read_image(path))))
        except InputError:
            continue  # A page without one of its pictures is still of use.
    return pictures
