"""Reads the official multi-view annotations (`.pkl`); the pickles are never executed.

`tools/make_dataset.py` calls it. A file is a list with one table of arrays per person;
a row of these arrays, which `annotations` describes, is a view. `scale` is the side of
the box in pixels, to be enlarged by 1.2.
"""

import dataclasses
import os

import numpy as np

from prohmr_jax.data.datasets.annotations import (
    COMMON,
    PROHMR,
    BoxUnit,
    make_table,
)
from prohmr_jax.data.datasets.label_table import LabelTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Checker, Expected
from prohmr_jax.files.pickles.machine import Refused
from prohmr_jax.files.pickles.numpy_arrays import NUMPY_TABLE, to_numpy
from prohmr_jax.files.pickles.unpickle import unpickle_file
from prohmr_jax.geometry.boxes import MARGIN

_EXPECTED = {**COMMON, **PROHMR}


def read_multiview(
    path: str | os.PathLike, *, box_unit: BoxUnit = "auto"
) -> LabelTable:
    """Returns the views of all people; those of one person are consecutive.

    Args:
      path: path of the `.pkl` file.
      box_unit: unit of `scale`; "auto" is pixels, and refuses a file in which people
        would then have impossible sizes.

    Raises:
      InputError: the file is missing or damaged, asks for other objects than arrays, is
        no list of people, or an array of a person is missing or of another shape; the
        person is named.
    """
    people = unpickle_file(path, NUMPY_TABLE)
    if not isinstance(people, list) or not people:
        raise InputError(path, "is no list of people, or an empty one")
    views = [_views(path, number, person) for number, person in enumerate(people)]
    for number, view in enumerate(views):
        if view.keys() != views[0].keys():
            other = ", ".join(sorted(view.keys() ^ views[0].keys()))
            raise InputError(path, f"persons 0 and {number} differ in having {other}")
    columns = {name: _join(path, name, views) for name in views[0]}
    table = make_table(path, columns, "prohmr", box_unit)
    counts = [len(view["imgname"]) for view in views]
    return dataclasses.replace(
        table,
        box_sizes=table.box_sizes * MARGIN,
        people=np.repeat(np.arange(len(views)).astype(str), counts),
    )


def _views(
    path: str | os.PathLike, number: int, person: object
) -> dict[str, np.ndarray]:
    if not isinstance(person, dict):
        raise InputError(path, f"person {number} has no named arrays")
    checker, columns = Checker(path), {}
    for name, want in _EXPECTED.items():
        if name not in person:
            if want.optional:
                continue
            raise InputError(path, f"person {number} has no array {name!r}")
        label = f"{name} of person {number}"
        try:
            columns[name] = _to_array(person[name], want)
        except Refused as error:
            raise InputError(path, f"{label} {error}") from error
        array = columns[name]
        checker.check_layout(label, array.shape, array.dtype, want)
    return columns


def _to_array(value: object, want: Expected) -> np.ndarray:
    """Returns an array, which a list of names or of rows is taken for as well."""
    if isinstance(value, list | tuple):
        if want.kind == "name" and all(isinstance(item, str) for item in value):
            return np.array(value, np.str_)
        rows = [to_numpy(item) for item in value]
        if len({row.shape for row in rows}) > 1:
            raise Refused("has rows of different shapes")
        return np.stack(rows) if rows else np.zeros(0)
    return to_numpy(value)


def _join(
    path: str | os.PathLike, name: str, views: list[dict[str, np.ndarray]]
) -> np.ndarray:
    try:
        return np.concatenate([view[name] for view in views])
    except (TypeError, ValueError) as error:
        raise InputError(path, f"{name} is not alike for all people") from error
