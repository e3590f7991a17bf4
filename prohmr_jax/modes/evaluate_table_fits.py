"""Runs "evaluate_table_fits": Table 3 of the paper, which compares fits to keypoints.

Rows whose data are not there are skipped and named in the report.
"""

import functools
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import ml_collections

from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import listed_joints, mean_body, mean_pose
from prohmr_jax.evaluation.fit_methods import FittedModels, crop_starts, fit_starts
from prohmr_jax.evaluation.fitting_errors import one_view_fits
from prohmr_jax.evaluation.fitting_scenes import Scenes
from prohmr_jax.evaluation.hypothesis_errors import (
    JointErrors,
    People,
    joint_errors,
)
from prohmr_jax.evaluation.paper_numbers import DATA_TITLES
from prohmr_jax.evaluation.scored_people import dataset_people
from prohmr_jax.evaluation.table_report import AVERAGES, Table
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS, REGRESSION_WEIGHTS
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.fitting.smplify import GaussianMixture, GenericFlow
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec
from prohmr_jax.modes.config_checks import require_least, require_some, require_words
from prohmr_jax.modes.table_settings import table_settings
from prohmr_jax.modes.table_sources import (
    TableSource,
    benchmark_sources,
    dataset_sources,
    load_model,
    measure_sources,
    require_rows,
)
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.priors.pose_flow import load_pose_flow
from prohmr_jax.skeleton import SMPL_24, JointSet
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import Body

_LOG = logging.getLogger(__name__)
_KEYPOINTS = ("detected", "true")


def run(config: ml_collections.ConfigDict) -> Table:
    """Measures Table 3; prints, writes and returns it.

    Args:
      config: see `configs/table3.py`.

    Raises:
      InputError: weights, body or data cannot be used, or no row can be measured.
    """
    require_least(config, {"num_people": 0, "batch_size": 1, "seed": 0, "max_steps": 1,
                           "data_weights.photos": 0, "data_weights.keypoints": 0,
                           })  # fmt: skip
    for row in config.rows.values():
        words = {"joints": tuple(EVALUATED_JOINTS), "average": AVERAGES}
        require_words(row, words | {"keypoints": _KEYPOINTS})
    table = Table(config.table, config.seed)
    models, spec, weights, identity = _models(config, table)
    sees_photos = spec.encoder != KEYPOINTS
    kind = "photos" if sees_photos else "keypoints"
    settings = Settings(max_steps=config.max_steps)
    data_weights = config.data_weights[kind]
    require_some(config.data_weights, kind)
    detected = {
        DATA_TITLES[name]
        for name, row in config.rows.items()
        if row.keypoints == "detected"
    }
    datasets = {DATA_TITLES[name] for name in config.rows}

    def measure_of(source: TableSource, joints: JointSet):
        def fits(people: People, data_weight: float) -> dict[str, Body]:
            if source.data not in datasets:
                return _fits_of_benchmark(models, people, settings, data_weight)
            starts = crop_starts(
                models, people.encoder_input, people.keypoints, data_weight
            )
            return fit_starts(models, starts, settings, source.data not in detected)

        return functools.partial(_measure, models, joints, fits, data_weights)

    measure_sources(
        table, "Fits", _sources(config, table, spec), measure_of, are_fitted=True
    )
    require_rows(table)
    notes = [
        f"Every fit starts at a regression, and ends after {config.max_steps} steps at "
        'most. "Data x w" means that the data term has w times its published weight. '
        "Hips that a detector found count for SMPLify alone, which places the torso by "
        "them.",
        "The regression of the paper is SPIN, and its learned prior is VPoser; here "
        "they are a deterministic model trained like ProHMR, and a flow.",
    ]
    folder = pathlib.Path(config.output)
    print(table.write(folder, table_settings(config, weights, identity), notes))
    _LOG.info("wrote %s and table.json", folder / "table.md")
    return table


def _models(config: ml_collections.ConfigDict, table: Table):
    """Returns models and priors, what ProHMR is, names of weights and the body."""
    body, identity = read_identified_body(config.body)
    path = pathlib.Path(config.models.prohmr.checkpoint or KEYPOINT_WEIGHTS)
    spec, prohmr, sha256 = load_model(path, identity)
    weights = {"ProHMR": (path.name, sha256)}
    if prohmr.flow is None:
        raise InputError(path, "has no distribution, and so no prior of fits")
    shipped = REGRESSION_WEIGHTS if spec.encoder == KEYPOINTS else ""
    name, regression = config.models.regression.checkpoint or shipped, None
    if name:
        twin, regression, sha256 = load_model(pathlib.Path(name), identity)
        weights["regression"] = pathlib.Path(name).name, sha256
        if regression.flow is not None:
            raise InputError(name, "the weights are not deterministic")
        sizes = (KEYPOINTS == twin.encoder, twin.input_size)
        if sizes != (KEYPOINTS == spec.encoder, spec.input_size):
            raise InputError(name, f"the model sees something else than that of {path}")
    else:
        table.skipped["regression and fits from it"] = (
            "config.models.regression.checkpoint is empty"
        )
    prior = load_pose_prior(config.pose_prior or None)
    models = FittedModels(
        prohmr=prohmr,
        regression=regression,
        body=body,
        mixture=GaussianMixture(prior),
        flow=GenericFlow(load_pose_flow(config.pose_flow or None)),
        mean_body_pose=mean_pose(prior),
    )
    return models, spec, weights, identity


def _measure(
    models: FittedModels,
    joint_set: JointSet,
    fits: Callable[[People, float], dict[str, Body]],
    data_weights: Sequence[float],
    people: People,
    keys: jax.Array,
    first: int,
) -> dict[str, JointErrors]:
    """Returns the errors of every method and of the mean pose; see `Measure`."""
    truth = listed_joints(people.truth.xyz, joint_set)
    mean = mean_body(models.body, models.mean_body_pose)
    errors = {}
    for weight in data_weights:
        for method, body in fits(people, weight).items():
            is_fit = "+" in method and weight != 1.0
            name = f"{method}, data x {weight:g}" if is_fit else method
            joints = listed_joints(body.joints, joint_set)
            errors[name] = joint_errors(joints, truth)
    mean = jnp.broadcast_to(listed_joints(mean.joints, joint_set), truth.shape)
    return {**errors, "mean pose": joint_errors(mean, truth)}


def _fits_of_benchmark(
    models: FittedModels, people: People, settings: Settings, data_weight: float
) -> dict[str, Body]:
    """Returns the fits of people whose keypoints have a true focal length of 1."""
    count = len(people.truth.xyz)
    scenes = Scenes(
        Body(people.truth.xyz, jnp.zeros((count, len(SMPL_24), 3))),
        Extrinsics(
            jnp.broadcast_to(jnp.eye(3), (count, 1, 3, 3)), jnp.zeros((count, 1, 3))
        ),
        jax.tree.map(lambda a: jnp.asarray(a)[:, None], people.encoder_input),
    )
    bodies = one_view_fits(models, scenes, settings, data_weight)
    only = lambda body: jax.tree.map(lambda a: a[:, 0], body)  # noqa: E731
    return {method: only(body) for method, body in bodies.items()}


def _sources(
    config: ml_collections.ConfigDict, table: Table, spec: ModelSpec
) -> Iterator[TableSource]:
    sizes = config.batch_size, config.num_people
    yield from dataset_sources(table, spec, config.rows, dataset_people, *sizes)
    yield from benchmark_sources(
        table, spec, config.benchmark, config.conditions, *sizes
    )
