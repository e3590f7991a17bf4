"""Says which bodies of a table are plausible, and lists those that are not.

The jobs `keypoint_job` and `multiview_job` add the columns, and the modes "fit" and
"multiview" report who is implausible.
"""

import functools
from collections.abc import Sequence

import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.tables import FitTable
from prohmr_jax.bulk_fitting.view_tables import ViewsTable
from prohmr_jax.inference.plausibility import (
    Limits,
    judge,
    measure,
    name_other_people,
    result_members,
)
from prohmr_jax.solver.slots import map_batches
from prohmr_jax.structs import Camera, Keypoints2D


def judged_columns(
    body: BodyModel,
    columns: Columns,
    limits: Limits,
    *,
    other_body: bool,
    use_hips: bool,
    size: int,
) -> Columns:
    """Returns the columns of a table that say whether its bodies are plausible.

    Args:
      body: the body model.
      columns: the other columns of `FitTable` or of `ViewsTable`.
      limits: limits of plausible bodies.
      other_body: whether the weights were trained on another body.
      use_hips: whether bodies are fitted to the detected hips.
      size: number of people who are measured at a time.
    """
    intrinsics, betas = columns["intrinsics"], columns["fit_betas"]
    valid = columns.get("valid")
    if valid is not None:  # one shape for all views of a person
        betas = np.broadcast_to(betas[:, None], (*valid.shape, betas.shape[-1]))
    measures = map_batches(
        functools.partial(measure, body, use_hips=use_hips),
        (
            columns["fit_joints"],
            Camera(
                translation=columns["fit_translation"],
                focal_length=np.diagonal(intrinsics, axis1=-2, axis2=-1)[..., :2],
                center=intrinsics[..., :2, 2],
            ),
            Keypoints2D(columns["keypoints_px"], columns["keypoint_confidence"]),
            columns["box_size_px"],
            betas,
            columns["fit_z"],
        ),
        size,
    )
    verdict = judge(measures, limits, other_body)
    if valid is not None:
        verdict = name_other_people(verdict, measures, valid > 0)
    members = result_members(measures, verdict)
    if valid is not None:  # padding holds zeros and empty texts
        members = {
            name: np.where(valid > 0, column, np.zeros((), column.dtype))
            for name, column in members.items()
        }
    return {f"fit_{name}": column for name, column in members.items()}


def implausible_people(table: FitTable | ViewsTable) -> list[str]:
    """Returns a line for each implausible person: the name and the reasons.

    Args:
      table: the table of a finished run. One of an older version was not judged, and
        then there are no lines.
    """
    if table.fit_plausible is None:
        return []
    if isinstance(table, ViewsTable):
        return [
            f"{name}: " + "; ".join(_views_in_words(table, number, views))
            for number, name in enumerate(table.person)
            if len(views := _implausible_views(table, number))
        ]
    return [
        f"{table.source[number]}: person {table.person_index[number]}: "
        f"{table.fit_implausible_reason[number]}"
        for number in np.flatnonzero(table.fit_plausible == 0)
    ]


def _implausible_views(table: ViewsTable, number: int) -> Sequence[int]:
    """Returns the numbers of the implausible views of a person."""
    implausible = (table.fit_plausible[number] == 0) & (table.valid[number] > 0)
    return np.flatnonzero(implausible)


def _views_in_words(table: ViewsTable, number: int, views: Sequence[int]) -> list[str]:
    reasons = table.fit_implausible_reason[number]
    return [f"view {table.source[number, view]}: {reasons[view]}" for view in views]
