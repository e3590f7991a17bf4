"""Turns predictions of a track into the data of windows, and latents into bodies.

`track_fit` fits tracks with it, and the evaluation of tracks does.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import gaussian_filter1d, median_filter

from prohmr_jax.body import body_joints
from prohmr_jax.bulk_fitting.track_start import TrackStart
from prohmr_jax.fitting.foot_contact import foot_contact
from prohmr_jax.fitting.keypoints import View, keypoint_problem
from prohmr_jax.fitting.objectives import FittingModel, decode_rotmats
from prohmr_jax.fitting.track_objective import TrackData, TrackWeights
from prohmr_jax.geometry.cameras import CROP_SIZE_PX
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.structs import SmplParams

# Spans of the filters that take jumps from the places where fits start, seconds.
_MEDIAN_SPAN_S, _MEAN_SPAN_S = 0.5, 0.15
# Height of a standing person over the side of the person's box.
_HEIGHT_OF_BOX = 1.0 / 1.2


@dataclasses.dataclass(frozen=True)
class TrackProblems:
    """Makes the problems of the people of one video."""

    model: FittingModel
    """The flow and the body model."""
    frame_rate: float
    """Frames per second."""
    data_weight: float
    """Weight of the data term, relative to the published one."""
    use_hips: bool
    """Whether bodies are fitted to the detected hips."""
    weights: TrackWeights
    """Scales of the terms that join frames, plain numbers."""

    def contact(self, start: TrackStart) -> Float[np.ndarray, "F 2"]:
        """Returns the certainty that each foot of a person stands, in [0, 1]."""
        track = start.track
        seen = (track.confidence > 0) & track.measured[:, None]
        height = _HEIGHT_OF_BOX * start.columns["box_size_px"]
        return foot_contact(track.xy, seen, height, self.frame_rate)

    def _calm_places(self, start: TrackStart) -> Float[np.ndarray, "F 3"]:
        """Returns the places of the modes without jumps, where fits start.

        The depth of a single frame is uncertain by a tenth and more.
        """
        places = start.placed.camera.translation
        span = max(3, 2 * round(_MEDIAN_SPAN_S * self.frame_rate / 2) + 1)
        calm = median_filter(places, size=(span, 1), mode="nearest")
        sigma = _MEAN_SPAN_S * self.frame_rate
        return gaussian_filter1d(calm, sigma, axis=0, mode="nearest")

    def data(
        self,
        start: TrackStart,
        contact: np.ndarray | None,
        frames: np.ndarray,
        valid: np.ndarray,
        betas: np.ndarray,
        *,
        free: bool,
    ) -> TrackData:
        """Returns the data of n windows.

        Args:
          start: predictions of the person in all frames.
          contact: certainty that feet stand, [F, 2]; None for frames that do not follow
            each other.
          frames: frames that the windows hold, [n, T].
          valid: 1 for a frame, 0 for padding, [n, T].
          betas: shape coefficients, [S].
          free: whether they may change.
        """
        count, length = frames.shape
        camera = jax.tree.map(lambda a: a[frames], start.placed.camera)
        keypoints = jax.tree.map(lambda a: a[frames], start.keypoints)
        weight = np.sqrt(np.float32(self.data_weight)) * valid[..., None]
        keypoints = keypoints.replace(confidence=keypoints.confidence * weight)
        side = np.full((count, length), CROP_SIZE_PX, np.float32)
        _, data = keypoint_problem(
            self.model,
            start.context[frames],
            start.betas[frames],
            View(keypoints, camera, side),
            use_hips=self.use_hips,
        )
        linked, stands = np.zeros_like(valid), np.zeros((count, length, 2), np.float32)
        if contact is not None:
            linked[:, 1:] = valid[:, 1:]
            stands = contact[frames].astype(np.float32)

        def every(value: float) -> np.ndarray:
            return np.full(count, value, np.float32)

        return TrackData(
            frames=data,
            turn=start.placed.turn[frames],
            start=self._calm_places(start)[frames],
            valid=valid,
            linked=linked,
            contact=stands,
            betas=np.repeat(betas[None], count, axis=0),
            betas_free=every(free),
            frame_rate=every(self.frame_rate),
            weights=jax.tree.map(every, self.weights),
        )


@jax.jit
def decoded(
    model: FittingModel,
    context: Float[Array, "B C"],
    z: Float[Array, "B 144"],
    turn: Float[Array, "B 3 3"],
    betas: Float[Array, "B S"],
) -> tuple[Float[Array, "B 24 3"], Float[Array, "B 44 3"]]:
    """Returns poses as axis-angle, radians, and joints of latents, metres.

    Args:
      model: the flow and the body model.
      context: context of each frame.
      z: latents.
      turn: rotations from the axes of the crops' cameras to those of the video's.
      betas: shape coefficients.
    """
    rotmats = decode_rotmats(model.flow, z, project_context(model.flow, context))
    root = jnp.matmul(turn, rotmats[:, 0], precision="highest")
    smpl = SmplParams(root, rotmats[:, 1:], betas)
    return rotmat_to_axis_angle(smpl.rotmats), body_joints(model.body, smpl).joints
