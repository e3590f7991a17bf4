"""Makes the views of each person agree on one body: the job of the mode "multiview".

There are two methods. "fusion" minimises Eq. 12 alone, from the views' likelihoods.
"joint" fits the body to the keypoints of all views as well; if the cameras are
calibrated, there is then one body in the world.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.bulk_fitting.initialization import Initializer, person_columns
from prohmr_jax.bulk_fitting.jobs import Columns, minimum_columns
from prohmr_jax.bulk_fitting.judged_columns import judged_columns
from prohmr_jax.bulk_fitting.person_stream import PersonBatch
from prohmr_jax.bulk_fitting.view_reader import PersonViews
from prohmr_jax.fitting.multiview_fusion import FUSION_SETTINGS, fusion_problem
from prohmr_jax.fitting.multiview_joint import (
    JointParams,
    JointViews,
    bind_joint,
    joint_problem,
    placed_views,
    world_body,
)
from prohmr_jax.fitting.objectives import (
    FittingModel,
    ViewsData,
    bind_multiview,
    decode_body,
)
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.geometry.rotations import mean_rotation, rotmat_to_axis_angle
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.solver.slots import Slots, map_batches
from prohmr_jax.structs import Body, SmplParams

FUSION, JOINT = "fusion", "joint"
# With more views the unknowns are too many for a matrix of all their pairs: the
# optimiser then keeps the last steps instead.
_MAX_VIEWS_WITH_MATRIX = 12
_MEMORY = 100
# Columns of which the problem holds every hypothesis, and the table the mode alone.
_MODE_COLUMNS = ("pose_axis_angle", "log_prob", "joints")
# Columns with an axis of views.
_VIEW_COLUMNS = ("fit_z", "fit_pose_axis_angle", "fit_joints", "fit_translation")


@dataclasses.dataclass(frozen=True)
class MultiviewFitSettings:
    """Says how the views of people are made to agree."""

    views: int
    """Number N of views that arrays have; people with fewer views are padded."""
    limits: Limits
    """Limits by which bodies are judged."""
    other_body: bool = False
    """Whether the weights were trained on another body."""
    method: str = JOINT
    """Method, FUSION or JOINT."""
    calibrated: bool = False
    """Whether the cameras of all views are known."""
    frame: str = "crop"
    """Frame of the data term, one of `initialization.FRAMES`; calibrated cameras
    always use "crop_of_image"."""
    use_hips: bool = False
    """Whether bodies are fitted to the detected hips."""
    slots: int = 8
    """Number of people that are solved at a time."""
    max_steps: int = 1000
    """Largest number of steps of the optimiser."""

    @property
    def minimise(self) -> Settings:
        """Returns the settings of the optimiser."""
        if self.method == FUSION:
            return dataclasses.replace(FUSION_SETTINGS, max_steps=self.max_steps)
        memory = None if self.views <= _MAX_VIEWS_WITH_MATRIX else _MEMORY
        return Settings(max_steps=self.max_steps, memory=memory)


@dataclasses.dataclass(frozen=True)
class MultiviewProblem:
    """Holds the views of the people of a batch before they are solved, NumPy."""

    columns: Columns
    """Columns of the table before the fit, arrays [P, N, ...] with zero padding."""
    valid: np.ndarray
    """Whether a view exists, [P, N]: 1 for a view, 0 for padding."""
    start: np.ndarray | JointParams
    """Initial unknowns: latents [P, N, 144] for fusion, or those of a joint fit."""
    data: ViewsData | JointViews
    """Data of the objective, for fusion or for a joint fit."""
    extrinsics: Extrinsics | None
    """World-to-camera transformations [P, N]; None without calibrated cameras."""
    mean_betas: np.ndarray | None
    """Mean shape of the views, [P, N, S], which fusion keeps; None for a joint fit."""


class MultiviewFitJob:
    """Makes the views of people agree on one body each; it implements `jobs.Job`."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: MultiviewFitSettings,
        focal_length_px: float,
    ):
        """Keeps what all people have in common.

        Args:
          model: weights, prepared for inference.
          body: body model that the weights were trained with.
          settings: how views are made to agree.
          focal_length_px: focal length of photos whose camera is not known, pixels; 0
            for a lens like the crop's.
        """
        self._settings = settings
        self._model = FittingModel(model.flow, body)
        frame = "crop_of_image" if settings.calibrated else settings.frame
        self._initializer = Initializer(model, body, frame, focal_length_px)

    def slots(self) -> Slots:
        """Returns the slots that minimise the method's objective."""
        settings = self._settings
        if settings.method == FUSION:
            objective = bind_multiview(self._model.flow)
        else:
            objective = bind_joint(self._model)
        return Slots(objective, settings.minimise, settings.slots)

    def prepare(self, batch: PersonBatch) -> MultiviewProblem:
        """Returns the fits of the people of a batch, which start from every mode."""
        people, settings = batch.people, self._settings
        size = settings.slots
        views = [view for person in people for view in person.views]
        arrays, initial = self._initializer(views, size * settings.views)
        pad = functools.partial(_pad_views, people, settings.views)
        valid = pad(np.ones(len(views), np.float32))
        context = pad(initial.prediction.context)
        betas = pad(initial.prediction.hypotheses.smpl.betas[:, 0])
        extrinsics = mean_betas = None
        if settings.calibrated:
            cameras = [camera for person in people for camera in person.cameras]
            extrinsics = Extrinsics(
                pad(np.stack([camera.rotation for camera in cameras])),
                pad(np.stack([camera.translation for camera in cameras])),
            )
        if settings.method == FUSION:
            problem = functools.partial(fusion_problem, self._model)
            start, data, mean_betas = map_batches(
                problem, (context, betas, valid), size
            )
        else:
            problem = functools.partial(
                joint_problem, self._model, use_hips=settings.use_hips
            )
            view = jax.tree.map(pad, initial.view)
            start, data = map_batches(
                problem, (context, betas, view, valid, extrinsics), size
            )
        columns = jax.tree.map(pad, person_columns(views, arrays, initial))
        return MultiviewProblem(columns, valid, start, data, extrinsics, mean_betas)

    def finish(
        self, batch: PersonBatch, problem: MultiviewProblem, minimum: Minimum
    ) -> Columns:
        """Returns the columns of `ViewsTable`, or of `WorldTable` if calibrated."""
        before, size = problem.columns, self._settings.slots
        if self._settings.method == FUSION:
            finish = functools.partial(_fused_columns, self._model)
            translation = before["translation"]
            arguments = minimum, problem.data, problem.mean_betas, translation
        else:
            finish = functools.partial(_joint_columns, self._model)
            arguments = minimum, problem.data
        after = map_batches(finish, arguments, size)
        for name in _VIEW_COLUMNS:
            after[name] = _zero_padding(problem.valid, after[name])
        columns = {
            "person": np.array([person.person for person in batch.people]),
            "valid": problem.valid,
            **before,
            # The only hypothesis of a view is its mode.
            **{name: before[name][:, :, 0] for name in _MODE_COLUMNS},
            **after,
            **minimum_columns(minimum),
        }
        columns |= judged_columns(
            self._model.body,
            columns,
            self._settings.limits,
            other_body=self._settings.other_body,
            use_hips=self._settings.use_hips,
            size=size,
        )
        if problem.extrinsics is not None:
            columns["camera_rotation"] = problem.extrinsics.rotation
            columns["camera_translation"] = problem.extrinsics.translation
        return columns


