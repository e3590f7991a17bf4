"""Fits the people of a batch to their keypoints (Eq. 11): the job of the mode "fit"."""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.initialization import (
    InitialFit,
    Initializer,
    PersonArrays,
    person_columns,
)
from prohmr_jax.bulk_fitting.jobs import Columns, minimum_columns
from prohmr_jax.bulk_fitting.judged_columns import judged_columns
from prohmr_jax.bulk_fitting.person_stream import PersonBatch
from prohmr_jax.fitting.keypoints import KeypointFit, fitted, keypoint_problem
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointData,
    KeypointParams,
    bind_keypoints,
)
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.solver.slots import Slots, map_batches

DETECTORS = ("", "movenet")
"""Detectors whose joints and errors are known; empty for one that is not."""


@dataclasses.dataclass(frozen=True)
class KeypointFitSettings:
    """Says how people are fitted to keypoints."""

    limits: Limits
    """Limits by which fitted bodies are judged."""
    frame: str = "crop"
    """Frame of the data term, one of `initialization.FRAMES`."""
    use_hips: bool = False
    """Whether bodies are fitted to the detected hips."""
    detector: str = ""
    """Detector that found the keypoints, one of `DETECTORS`; empty for any other."""
    data_weight: float = 1.0
    """Weight of the data term, relative to the published one."""
    num_hypotheses: int = 1
    """Number of hypotheses before the fit, the mode included."""
    seed: int = 0
    """Seed of the samples."""
    slots: int = 64
    """Number of people that are solved at a time."""
    minimise: Settings = Settings()
    """Settings of the optimiser."""
    other_body: bool = False
    """Whether the weights were trained on another body."""


@dataclasses.dataclass(frozen=True)
class KeypointProblem:
    """Holds the fits of the people of a batch before they are solved, NumPy."""

    people: PersonArrays
    """People as arrays."""
    initial: InitialFit
    """Predictions that the fits start from."""
    start: KeypointParams
    """Initial unknowns: the mode."""
    data: KeypointData
    """Data that bodies are fitted to."""


class KeypointFitJob:
    """Fits people to their keypoints; it implements `jobs.Job`."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: KeypointFitSettings,
        focal_length_px: float,
    ):
        """Keeps what all people have in common.

        Args:
          model: weights, prepared for inference.
          body: body model that the weights were trained with.
          settings: how people are fitted.
          focal_length_px: focal length of photos whose camera is not known, pixels; 0
            for a lens like the crop's.
        """
        self._settings = settings
        detector = load_detector_errors() if settings.detector else None
        self._model = FittingModel(model.flow, body, detector)
        self._initializer = Initializer(
            model,
            body,
            settings.frame,
            focal_length_px,
            settings.num_hypotheses,
            settings.seed,
        )

    def slots(self) -> Slots:
        """Returns the slots that minimise Eq. 11."""
        objective = bind_keypoints(self._model)
        return Slots(objective, self._settings.minimise, self._settings.slots)

    def prepare(self, batch: PersonBatch) -> KeypointProblem:
        """Returns the fits of the people of a batch, which start from the modes."""
        size = self._settings.slots
        people, initial = self._initializer(batch.people, size)
        problem = functools.partial(
            keypoint_problem, self._model, use_hips=self._settings.use_hips
        )
        betas = initial.prediction.hypotheses.smpl.betas[:, 0]
        arguments = initial.prediction.context, betas, initial.view
        start, data = map_batches(problem, arguments, size)
        # The data term takes the squares of confidences.
        factor = np.sqrt(np.float32(self._settings.data_weight))
        confidence = factor * data.keypoints.confidence
        weighted = data.keypoints.replace(confidence=confidence)
        data = data.replace(keypoints=weighted)
        return KeypointProblem(people, initial, start, data)

    def finish(
        self, batch: PersonBatch, problem: KeypointProblem, minimum: Minimum
    ) -> Columns:
        """Returns the columns of `tables.FitTable`."""
        finish = functools.partial(_fitted_bodies, self._model)
        arguments = problem.data, minimum
        fit, pose = map_batches(finish, arguments, self._settings.slots)
        # The flow's volume change does not depend on z: the log-density of a fit
        # differs from the mode's by the logarithm of the normal density of z alone.
        mode_log_prob = problem.initial.prediction.hypotheses.log_prob[:, 0]
        columns = {
            **person_columns(batch.people, problem.people, problem.initial),
            "fit_z": fit.z,
            "fit_pose_axis_angle": pose,
            "fit_log_prob": mode_log_prob - 0.5 * np.sum(fit.z**2, axis=-1),
            "fit_joints": fit.body.joints,
            "fit_betas": fit.smpl.betas,
            "fit_translation": fit.camera.translation,
            **minimum_columns(minimum),
        }
        return columns | judged_columns(
            self._model.body,
            columns,
            self._settings.limits,
            other_body=self._settings.other_body,
            use_hips=self._settings.use_hips,
            size=self._settings.slots,
        )


@jax.jit
def _fitted_bodies(
    model: FittingModel, data: KeypointData, minimum: Minimum
) -> tuple[KeypointFit, Float[Array, "B 24 3"]]:
    """Returns the fitted bodies and their poses as axis-angle, radians."""
    fit = fitted(model, data, minimum)
    return fit, rotmat_to_axis_angle(fit.smpl.rotmats)
