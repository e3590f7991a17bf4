"""Fits one body to a person in all frames of a track, window by window.

The shape is fitted first, to frames spread over the track; then the poses and places of
all frames, in overlapping windows, with the shape given. Finished windows are kept on
disk, so that a killed run continues. The mode "video" fits with a `TrackFitter`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.jobs import Columns, minimum_columns
from prohmr_jax.bulk_fitting.judged_columns import judged_columns
from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.track_problem import TrackProblems, decoded
from prohmr_jax.bulk_fitting.track_start import TrackStart
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.fitting.track_objective import (
    TrackData,
    TrackWeights,
    bind_track,
    placed_at,
    start_of,
)
from prohmr_jax.fitting.track_windows import Windows, split_into_windows
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.models.prohmr import POSE_FEATURES, PreparedProHMR
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.solver.slots import map_batches

MEMORY = 10
"""Number of steps that the optimiser remembers: all would take a matrix of the squared
number of unknowns."""
_SOLVED = ("loss", "start_loss", "steps", "evaluations", "reason")


@dataclasses.dataclass(frozen=True)
class TrackFitSettings:
    """Says how tracks are fitted."""

    limits: Limits
    """Limits by which bodies are judged."""
    smooth: bool = True
    """Whether tracks are fitted; otherwise each frame has its own mode."""
    data_weight: float = 0.1
    """Weight of the data term, relative to the published one."""
    joint_acceleration: float = 10.0
    """See `TrackWeights.joints`."""
    place_acceleration: float = 4.0
    """See `TrackWeights.place`."""
    foot_velocity: float = 0.05
    """See `TrackWeights.feet`."""
    use_hips: bool = False
    """Whether bodies are fitted to the detected hips."""
    window: int = 64
    """Number of frames of a window."""
    overlap: int = 16
    """Least number of frames that neighbouring windows share."""
    windows_at_once: int = 1
    """Number of windows that are solved at a time."""
    minimise: Settings = Settings(max_steps=300, memory=MEMORY)
    """Settings of the optimiser."""
    frames_at_once: int = 64
    """Number of frames that are decoded and judged at a time."""
    other_body: bool = False
    """Whether the weights were trained on another body."""


class TrackFitter:
    """Fits the people of one video."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: TrackFitSettings,
        frame_rate: float,
    ):
        """Keeps what all people have in common.

        Args:
          model: weights of a model of keypoints, prepared for inference.
          body: body model that the weights were trained with.
          settings: how tracks are fitted.
          frame_rate: frames per second.
        """
        self._model, self._settings = FittingModel(model.flow, body), settings
        weights = TrackWeights(
            joints=settings.joint_acceleration,
            place=settings.place_acceleration,
            feet=settings.foot_velocity,
        )
        self._problems = TrackProblems(
            self._model, frame_rate, settings.data_weight, settings.use_hips, weights
        )

    def __call__(
        self, start: TrackStart, parts: RunFolder, progress: Callable[[int], Any]
    ) -> Columns:
        """Returns the columns of the person's `VideoTable`.

        Args:
          start: predictions of the person in all frames.
          parts: where finished windows are kept.
          progress: is told the number of frames that are finished.
        """
        contact = self._problems.contact(start)
        columns = {**start.columns, "foot_contact": contact}
        if self._settings.smooth:
            columns |= self._fitted(start, contact, parts, progress)
        else:
            columns |= _as_predicted(start)
            progress(len(start.track))
        return columns | judged_columns(
            self._model.body,
            columns,
            self._settings.limits,
            other_body=self._settings.other_body,
            use_hips=self._settings.use_hips,
            size=self._settings.frames_at_once,
        )

    def _fitted(
        self,
        start: TrackStart,
        contact: np.ndarray,
        parts: RunFolder,
        progress: Callable[[int], Any],
    ) -> Columns:
        """Returns the columns of the fit to the whole track."""
        settings, number = self._settings, start.track.number
        windows = split_into_windows(
            len(start.track), settings.window, settings.overlap
        )
        betas = self._shape(start, parts)
        solved = []
        for first in range(0, len(windows.starts), settings.windows_at_once):
            group = range(
                first, min(first + settings.windows_at_once, len(windows.starts))
            )
            solved.append(
                parts.kept(
                    f"person{number}_window{first:04d}",
                    self._expected(len(group), len(betas)),
                    lambda group=group: self._solve(
                        start, contact, windows, group, betas
                    ),
                )
            )
            ends = [
                windows.starts[w] + windows.length for w in (group[0] - 1, group[-1])
            ]
            before = ends[0] if group[0] else 0
            progress(min(ends[1], len(start.track)) - before)
        joined = {
            name: np.concatenate([part[name] for part in solved]) for name in solved[0]
        }
        of_window = windows.window_of_frames()
        minimum = Minimum(None, *(joined[name][of_window] for name in _SOLVED))
        z = windows.joined(joined["z"])
        translation = windows.joined(joined["translation"])
        every_betas = np.repeat(betas[None], len(start.track), axis=0)
        pose, joints = map_batches(
            lambda *rows: decoded(self._model, *rows),
            (start.context, z, start.placed.turn, every_betas),
            settings.frames_at_once,
        )
        mode_log_prob = start.columns["log_prob"][:, 0]
        return {
            "fit_z": z,
            "fit_pose_axis_angle": pose,
            "fit_log_prob": mode_log_prob - 0.5 * np.sum(z**2, axis=-1),
            "fit_joints": joints,
            "fit_betas": every_betas,
            "fit_translation": translation,
            **minimum_columns(minimum),
        }

    def _shape(self, start: TrackStart, parts: RunFolder) -> Float[np.ndarray, " S"]:
        """Returns the shape that fits frames spread over the track."""
        window = self._settings.window
        measured = np.flatnonzero(start.track.measured)
        spread = np.linspace(0, len(measured) - 1, min(window, len(measured)))
        frames = measured[np.round(spread).astype(int)]
        valid = (np.arange(window) < len(frames)).astype(np.float32)
        frames = np.pad(frames, (0, window - len(frames)), mode="edge")

        def solve() -> dict[str, np.ndarray]:
            betas = start.betas[measured].mean(axis=0)
            data = self._problems.data(
                start, None, frames[None], valid[None], betas, free=True
            )
            params = self._minimum(data).params
            return {"betas": betas + params.betas[0]}

        expected = {"betas": Expected((start.betas.shape[1],), "real")}
        name = f"person{start.track.number}_shape"
        return parts.kept(name, expected, solve)["betas"]

    def _solve(
        self,
        start: TrackStart,
        contact: np.ndarray,
        windows: Windows,
        group: Sequence[int],
        betas: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Returns the arrays that are kept of some windows."""
        frames = np.stack([windows.frames(window) for window in group])
        valid = np.stack([windows.valid(window) for window in group])
        data = self._problems.data(start, contact, frames, valid, betas, free=False)
        minimum = self._minimum(data)
        return {
            "z": minimum.params.z,
            "translation": placed_at(minimum.params, data),
            **{name: getattr(minimum, name) for name in _SOLVED},
        }

    def _expected(self, count: int, num_betas: int) -> dict[str, Expected]:
        window = self._settings.window
        return {
            "z": Expected((count, window, POSE_FEATURES), "real"),
            "translation": Expected((count, window, 3), "real"),
            "loss": Expected((count,), "real"),
            "start_loss": Expected((count,), "real"),
            **{name: Expected((count,), "integer") for name in _SOLVED[2:]},
        }

    def _minimum(self, data: TrackData) -> Minimum:
        """Returns the minima of windows, in a batch of one compiled size."""
        count, size = len(data.valid), self._settings.windows_at_once
        rows = np.minimum(np.arange(size), count - 1)
        data = jax.tree.map(lambda a: np.asarray(a)[rows], data)
        minimum = minimise_batch(
            bind_track(self._model), start_of(data), data, self._settings.minimise
        )
        return jax.tree.map(lambda a: np.asarray(a)[:count], minimum)


def _as_predicted(start: TrackStart) -> Columns:
    """Returns the columns of the fit for tracks that are not fitted: the modes."""
    columns, frames = start.columns, len(start.track)
    zeros = np.zeros(frames, np.float32)
    minimum = Minimum(
        None, zeros, zeros, *np.zeros((2, frames), int), zeros.astype(int)
    )
    return {
        "fit_z": np.zeros((frames, POSE_FEATURES), np.float32),
        "fit_pose_axis_angle": columns["pose_axis_angle"][:, 0],
        "fit_log_prob": columns["log_prob"][:, 0],
        "fit_joints": columns["joints"][:, 0],
        "fit_betas": start.betas,
        "fit_translation": columns["translation"],
        **minimum_columns(minimum),
    }
