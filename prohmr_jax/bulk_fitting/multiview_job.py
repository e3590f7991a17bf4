"""Views of people made to agree, by the window: the `solving.Job` of groups.

Three kinds: "fusion" is Eq. 12 alone, of the bodies' likelihoods; "joint" fits them to
the keypoints of all views as well; the latter with known cameras has one body in the
world.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.bulk_fitting.initialization import Guesser, person_columns
from prohmr_jax.bulk_fitting.jobs import Columns, minimum_columns
from prohmr_jax.bulk_fitting.multiview_sources import Group
from prohmr_jax.bulk_fitting.person_stream import Window
from prohmr_jax.fitting.multiview_fusion import FUSION_SETTINGS, fusion_problem
from prohmr_jax.fitting.multiview_joint import (
    Extrinsics,
    bind_joint,
    joint_problem,
    mean_rotation,
    placed_views,
    world_body,
)
from prohmr_jax.fitting.objectives import FittingModel, bind_multiview, decode_body
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.minimise import Minimum, Settings
from prohmr_jax.solver.slots import Slots, map_batches

FUSION, JOINT = "fusion", "joint"
# The unknowns of many views are too many for matrices of all pairs.
_MOST_VIEWS_AS_MATRICES = 12
_MEMORY = 100


@dataclasses.dataclass(frozen=True)
class FuseSettings:
    """How to make views agree."""

    views: int
    """To which people with fewer are filled up."""
    method: str = JOINT
    """FUSION or JOINT."""
    calibrated: bool = False
    frame: str = "crop"
    """One of `guesses.FRAMES`; known cameras count pixels of crops before them."""
    use_hips: bool = False
    slots: int = 8
    max_steps: int = 1000

    @property
    def minimise(self) -> Settings:
        """Settings of the optimiser."""
        if self.method == FUSION:
            return dataclasses.replace(FUSION_SETTINGS, max_steps=self.max_steps)
        memory = None if self.views <= _MOST_VIEWS_AS_MATRICES else _MEMORY
        return Settings(max_steps=self.max_steps, memory=memory)


class Fuser:
    """A model, a body and settings, for any number of groups."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: FuseSettings,
        focal_length_px: float,
    ):
        """Takes what every person shares; `focal_length_px` as in `gather`."""
        self._settings = settings
        self._model = FittingModel(model.flow, body)
        frame = "crop_of_image" if settings.calibrated else settings.frame
        self._guesser = Guesser(model, body, frame, focal_length_px)

    def slots(self) -> Slots:
        """Returns the places in which people are solved."""
        settings = self._settings
        if settings.method == FUSION:
            objective = bind_multiview(self._model.flow)
        else:
            objective = bind_joint(self._model)
        return Slots(objective, settings.minimise, settings.slots)

    def open(self, window: Window):
        """Returns what the model says of every view, and the fits that start there."""
        groups, size = window.people, self._settings.slots
        views = [view for group in groups for view in group.views]
        seen, made = self._guesser(views, size * self._settings.views)
        padded = functools.partial(_padded, groups, self._settings.views)
        valid = padded(np.ones(len(views), np.float32))
        people = (
            padded(made.prediction.context),
            padded(made.prediction.hypotheses.smpl.betas[:, 0]),
        )
        if self._settings.method == FUSION:
            problem = functools.partial(fusion_problem, self._model)
            start, data, shape = map_batches(problem, (*people, valid), size)
        else:
            view = jax.tree.map(padded, made.view)
            extrinsics = self._extrinsics(groups)
            problem = functools.partial(
                joint_problem, self._model, use_hips=self._settings.use_hips
            )
            arguments = (*people, view, valid, extrinsics)
            start, data = map_batches(problem, arguments, size)
            shape = None
        before = jax.tree.map(padded, person_columns(views, seen, made))
        return (before, valid, data, shape), (start, data)

    def _extrinsics(self, groups: Sequence[Group]) -> Extrinsics | None:
        if not self._settings.calibrated:
            return None
        cameras = [camera for group in groups for camera in group.cameras]
        padded = functools.partial(_padded, groups, self._settings.views)
        return Extrinsics(
            padded(np.stack([camera.rotation for camera in cameras])),
            padded(np.stack([camera.translation for camera in cameras])),
        )

    def close(self, window: Window, opened: Any, minimum: Minimum) -> Columns:
        """Returns the columns of `ViewsTable`, or of `WorldTable`."""
        before, valid, data, shape = opened
        size = self._settings.slots
        if self._settings.method == FUSION:
            finish = functools.partial(_finish_fusion, self._model)
            place = before["translation"]
            after = map_batches(finish, (minimum, data, shape, place), size)
        else:
            finish = functools.partial(_finish_joint, self._model)
            after = map_batches(finish, (minimum, data), size)
        after = {
            name: _zero_padding(valid, column) if name in _BY_VIEW else column
            for name, column in after.items()
        }
        columns = {
            "person": np.array([group.person for group in window.people]),
            "valid": valid,
            **before,
            # One hypothesis of each view: the mode.
            **{name: before[name][:, :, 0] for name in _BY_HYPOTHESIS},
            **after,
            **minimum_columns("fit", minimum),
        }
        if self._settings.calibrated:
            extrinsics = self._extrinsics(window.people)
            columns["camera_rotation"] = extrinsics.rotation
            columns["camera_translation"] = extrinsics.translation
        return columns


_BY_HYPOTHESIS = ("pose_axis_angle", "log_prob", "joints")
_BY_VIEW = ("fit_z", "fit_pose_axis_angle", "fit_joints", "fit_translation")


def _padded(groups: Sequence[Group], views: int, rows: np.ndarray) -> np.ndarray:
    """Rows of all views, one after another, as [groups, views]; the rest is zero."""
    made = np.zeros((len(groups), views, *rows.shape[1:]), rows.dtype)
    first = 0
    for number, group in enumerate(groups):
        count = len(group.views)
        made[number, :count] = rows[first : first + count]
        first += count
    return made


def _zero_padding(valid: np.ndarray, column: np.ndarray) -> np.ndarray:
    wide = valid.reshape(*valid.shape, *(1,) * (column.ndim - valid.ndim))
    return np.where(wide > 0, column, 0)


def _columns_of(smpl, body, z, betas, translation, valid) -> dict[str, jax.Array]:
    return {
        "fit_z": z,
        "fit_pose_axis_angle": rotmat_to_axis_angle(smpl.rotmats),
        "fit_body_pose": rotmat_to_axis_angle(mean_rotation(smpl.body_pose, valid)),
        "fit_betas": betas,
        "fit_joints": body.joints,
        "fit_translation": translation,
    }


@jax.jit
def _finish_fusion(model: FittingModel, minimum: Minimum, data, betas, translation):
    z = minimum.params
    smpl, body = decode_body(model, z, betas, data.context)
    return _columns_of(smpl, body, z, betas[:, 0], translation, data.valid)


@jax.jit
def _finish_joint(model: FittingModel, minimum: Minimum, data):
    found = minimum.params
    smpl, body, camera = placed_views(model, found, data)
    columns = _columns_of(
        smpl, body, found.z, found.betas, camera.translation, data.valid
    )
    if data.extrinsics is None:
        return columns
    one, placed = world_body(model, found, data)
    turned = body_joints(model.body, one)
    return {
        **columns,
        "world_orient": rotmat_to_axis_angle(one.global_orient),
        "world_joints": placed.joints,
        "world_translation": placed.joints[..., 0, :] - turned.joints[..., 0, :],
    }
