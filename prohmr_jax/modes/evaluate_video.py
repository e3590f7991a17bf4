"""Runs "evaluate_video": measures fits of tracks on videos of known movement.

See `evaluation.track_scenes` for the videos and `evaluation.track_errors` for what is
measured. The defaults of `configs/video.py` were chosen by it.
"""

import dataclasses
import itertools
import tempfile
from pathlib import Path

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.track_fit import MEMORY, TrackFitSettings, TrackFitter
from prohmr_jax.bulk_fitting.track_start import TrackPredictor, VideoCamera
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.track_errors import TrackErrors, track_errors
from prohmr_jax.evaluation.track_scenes import (
    FOCAL_LENGTH_PX,
    IMAGE_SIZE,
    TrackScene,
    make_track_scene,
)
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.poses.bank import read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import SmplParams
from prohmr_jax.tracking.person_tracks import PersonTrack

FRAME_RATE = 30.0
# So long a time that terms which join frames do not count.
_NEVER = 1e6
# Nobody is judged here.
_LIMITS = Limits(np.inf, -np.inf, np.inf, (0.0, np.inf), (0.0, np.inf), 0.0)
_COLUMNS = {
    "pa_mpjpe_mm": "PA-MPJPE (mm)",
    "mpjpe_mm": "MPJPE (mm)",
    "acceleration_mm": "acceleration error (mm/frame²)",
    "place_acceleration_mm": "pelvis acceleration error (mm/frame²)",
    "place_mm": "pelvis (mm)",
    "sliding_mm": "foot sliding (mm/frame)",
}


def run(config: ml_collections.ConfigDict) -> dict[str, dict[str, TrackErrors]]:
    """Prints a table for each correlation of errors, and returns the mean errors.

    Args:
      config: see `configs/evaluate_video.py`.

    Raises:
      InputError: the clips, weights or body cannot be used, or a key has no valid
        value.
    """
    require_words(config, {"splits": tuple(split.value for split in Split)})
    require_least(config, {"num_clips": 1, "num_frames": 8, "seed": 0, "max_steps": 1})
    clips = _clips(config)
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=3,
        num_meshes=0,
        focal_length_px=FOCAL_LENGTH_PX,
    )
    body, model = reconstructor.body, reconstructor.model
    predictor = TrackPredictor(
        model,
        body,
        VideoCamera(IMAGE_SIZE, FOCAL_LENGTH_PX, FRAME_RATE),
        source="clip",
        num_hypotheses=3,
        seed=config.seed,
        size=config.num_frames,
    )
    fitters = {
        name: TrackFitter(model, body, settings, FRAME_RATE)
        for name, settings in _methods(config).items()
    }
    means, text = {}, ""
    for correlation in config.correlations:
        errors: dict[str, list[TrackErrors]] = {}
        for number, poses in enumerate(tqdm(clips, unit="clip")):
            seed = config.seed + number
            scene = make_track_scene(body, poses, correlation, seed)
            start = predictor(_track(scene))
            for name, fitter in fitters.items():
                with tempfile.TemporaryDirectory() as folder:
                    parts = RunFolder(Path(folder) / "parts", {}, Path(folder) / "none")
                    columns = fitter(start, parts, lambda _: None)
                    parts.close()
                joints = _kinematic_joints(body, columns)
                errors.setdefault(name, []).append(track_errors(joints, scene))
        name = f"{correlation:g}"
        means[name] = {method: _mean(several) for method, several in errors.items()}
        text += _table(name, means[name], config)
    if config.report:
        write_atomically(config.report, lambda stream: stream.write(text.encode()))
    print(text)
    return means


def _methods(config: ml_collections.ConfigDict) -> dict[str, TrackFitSettings]:
    """Returns the settings of all methods by their names in the table."""
    common = TrackFitSettings(
        _LIMITS,
        window=config.num_frames,
        overlap=0,
        frames_at_once=config.num_frames,
        minimise=Settings(max_steps=config.max_steps, memory=MEMORY),
    )
    methods = {"modes of single frames": dataclasses.replace(common, smooth=False)}
    for weight in config.data_weights:
        methods[f"fits of single frames, data {weight:g}"] = dataclasses.replace(
            common,
            data_weight=weight,
            joint_acceleration=_NEVER,
            place_acceleration=_NEVER,
            foot_velocity=_NEVER,
        )
    for weight, joint, place, feet in itertools.product(
        config.data_weights,
        config.joint_accelerations,
        config.place_accelerations,
        config.foot_velocities,
    ):
        name = f"track, data {weight:g}, joints {joint:g}, pelvis {place:g}, "
        methods[f"{name}feet {feet:g}"] = dataclasses.replace(
            common,
            data_weight=weight,
            joint_acceleration=joint,
            place_acceleration=place,
            foot_velocity=feet,
        )
    return methods


def _clips(config: ml_collections.ConfigDict) -> list[np.ndarray]:
    """Returns the poses of parts of clips, each from the middle of a clip."""
    if not config.held_out:
        raise InputError("config.held_out", "is empty: name the held-out clips")
    long_enough = [
        clip.axis_angle
        for clip in read_held_out_clips(config.held_out)
        if (not config.splits or clip.split.value in config.splits)
        and len(clip.axis_angle) >= config.num_frames
    ]
    if not long_enough:
        what = f"has no clip of {config.num_frames} frames in {config.splits}"
        raise InputError(config.held_out, what)
    places = np.linspace(0, len(long_enough) - 1, config.num_clips)
    chosen = [long_enough[i] for i in np.unique(places.round().astype(int))]
    starts = [(len(poses) - config.num_frames) // 2 for poses in chosen]
    return [
        poses[start : start + config.num_frames]
        for poses, start in zip(chosen, starts, strict=True)
    ]


def _track(scene: TrackScene) -> PersonTrack:
    frames = len(scene.joints)
    keypoints = scene.keypoints
    return PersonTrack(
        0,
        np.arange(frames),
        keypoints.xy,
        keypoints.confidence,
        np.ones(frames, bool),
    )


def _kinematic_joints(body: BodyModel, columns: Columns) -> np.ndarray:
    """Returns the fitted kinematic joints, [F, 24, 3], metres, camera frame."""
    rotmats = axis_angle_to_rotmat(columns["fit_pose_axis_angle"])
    smpl = SmplParams.from_rotmats(rotmats, columns["fit_betas"])
    joints = jax.jit(body_joints)(body, smpl).kinematic_joints
    return np.asarray(joints) + columns["fit_translation"][:, None]


def _mean(errors: list[TrackErrors]) -> TrackErrors:
    """Returns the means over tracks; those without standing feet do not slide."""
    return TrackErrors(
        **{
            field.name: float(np.nanmean([getattr(e, field.name) for e in errors]))
            for field in dataclasses.fields(TrackErrors)
        }
    )


def _table(
    correlation: str, means: dict[str, TrackErrors], config: ml_collections.ConfigDict
) -> str:
    rows = [
        [method, *(f"{getattr(errors, name):.1f}" for name in _COLUMNS)]
        for method, errors in means.items()
    ]
    table = markdown.table(["method", *_COLUMNS.values()], rows)
    return (
        f"Correlation of errors in successive frames: {correlation}. At most "
        f"{config.num_clips} clips of {config.num_frames} frames, splits "
        f"{', '.join(config.splits) or 'all'}, seed {config.seed}, means over clips.\n"
        f"\n{table}\n\n"
    )
