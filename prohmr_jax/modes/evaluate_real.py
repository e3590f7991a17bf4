"""Runs the mode "evaluate_real": measures the model on filmed people.

Several calibrated cameras film the same people. What the model predicts from one view
is compared with what the other views see (`docs/real_footage.md`).
"""

import functools
import itertools
import logging
import pathlib
from collections.abc import Callable

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.detection.detector import load_detector
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_pose
from prohmr_jax.evaluation.footage import (
    FilmedPeople,
    film_people,
    photos_of_moment,
)
from prohmr_jax.evaluation.footage_errors import (
    FootageModels,
    LimbErrors,
    TrueLimbs,
    limb_errors,
    view_errors,
)
from prohmr_jax.evaluation.footage_fits import (
    ViewCameras,
    fitted_limbs,
    fused_limbs,
    joint_limbs,
)
from prohmr_jax.evaluation.footage_pictures import modes_over_views
from prohmr_jax.evaluation.footage_report import FootageReport, Row
from prohmr_jax.evaluation.footage_truth import (
    LIMBS_12,
    PseudoTruth,
    is_measurable,
    located_by,
    located_by_others,
    truth_precision,
)
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.files.images import write_png
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.config_checks import (
    require_keypoint_model,
    require_least,
    require_some,
)
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.solver.problem import Settings
from prohmr_jax.solver.slots import map_batches
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)
_LIMBS = np.array(LIMBS_12.positions_in(BODY_25))
_LEAST_SAMPLES = 2
_LEAST = {
    "seed": 0, "frame_step": 1, "max_frames": 0, "best_of": 1, "data_weights": 0,
    "max_steps": 1, "batch_size": 1, "pictures": 0,
}  # fmt: skip


def run(config: ml_collections.ConfigDict) -> FootageReport:
    """Measures the model on footage; prints, writes and returns the report.

    Args:
      config: see `configs/evaluate_real.py`.

    Raises:
      InputError: footage, weights or body cannot be used, no view can be measured, or
        the report not be written.
    """
    require_least(config, _LEAST)
    require_some(config, "best_of", "data_weights")
    if max(config.best_of) < _LEAST_SAMPLES:
        what = f"needs {_LEAST_SAMPLES} samples or more, to measure a distribution"
        raise InputError("config.best_of", what)
    models = _models(config)
    output = pathlib.Path(config.output)
    people = film_people(
        pathlib.Path(config.input),
        output / "detections",
        load_detector(),
        config.frame_step,
        config.max_frames,
    )
    xy = people.keypoints.xy[:, :, _LIMBS]
    confidence = people.keypoints.confidence[:, :, _LIMBS]
    others = located_by_others(people.rig, xy, confidence)
    measured = is_measurable(confidence, others)
    if not measured.any():
        raise InputError(config.input, "in no view are enough joints located")
    settings = Settings(max_steps=config.max_steps)
    report = FootageReport(
        source=pathlib.Path(config.input).name,
        num_frames=people.num_frames,
        num_sightings=len(people),
        cameras=people.names,
        located=float(others.is_located.mean()),
        num_left_out=int((~measured).sum()),
        precision=truth_precision(people.rig, xy, confidence),
        best_of=tuple(config.best_of),
    )
    report = _one_view(config, models, people, others, measured, settings, report)
    _write(output, report)
    _draw(config, models, people, output)
    methods = {"": lambda k, c: {"fusion": fused_limbs(models, k)}}
    for weight in config.data_weights:
        methods[f", data weight x {weight:g}"] = lambda k, c, w=weight: joint_limbs(
            models, k, c, w, settings
        )
    for number in range(2, len(people.rig) + 1):
        for suffix, limbs_of in methods.items():
            rows = _several_views(config.batch_size, people, number, limbs_of, suffix)
            report = report.with_rows(rows)
            _write(output, report)
    print(report.text())
    return report


def _models(config: ml_collections.ConfigDict) -> FootageModels:
    body, identity = read_identified_body(config.body)
    path = config.checkpoint or KEYPOINT_WEIGHTS
    spec, variables = load_weights(path)
    require_keypoint_model(path, spec)
    warn_of_other_body(path, identity)
    model = prepare(build_model(spec), variables)
    if model.flow is None:
        raise InputError(path, "holds a model without a distribution")
    return FootageModels(
        model, body, load_detector_errors(), mean_pose(load_pose_prior())
    )


