"""Makes the methods that "evaluate_video" and "evaluate_real_video" measure."""

import dataclasses
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ml_collections
import numpy as np

from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.track_fit import MEMORY, TrackFitSettings, TrackFitter
from prohmr_jax.bulk_fitting.track_start import TrackStart
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.modes.config_checks import require_least, require_some
from prohmr_jax.solver.problem import Settings

# So long a time that terms which join frames do not count.
_NEVER = 1e6
# Nobody is judged here.
_LIMITS = Limits(np.inf, -np.inf, np.inf, (0.0, np.inf), (0.0, np.inf), 0.0)
_LEAST = {
    "max_steps": 1, "data_weights": 0, "joint_accelerations": 1e-3,
    "place_accelerations": 1e-3, "foot_velocities": 1e-4,
}  # fmt: skip


def require_methods(config: ml_collections.ConfigDict) -> None:
    """Refuses settings of fits that cannot be used.

    Args:
      config: a config that `track_methods` takes.

    Raises:
      InputError: a key has no value, or one that is too small.
    """
    require_some(config, *(key for key in _LEAST if key != "max_steps"))
    require_least(config, _LEAST)


def track_methods(
    config: ml_collections.ConfigDict, window: int, overlap: int = 0
) -> Mapping[str, TrackFitSettings]:
    """Returns the settings of all methods by their names in tables.

    Args:
      config: a config with the weights of fits of tracks, each a tuple.
      window: number of frames that are fitted at once.
      overlap: number of frames that windows share.
    """
    common = TrackFitSettings(
        _LIMITS,
        window=window,
        overlap=overlap,
        frames_at_once=window,
        minimise=Settings(max_steps=config.max_steps, memory=MEMORY),
    )
    methods = {"modes of single frames": dataclasses.replace(common, smooth=False)}
    for weight in config.data_weights if config.single_frames else ():
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


def fitted_columns(fitter: TrackFitter, start: TrackStart) -> Columns:
    """Returns what a method makes of a track; nothing is kept on disk.

    Args:
      fitter: the method.
      start: predictions of the person.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = RunFolder(Path(folder) / "parts", {}, Path(folder) / "none")
        columns = fitter(start, parts, lambda _: None)
        parts.close()
    return columns
