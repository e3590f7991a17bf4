"""Runs "evaluate_video": measures fits of tracks on videos of known movement.

See `evaluation.track_scenes` for the videos and `evaluation.track_errors` for what is
measured. The defaults of `configs/video.py` were chosen by it, on other clips than
those of the numbers in `docs/video.md`.
"""

import dataclasses
import itertools

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.track_fit import TrackFitter
from prohmr_jax.bulk_fitting.track_start import TrackPredictor, VideoCamera
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.track_errors import TrackErrors, track_errors
from prohmr_jax.evaluation.track_report import errors_table
from prohmr_jax.evaluation.track_scenes import (
    FOCAL_LENGTH_PX,
    IMAGE_SIZE,
    TrackScene,
    make_track_scene,
)
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.modes.config_checks import (
    require_least,
    require_some,
    require_words,
)
from prohmr_jax.modes.track_methods import (
    fitted_columns,
    require_methods,
    track_methods,
)
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.structs import SmplParams
from prohmr_jax.tracking.person_tracks import PersonTrack

FRAME_RATE = 30.0
_LEAST = {"num_clips": 0, "num_frames": 8, "num_draws": 1, "seed": 0}
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
    require_least(config, _LEAST)
    require_some(config, "correlations")
    require_methods(config)
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
        for name, settings in track_methods(config, config.num_frames).items()
    }
    # Clip after clip, so that the report of a run that is stopped counts all draws.
    tracks = list(itertools.product(range(len(clips)), range(config.num_draws)))
    means, text = {}, ""
    for correlation in config.correlations:
        errors: dict[str, list[TrackErrors]] = {}
        for done, (number, draw) in enumerate(tqdm(tracks, unit="track"), start=1):
            seed = config.seed + number + len(clips) * draw
            scene = make_track_scene(body, clips[number].axis_angle, correlation, seed)
            start = predictor(_track(scene))
            for name, fitter in fitters.items():
                columns = fitted_columns(fitter, start)
                joints = _kinematic_joints(body, columns)
                errors.setdefault(name, []).append(track_errors(joints, scene))
            section = _section(f"{correlation:g}", errors, tracks[:done], clips, config)
            _write(config.report, text + section)
        name = f"{correlation:g}"
        means[name] = {method: _mean(several) for method, several in errors.items()}
        text += section
    print(text)
    return means


def _write(path: str, text: str) -> None:
    if path:
        write_atomically(path, lambda stream: stream.write(text.encode()))


def _clips(config: ml_collections.ConfigDict) -> list[HeldOutClip]:
    """Returns parts of clips, each from the middle of a clip."""
    if not config.held_out:
        raise InputError("config.held_out", "is empty: name the held-out clips")
    long_enough = [
        clip
        for clip in read_held_out_clips(config.held_out)
        if (not config.splits or clip.split.value in config.splits)
        and len(clip.axis_angle) >= config.num_frames
    ]
    if not long_enough:
        what = f"has no clip of {config.num_frames} frames in {config.splits}"
        raise InputError(config.held_out, what)
    count = config.num_clips or len(long_enough)
    places = np.linspace(0, len(long_enough) - 1, count).round().astype(int)
    chosen = [long_enough[place] for place in np.unique(places)]
    return [
        dataclasses.replace(clip, axis_angle=_middle(clip.axis_angle, config))
        for clip in chosen
    ]


def _middle(poses: np.ndarray, config: ml_collections.ConfigDict) -> np.ndarray:
    start = (len(poses) - config.num_frames) // 2
    return poses[start : start + config.num_frames]


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


def _section(
    correlation: str,
    errors: dict[str, list[TrackErrors]],
    tracks: list[tuple[int, int]],
    clips: list[HeldOutClip],
    config: ml_collections.ConfigDict,
) -> str:
    """Returns the table of one correlation, and what it is a table of."""
    numbers = [number for number, _ in tracks]
    measured = [clips[number] for number in sorted(set(numbers))]
    splits = sorted({clip.split.value for clip in measured})
    table = errors_table(_COLUMNS, errors, numbers, config.seed)
    return (
        f"{len(measured)} clips of {config.num_frames} frames ({', '.join(splits)}), "
        f"{len(tracks)} tracks, at most {config.max_steps} steps, seed {config.seed}. "
        f"The errors of keypoints in successive frames have the correlation "
        f"{correlation}. Intervals of 95 % are by bootstrap over clips.\n"
        f"\n{table}\n\n"
        f"The clips are {', '.join(clip.name for clip in measured)}.\n\n"
    )
