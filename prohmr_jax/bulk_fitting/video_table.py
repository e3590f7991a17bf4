"""Defines the file of one person of a video: a table with a row for each frame.

It has all members of `tables.FitTable`, so that every reader of fits reads it as well;
`docs/video.md` describes it to users.
"""

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.tables import FitTable, checked_columns, write_table
from prohmr_jax.inference.results import array_field
from prohmr_jax.skeleton import JOINTS_44


@dataclasses.dataclass(frozen=True)
class VideoTable(FitTable):
    """Holds one person in F successive frames, NumPy; see `FitTable` for most members.

    Bodies before the fit are those of each frame alone, bodies after it those of the
    fit to the whole track. All stand in front of the same camera.
    """

    time_s: np.ndarray = array_field("P")
    """Time of each frame from the beginning of the video, [F], seconds."""
    measured: np.ndarray = array_field("P", kind="integer")
    """1 where the person was detected, 0 where the frame lies in a gap, [F]."""
    joint_spread: np.ndarray = array_field("P", len(JOINTS_44))
    """Spread of the joints (JOINTS_44) over the samples of each frame, [F, 44], metres,
    as in `inference.results.PersonResult`."""
    foot_contact: np.ndarray = array_field("P", 2)
    """Certainty that the left and the right foot stand, [F, 2], in [0, 1]."""


def write_person(
    path: str | os.PathLike, identity: Mapping[str, str], columns: Columns
) -> None:
    """Writes the table of a person as a whole or not at all.

    Args:
      path: the `.npz` file to write.
      identity: input, weights, body and settings that the table depends on.
      columns: columns of `VideoTable`.

    Raises:
      InputError: an array is not as the schema says, or the file cannot be written.
    """
    checked = checked_columns(path, VideoTable, columns)
    write_table(path, identity, (), checked.items())
