"""Runs the mode "multiview": makes the views of each person agree on one body.

`OUTPUT/views.npz` is one table of all people (docs/multiview.md), and
`OUTPUT/left_out.txt` says which people and views could not be used and why. A run that
was interrupted continues where it was.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.before_after import (
    PICTURE_COLUMNS,
    PlacedBody,
    in_one_column,
    photo_to_draw_over,
    placed_vertices,
    side_by_side,
)
from prohmr_jax.bulk_fitting.jobs import Columns, Row, row_of
from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.multiview_job import (
    FUSION,
    JOINT,
    MultiviewFitJob,
    MultiviewFitSettings,
)
from prohmr_jax.bulk_fitting.multiview_sources import open_multiview_source
from prohmr_jax.bulk_fitting.run import BulkReport, run_job
from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.bulk_fitting.view_reader import PersonViews
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.images import write_png
from prohmr_jax.files.meshes import write_glb
from prohmr_jax.modes.bulk_config import open_model, require_usable, run_identity
from prohmr_jax.modes.plausible_limits import read_limits

_LOG = logging.getLogger(__name__)
TABLE, OVERLAYS, MESHES = "views.npz", "overlays", "meshes"
_WORDS = {"method": (FUSION, JOINT)}
_LEAST = {"meshes": 0}
# Columns of the predicted body of a view, in the order of the fields of `PlacedBody`.
_PREDICTED = "pose_axis_angle", "betas", "translation"


def run(config: ml_collections.ConfigDict) -> BulkReport:
    """Makes one body of everyone's views, writes the table and prints the report.

    Args:
      config: see `configs/multiview.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody in
        the input can be used, or the output holds a run with other settings.
    """
    require_usable(config, "a manifest or a folder", _WORDS, _LEAST)
    method = config.method
    limits = read_limits(config.plausible[method], f"plausible.{method}")
    output = pathlib.Path(config.output)
    if config.cameras and not (config.use_cameras and config.method == JOINT):
        raise InputError(
            "config.cameras",
            f'needs config.method="{JOINT}" and config.use_cameras=True',
        )
    reconstructor, reader = open_model(config)
    use_cameras = config.use_cameras and method == JOINT
    crop_px = reconstructor.crop_px
    source = open_multiview_source(
        config.input, reader, crop_px, use_cameras, config.cameras, output
    )
    if source.calibrated and config.focal_length_px:
        _LOG.warning("config.focal_length_px is not used: the cameras are calibrated")
    settings = MultiviewFitSettings(
        views=source.max_views,
        limits=limits,
        other_body=reconstructor.other_body,
        method=method,
        calibrated=source.calibrated,
        frame=config.frame,
        use_hips=config.use_hips,
        slots=config.slots,
        max_steps=config.max_steps,
    )
    # Under the name of their key, by which a message about another run names them.
    result_settings = dataclasses.asdict(settings)
    result_settings["plausible"] = result_settings.pop("limits")
    body = reconstructor.body
    job = MultiviewFitJob(reconstructor.model, body, settings, config.focal_length_px)
    schema = WorldTable if settings.calibrated else ViewsTable

    def draw(first: int, people: Sequence[PersonViews], columns: Columns) -> None:
        for number, person in enumerate(people, start=first):
            row = row_of(columns, number - first)
            if number < config.overlays:
                picture = _draw_views(
                    body, person, row, config.exif, config.overlay_longest_side_px
                )
                name = f"{number:06d}_before_after.png"
                write_png(output / OVERLAYS / name, picture)
            if number < config.meshes:
                _write_mesh(output / MESHES / f"{number:06d}.glb", body, row)

    report = run_job(
        output / TABLE,
        schema,
        run_identity(config, source, reconstructor, result_settings),
        source,
        job,
        config.people_per_shard,
        draw,
    )
    table, _, _ = read_table(report.table, schema)
    implausible = implausible_people(table)
    report.write_implausible(implausible)
    print("\n".join(report.lines(table.fit_reason, implausible)))
    return report


def _one_body(row: Row, view: int) -> PlacedBody:
    """Returns the one body of a person in front of the camera of a view."""
    orient = row["fit_pose_axis_angle"][view, 0]
    if "world_orient" in row:
        world_to_camera = Rotation.from_matrix(row["camera_rotation"][view])
        body_to_world = Rotation.from_rotvec(row["world_orient"])
        orient = (world_to_camera * body_to_world).as_rotvec()
    pose = np.concatenate([orient[None], row["fit_body_pose"]]).astype(np.float32)
    return PlacedBody(pose, row["fit_betas"], row["fit_translation"][view])


def _draw_views(
    body: BodyModel,
    person: PersonViews,
    row: Row,
    exif: str,
    longest_side_px: int,
) -> np.ndarray:
    """Returns all views of a person: the prediction left, the one body right."""
    pictures = []
    for number, view in enumerate(person.views):
        view_row = {name: row[name][number] for name in (*PICTURE_COLUMNS, *_PREDICTED)}
        predicted = PlacedBody(*(view_row[name] for name in _PREDICTED))
        pictures.append(
            side_by_side(
                body,
                [predicted, _one_body(row, number)],
                view_row,
                photo_to_draw_over(view, exif),
                longest_side_px,
                implausible=str(row["fit_implausible_reason"][number]),
            )
        )
    return in_one_column(pictures)


def _write_mesh(path: pathlib.Path, body: BodyModel, row: Row) -> None:
    """Writes the one body of a person as the camera of the first view sees it."""
    vertices = placed_vertices(body, _one_body(row, 0))
    write_glb(path, np.asarray(vertices), np.asarray(body.faces))