def _one_view(
    config: ml_collections.ConfigDict,
    models: FootageModels,
    people: FilmedPeople,
    truth: PseudoTruth,
    measured: np.ndarray,
    settings: Settings,
    report: FootageReport,
) -> FootageReport:
    """Returns the report with what is measured of each view alone."""
    keypoints = _chosen(people.keypoints, measured)
    true = TrueLimbs(
        truth.joints[measured].astype(np.float32), truth.is_located[measured]
    )
    numbers = np.flatnonzero(measured.ravel()).astype(np.uint32)
    measure = functools.partial(
        view_errors, counts=tuple(config.best_of), seed=config.seed
    )
    errors = map_batches(
        lambda k, t, n: measure(models, k, t, n),
        (keypoints, true, numbers),
        config.batch_size,
    )
    times = np.repeat(np.arange(len(people)), measured.sum(axis=1))
    report = report.with_views(errors, times, config.seed)
    rows = []
    for weight in config.data_weights:
        limbs = map_batches(
            lambda k, w=weight: fitted_limbs(models, k, w, settings),
            (keypoints,),
            config.batch_size,
        )
        fitted = jax.device_get(limb_errors(limbs, true))
        name = f"mode + fitting, data weight x {weight:g}"
        rows.append(Row(name, "one view", fitted, times, "other views"))
    return report.with_rows(rows)


def _several_views(
    batch_size: int,
    people: FilmedPeople,
    number: int,
    limbs_of: Callable[[Keypoints2D, ViewCameras], dict[str, jax.Array]],
    suffix: str,
) -> list[Row]:
    """Returns rows of the methods that use some views of a person together.

    Each group of views is scored against the views that are not in it where there are
    two, and against all views where there are fewer.
    """
    views = range(len(people.rig))
    parts: dict[str, list[tuple[LimbErrors, np.ndarray]]] = {}
    groups = list(itertools.combinations(views, number))
    xy = people.keypoints.xy[:, :, _LIMBS]
    confidence = people.keypoints.confidence[:, :, _LIMBS]
    is_independent = len(people.rig) - number >= 2
    for group in tqdm(groups, desc=f"{number} views{suffix}", unit="group"):
        rest = [view for view in views if view not in group]
        chosen = rest if is_independent else list(views)
        truth = located_by(people.rig, xy, confidence, chosen)
        inside = list(group)
        truth = PseudoTruth(truth.joints[:, inside], truth.is_located[:, inside])
        rows = np.flatnonzero(is_measurable(confidence[:, inside], truth).all(axis=1))
        if not len(rows):
            continue
        keypoints = _chosen(people.keypoints, np.ix_(rows, inside))
        known = _cameras(people, inside, len(rows))
        limbs = map_batches(limbs_of, (keypoints, known), batch_size)
        true = TrueLimbs(truth.joints[rows].astype(np.float32), truth.is_located[rows])
        for name, predicted in limbs.items():
            errors = jax.device_get(limb_errors(predicted, true))
            # A person in a group of views counts once.
            mean = jax.tree.map(lambda a: a.mean(axis=1), errors)
            parts.setdefault(name, []).append((mean, rows))
    return [
        Row(
            name + suffix,
            f"{number} views",
            jax.tree.map(lambda *a: np.concatenate(a), *(part for part, _ in of_name)),
            np.concatenate([rows for _, rows in of_name]),
            "other views" if is_independent else "all views",
        )
        for name, of_name in parts.items()
    ]


def _chosen(keypoints: Keypoints2D, rows) -> Keypoints2D:
    return jax.tree.map(lambda a: a[rows].astype(np.float32), keypoints)


def _cameras(people: FilmedPeople, views: list[int], number: int) -> ViewCameras:
    """Returns the cameras of some views, for each of a number of sightings."""
    rig = people.rig[views]
    focal = rig.intrinsics[:, [0, 1], [0, 1]]
    center = rig.intrinsics[:, :2, 2]
    cameras = ViewCameras(Extrinsics(rig.rotation, rig.translation), focal, center)
    return jax.tree.map(
        lambda a: np.broadcast_to(a, (number, *a.shape)).astype(np.float32), cameras
    )


def _draw(
    config: ml_collections.ConfigDict,
    models: FootageModels,
    people: FilmedPeople,
    output: pathlib.Path,
) -> None:
    """Draws all views of some moments: the detections, and the modes below them."""
    chosen = np.linspace(0, len(people) - 1, min(config.pictures, len(people)))
    for sighting in chosen.astype(int):
        frame = int(people.frame[sighting])
        photos = photos_of_moment(pathlib.Path(config.input), frame)
        keypoints = _chosen(people.keypoints, sighting)
        bodies = modes_over_views(models, keypoints, [photos[n] for n in people.names])
        path = output / f"frame_{frame:06d}.png"
        write_png(path, contact_sheet(bodies, len(people.rig), people.names))
        _LOG.info("wrote %s", path)


def _write(output: pathlib.Path, report: FootageReport) -> None:
    path = output / "report.md"
    write_atomically(path, lambda stream: stream.write(report.text().encode()))
    _LOG.info("wrote %s", path)
