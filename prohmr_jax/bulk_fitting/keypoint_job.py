"""Fits of people to their keypoints, by the window: before and after."""

import dataclasses
import functools

import jax
import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.initialization import Guesser, person_columns
from prohmr_jax.bulk_fitting.jobs import Columns, minimum_columns
from prohmr_jax.bulk_fitting.person_stream import Window
from prohmr_jax.fitting.keypoints import fitted, keypoint_problem
from prohmr_jax.fitting.objectives import FittingModel, bind_keypoints
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.minimise import Minimum, Settings
from prohmr_jax.solver.slots import Slots, map_batches


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How to fit."""

    frame: str = "crop"
    """One of `guesses.FRAMES`."""
    use_hips: bool = False
    num_hypotheses: int = 1
    seed: int = 0
    slots: int = 64
    minimise: Settings = Settings()


class Fitter:
    """A model, a body and settings: the `solving.Job` of fits to keypoints."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: FitSettings,
        focal_length_px: float,
    ):
        """Takes what every person shares; `focal_length_px` as in `gather`."""
        self._settings = settings
        self._model = FittingModel(model.flow, body)
        self._guesser = Guesser(
            model,
            body,
            settings.frame,
            focal_length_px,
            settings.num_hypotheses,
            settings.seed,
        )

    def slots(self) -> Slots:
        """Returns the places in which people are solved."""
        objective = bind_keypoints(self._model)
        return Slots(objective, self._settings.minimise, self._settings.slots)

    def open(self, window: Window):
        """Returns what the model says of people, and the fits that start from it."""
        size = self._settings.slots
        seen, made = self._guesser(window.people, size)
        problem = functools.partial(
            keypoint_problem, self._model, use_hips=self._settings.use_hips
        )
        betas = made.prediction.hypotheses.smpl.betas[:, 0]
        people = made.prediction.context, betas, made.view
        start, data = map_batches(problem, people, size)
        return (seen, made, data), (start, data)

    def close(self, window: Window, opened, minimum: Minimum) -> Columns:
        """Returns the columns of `tables.FitTable`."""
        seen, made, data = opened
        finish = functools.partial(_finish, self._model)
        fit, pose = map_batches(finish, (data, minimum), self._settings.slots)
        # The volume does not depend on z: densities differ by the normal's alone.
        mode = made.prediction.hypotheses.log_prob[:, 0]
        return {
            **person_columns(window.people, seen, made),
            "fit_z": fit.z,
            "fit_pose_axis_angle": pose,
            "fit_log_prob": mode - 0.5 * np.sum(fit.z**2, axis=-1),
            "fit_joints": fit.body.joints,
            "fit_betas": fit.smpl.betas,
            "fit_translation": fit.camera.translation,
            **minimum_columns("fit", minimum),
        }


@jax.jit
def _finish(model: FittingModel, data, minimum: Minimum):
    fit = fitted(model, data, minimum)
    return fit, rotmat_to_axis_angle(fit.smpl.rotmats)