def _pad_views(
    people: Sequence[PersonViews], views: int, rows: np.ndarray
) -> np.ndarray:
    """Returns rows, one for each view of all people, as [P, N, ...] padded by zeros."""
    padded = np.zeros((len(people), views, *rows.shape[1:]), rows.dtype)
    first = 0
    for number, person in enumerate(people):
        count = len(person.views)
        padded[number, :count] = rows[first : first + count]
        first += count
    return padded


def _zero_padding(valid: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Returns a column [P, N, ...] with zeros where a view does not exist."""
    broadcast = valid.reshape(*valid.shape, *(1,) * (column.ndim - valid.ndim))
    return np.where(broadcast > 0, column, 0)


def _fit_columns(
    smpl: SmplParams,
    body: Body,
    z: jax.Array,
    betas: jax.Array,
    translation: jax.Array,
    valid: jax.Array,
) -> dict[str, jax.Array]:
    """Returns the columns that both methods have of people after the fit."""
    return {
        "fit_z": z,
        "fit_pose_axis_angle": rotmat_to_axis_angle(smpl.rotmats),
        "fit_body_pose": rotmat_to_axis_angle(mean_rotation(smpl.body_pose, valid)),
        "fit_betas": betas,
        "fit_joints": body.joints,
        "fit_translation": translation,
    }


@jax.jit
def _fused_columns(
    model: FittingModel,
    minimum: Minimum,
    data: ViewsData,
    betas: jax.Array,
    translation: jax.Array,
) -> dict[str, jax.Array]:
    z = minimum.params
    smpl, body = decode_body(model, z, betas, data.context)
    return _fit_columns(smpl, body, z, betas[:, 0], translation, data.valid)


@jax.jit
def _joint_columns(
    model: FittingModel, minimum: Minimum, data: JointViews
) -> dict[str, jax.Array]:
    params = minimum.params
    smpl, body, camera = placed_views(model, params, data)
    columns = _fit_columns(
        smpl, body, params.z, params.betas, camera.translation, data.valid
    )
    if data.extrinsics is None:
        return columns
    world_smpl, placed = world_body(model, params, data)
    unplaced = body_joints(model.body, world_smpl)
    return {
        **columns,
        "world_orient": rotmat_to_axis_angle(world_smpl.global_orient),
        "world_joints": placed.joints,
        "world_translation": placed.joints[..., 0, :] - unplaced.joints[..., 0, :],
    }
