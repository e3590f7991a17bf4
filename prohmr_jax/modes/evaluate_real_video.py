"""Runs "evaluate_real_video": measures fits of tracks on a filmed person.

Several calibrated cameras film one person. Each camera's track is fitted as in the mode
"video", and compared with the joints that the other cameras locate (`docs/video.md`).
"""

import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.body import body_joints
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.track_fit import TrackFitter
from prohmr_jax.bulk_fitting.track_start import TrackPredictor, VideoCamera
from prohmr_jax.detection.detector import load_detector
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.footage import film_people, frame_rate_of
from prohmr_jax.evaluation.footage_errors import FootageModels, limbs_as_detected
from prohmr_jax.evaluation.footage_tracks import (
    CameraTrack,
    FootageTrackErrors,
    camera_tracks,
    footage_track_errors,
)
from prohmr_jax.evaluation.track_report import errors_table
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.modes.config_checks import require_least
from prohmr_jax.modes.track_methods import (
    fitted_columns,
    require_methods,
    track_methods,
)
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.structs import SmplParams

_COLUMNS = {
    "pa_mpjpe_mm": "PA-MPJPE (mm)",
    "mpjpe_mm": "MPJPE (mm)",
    "acceleration_error_mm": "acceleration error (mm/frame²)",
    "acceleration_mm": "acceleration (mm/frame²)",
}
_LEAST = {"seed": 0, "frame_step": 1, "max_frames": 0, "window": 8}
# The samples are not measured here; `Initializer` needs some.
_HYPOTHESES = 3


def run(config: ml_collections.ConfigDict) -> dict[str, list[FootageTrackErrors]]:
    """Prints a report, and returns the errors of each method, camera by camera.

    Args:
      config: see `configs/evaluate_real_video.py`.

    Raises:
      InputError: footage, weights or body cannot be used, several people are filmed, or
        no frame can be measured.
    """
    require_least(config, _LEAST)
    require_methods(config)
    source, output = pathlib.Path(config.input), pathlib.Path(config.output)
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=_HYPOTHESES,
        num_meshes=0,
        focal_length_px=0.0,
    )
    if reconstructor.crop_px is not None:
        what = "sees photos; tracks need a model of keypoints"
        raise InputError(config.checkpoint, what)
    models = FootageModels(
        reconstructor.model,
        reconstructor.body,
        load_detector_errors(),
        mean_pose(load_pose_prior()),
    )
    people = film_people(
        source, output / "detections", load_detector(), config.frame_step,
        config.max_frames,
    )  # fmt: skip
    rate = frame_rate_of(source) / config.frame_step
    cameras = [
        camera
        for camera in camera_tracks(people, config.frame_step, rate)
        if camera.is_measured.any()
    ]
    if not cameras:
        raise InputError(config.input, "in no view are enough joints located")
    errors: dict[str, list[FootageTrackErrors]] = {}
    for camera in tqdm(cameras, unit="camera"):
        for method, limbs in _limbs(config, models, camera, rate).items():
            errors.setdefault(method, []).append(
                footage_track_errors(limbs, camera.truth, camera.is_measured)
            )
    text = _report(source.name, rate, cameras, errors, config)
    path = output / "report_tracks.md"
    write_atomically(path, lambda stream: stream.write(text.encode()))
    print(text)
    return errors


def _limbs(
    config: ml_collections.ConfigDict,
    models: FootageModels,
    camera: CameraTrack,
    frame_rate: float,
) -> dict[str, np.ndarray]:
    """Returns the limbs [F, 12, 3] of all methods in one camera."""
    frames = len(camera.track)
    mean = mean_body(models.body, models.mean_body_pose)
    pose = jnp.concatenate([jnp.eye(3)[None], models.mean_body_pose])
    betas = jnp.zeros(models.body.num_betas)
    mean_limbs = limbs_as_detected(models, mean, SmplParams(pose[0], pose[1:], betas))
    limbs = {"mean pose": np.tile(np.asarray(mean_limbs), (frames, 1, 1))}
    predictor = TrackPredictor(
        models.prohmr,
        models.body,
        VideoCamera(camera.image_size, camera.focal_length_px, frame_rate),
        source=camera.name,
        num_hypotheses=_HYPOTHESES,
        seed=config.seed,
        size=config.window,
    )
    start = predictor(camera.track)
    overlap = min(config.overlap, config.window // 2)
    for name, settings in track_methods(config, config.window, overlap).items():
        fitter = TrackFitter(models.prohmr, models.body, settings, frame_rate)
        columns = fitted_columns(fitter, start)
        limbs[name] = np.asarray(_limbs_of(models, *_poses(columns)))
    return limbs


def _poses(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    return columns["fit_pose_axis_angle"], columns["fit_betas"]


@jax.jit
def _limbs_of(models: FootageModels, pose, betas):
    """Returns the limbs of bodies where the detector puts them, metres."""
    smpl = SmplParams.from_rotmats(axis_angle_to_rotmat(pose), betas)
    return limbs_as_detected(models, body_joints(models.body, smpl), smpl)


def _report(
    source: str,
    frame_rate: float,
    cameras: list[CameraTrack],
    errors: dict[str, list[FootageTrackErrors]],
    config: ml_collections.ConfigDict,
) -> str:
    """Returns the report as Markdown."""
    true = {
        camera.name: footage_track_errors(
            camera.truth.joints, camera.truth, camera.is_measured
        ).acceleration_mm
        for camera in cameras
    }
    counts = ", ".join(
        f"{camera.name} {int(camera.is_measured.sum())} of {len(camera.track)}"
        for camera in cameras
    )
    shaking = ", ".join(f"{name} {value:.1f}" for name, value in true.items())
    rows = [
        [camera.name, method, *(f"{getattr(views[place], n):.1f}" for n in _COLUMNS)]
        for place, camera in enumerate(cameras)
        for method, views in errors.items()
    ]
    table = errors_table(_COLUMNS, errors, range(len(cameras)), config.seed)
    return (
        "\n\n".join(
            [
                f"# Tracks of {source}",
                f"{frame_rate:g} frames per second, at most {config.max_steps} steps. "
                f"Frames that are measured, of those of the track: {counts}. The "
                "joints are located by the other cameras; their own accelerations, "
                f"mm/frame², are {shaking}.",
                "Means over cameras, with 95 % intervals by bootstrap over the "
                f"{len(cameras)} cameras:",
                table,
                "Each camera:",
                markdown.table(["camera", "method", *_COLUMNS.values()], rows),
            ]
        )
        + "\n"
    )
