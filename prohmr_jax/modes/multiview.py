"""The mode "multiview": views of people in, one body of each out.

`OUTPUT/views.npz` is one table of all people (docs/multiview.md), `OUTPUT/left_out.txt`
says which people, and views, could not be used and why. A run that is killed goes on
where it was.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.before_after import (
    OF_PICTURES,
    Placed,
    one_above_the_other,
    placed_vertices,
    side_by_side,
)
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.multiview_job import FUSION, JOINT, Fuser, FuseSettings
from prohmr_jax.bulk_fitting.multiview_sources import Group, open_groups
from prohmr_jax.bulk_fitting.run import LabelReport, run_job
from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.files.meshes import write_glb
from prohmr_jax.inference.reconstruction import Reconstructor
from prohmr_jax.inference.result_pictures import write_png
from prohmr_jax.modes.bulk_config import identity, open_model, require_usable

TABLE, OVERLAYS, MESHES = "views.npz", "overlays", "meshes"
_WORDS = {"method": (FUSION, JOINT)}
_LEAST = {"meshes": 0}
_PREDICTED = "pose_axis_angle", "betas", "translation"


def run(config: ml_collections.ConfigDict) -> LabelReport:
    """Makes one body of everyone's views; see `configs/multiview.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody of
        the input can, or the output holds a run with other settings.
    """
    require_usable(config, "a manifest or a folder", _WORDS, _LEAST)
    output = pathlib.Path(config.output)
    loaded, photos = open_model(config)
    use_cameras = config.use_cameras and config.method == JOINT
    groups = open_groups(config.input, photos, use_cameras)
    settings = FuseSettings(
        views=groups.most_views,
        method=config.method,
        calibrated=groups.calibrated,
        frame=config.frame,
        use_hips=config.use_hips,
        slots=config.slots,
        max_steps=config.max_steps,
    )
    fuser = Fuser(loaded.model, loaded.body, settings, config.focal_length_px)
    schema = WorldTable if settings.calibrated else ViewsTable

    def draw(number: int, people: Sequence[Group], columns: Columns) -> None:
        for row, group in enumerate(people):
            of = {name: column[row] for name, column in columns.items()}
            name = f"{number + row:06d}"
            if number + row < config.overlays:
                picture = _draw_views(
                    loaded, group, of, config.exif, config.overlay_longest_side_px
                )
                write_png(output / OVERLAYS / f"{name}_before_after.png", picture)
            if number + row < config.meshes:
                _write_mesh(output / MESHES / f"{name}.glb", loaded, of)

    report = run_job(
        output / TABLE,
        schema,
        identity(config, groups, loaded, dataclasses.asdict(settings)),
        groups,
        fuser,
        config.people_per_shard,
        draw,
    )
    table, _, _ = read_table(report.table, schema)
    print("\n".join(report.lines(table.fit_reason)))
    return report


def _one_body(of: Columns, view: int) -> Placed:
    """The one body of a person before the camera of a view."""
    orient = of["fit_pose_axis_angle"][view, 0]
    if "world_orient" in of:
        camera = Rotation.from_matrix(of["camera_rotation"][view])
        orient = (camera * Rotation.from_rotvec(of["world_orient"])).as_rotvec()
    pose = np.concatenate([orient[None], of["fit_body_pose"]]).astype(np.float32)
    return Placed(pose, of["fit_betas"], of["fit_translation"][view])


def _draw_views(loaded: Reconstructor, group: Group, of: Columns, exif: str, side: int):
    """Returns the one body, right of what was predicted, view below view."""
    pictures = []
    for number, view in enumerate(group.views):
        here = {name: of[name][number] for name in (*OF_PICTURES, *_PREDICTED)}
        predicted = Placed(*(here[name] for name in _PREDICTED))
        pictures.append(
            side_by_side(
                loaded.body,
                [predicted, _one_body(of, number)],
                here,
                view.read_photo(exif),
                side,
            )
        )
    return one_above_the_other(pictures)


def _write_mesh(path: pathlib.Path, loaded: Reconstructor, of: Columns) -> None:
    vertices = placed_vertices(loaded.body, _one_body(of, 0))
    write_glb(path, np.asarray(vertices), np.asarray(loaded.body.faces))
