"""Runs "evaluate_table_views": Table 4 of the paper, which refines several views.

Rows whose data are not there are skipped and named in the report.
"""

import functools
import logging
import os
import pathlib
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import listed_joints, mean_body, mean_pose
from prohmr_jax.evaluation.fit_methods import predict_mode, view_methods
from prohmr_jax.evaluation.fitting_scenes import make_scenes
from prohmr_jax.evaluation.hypothesis_errors import JointErrors, People, joint_errors
from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.evaluation.over_actions import person_keys
from prohmr_jax.evaluation.scored_people import dataset_views
from prohmr_jax.evaluation.table_report import AVERAGES, Table
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.modes.evaluate_fitting import spread_people
from prohmr_jax.modes.table_settings import table_settings
from prohmr_jax.modes.table_sources import (
    TableSource,
    dataset_sources,
    load_model,
    measure_sources,
    require_rows,
)
from prohmr_jax.poses.bank import read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.skeleton import JointSet
from prohmr_jax.structs import Body, Keypoints3D

_LOG = logging.getLogger(__name__)


def run(config: ml_collections.ConfigDict) -> Table:
    """Measures Table 4; prints, writes and returns it.

    Args:
      config: see `configs/table4.py`.

    Raises:
      InputError: weights, body or data cannot be used, or no row can be measured.
    """
    require_least(config, {"num_people": 0, "batch_size": 1, "seed": 0,
                           "views": 2, "people_per_split": 1})  # fmt: skip
    require_words(config, {"conditions": tuple(CONDITIONS)})
    for row in config.rows.values():
        words = {"joints": tuple(EVALUATED_JOINTS), "average": AVERAGES}
        require_words(row, words)
    body, identity = read_identified_body(config.body)
    baseline = mean_body(body, mean_pose(load_pose_prior(config.pose_prior or None)))
    path = pathlib.Path(config.models.prohmr.checkpoint or KEYPOINT_WEIGHTS)
    spec, model, sha256 = load_model(path, identity)
    if model.flow is None:
        raise InputError(path, "has no distribution, by which views are refined")
    table = Table(config.table, config.seed)
    measure_sources(
        table,
        "Views",
        _sources(config, table, spec, body),
        lambda _, joints: functools.partial(_measure, model, body, baseline, joints),
    )
    require_rows(table)
    notes = [
        "Errors are those of every view in the axes of its camera. Cameras are not "
        'known to the methods. "Fusion" is what the paper calls fitting (Eq. 12).'
    ]
    folder = pathlib.Path(config.output)
    settings = table_settings(config, {"ProHMR": (path.name, sha256)}, identity)
    print(table.write(folder, settings, notes))
    _LOG.info("wrote %s and table.json", folder / "table.md")
    return table


def _measure(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    joint_set: JointSet,
    people: People,
    keys: jax.Array,
    first: int,
) -> dict[str, JointErrors]:
    """Returns the errors of every method and of the mean pose; see `Measure`."""
    prediction = predict_mode(model, body, people.encoder_input)
    methods = view_methods(model, body, prediction, people.num_views)
    truth = listed_joints(people.truth.xyz, joint_set)
    errors = {
        name: joint_errors(listed_joints(bodies.joints, joint_set), truth)
        for name, bodies in methods.items()
    }
    mean = jnp.broadcast_to(listed_joints(baseline.joints, joint_set), truth.shape)
    return {**errors, "mean pose": joint_errors(mean, truth)}


def _sources(
    config: ml_collections.ConfigDict, table: Table, spec: ModelSpec, body: BodyModel
) -> Iterator[TableSource]:
    sizes = config.batch_size, config.num_people
    yield from dataset_sources(table, spec, config.rows, dataset_views, *sizes)
    if not os.path.exists(config.held_out):
        table.skipped["held-out motion"] = f"there is no file {config.held_out}"
        return
    if spec.encoder != KEYPOINTS:
        table.skipped["held-out motion"] = "it has no photos, which the model sees"
        return
    labels, poses = spread_people(
        read_held_out_clips(config.held_out), config.people_per_split
    )
    for split in Split:
        rows = [row for row, (own, _) in enumerate(labels) if own is split]
        if not rows:
            continue
        actions = [labels[row][1] for row in rows]
        for condition in config.conditions:
            scenes = make_scenes(body, CONDITIONS[condition], config.views)
            people = _people_of_scenes(
                scenes, poses[rows], actions, config.views, config.batch_size,
                config.seed,
            )  # fmt: skip
            data = f"{split.value}, {condition} keypoints, {config.views} views"
            yield TableSource(data, "h36m_14", "actions", people)


def _people_of_scenes(
    scenes_of,
    poses: np.ndarray,
    actions: Sequence[str],
    num_views: int,
    batch_size: int,
    seed: int,
) -> Iterator[tuple[People, list[str]]]:
    """Yields people whom random cameras see; see `scored_people.dataset_views`."""
    for start in range(0, len(poses), batch_size):
        rows = np.minimum(np.arange(start, start + batch_size), len(poses) - 1)
        scenes = scenes_of(person_keys(seed, start, batch_size), poses[rows])
        turn = jnp.swapaxes(scenes.extrinsics.rotation, -1, -2)
        joints = jnp.matmul(
            scenes.body.joints[:, None], turn, precision=jax.lax.Precision.HIGHEST
        )
        flat = lambda a: a.reshape(-1, *a.shape[2:])  # noqa: E731
        joints = flat(joints)
        people = People(
            encoder_input=jax.tree.map(flat, scenes.keypoints),
            truth=Keypoints3D(joints, jnp.ones(joints.shape[:2])),
            num_views=num_views,
        )
        names = actions[start : start + batch_size]
        yield people, [name for name in names for _ in range(num_views)]
