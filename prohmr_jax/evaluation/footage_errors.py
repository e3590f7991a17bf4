"""Measures bodies predicted for filmed people against joints that views locate.

The mode "evaluate_real" calls it. Bodies are compared where the detector would put
their joints, since that is what the views locate.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from prohmr_jax.body import BodyModel
from prohmr_jax.evaluation.best_of_n import best_of
from prohmr_jax.evaluation.body_errors import mean_body
from prohmr_jax.evaluation.distribution_errors import (
    DistributionErrors,
    distribution_errors,
)
from prohmr_jax.evaluation.footage_truth import LIMBS_12
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe
from prohmr_jax.fitting.keypoints import body_25_as_44
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.priors.detector_errors import DetectorErrors, detector_joints
from prohmr_jax.skeleton import COCO_17, JOINTS_44
from prohmr_jax.structs import Body, Keypoints2D, SmplParams

_MM = 1000.0
_LIMBS_17 = np.array(LIMBS_12.positions_in(COCO_17))
_LIMBS_44 = np.array(LIMBS_12.positions_in(JOINTS_44))
_HIPS = np.array(LIMBS_12.indices("left_hip", "right_hip"))


@struct.dataclass
class FootageModels:
    """Holds what bodies are predicted and compared with."""

    prohmr: PreparedProHMR
    """The model, which sees keypoints."""
    body: BodyModel
    """Body that it was trained on."""
    detector: DetectorErrors
    """Where the detector puts the joints of a body."""
    mean_body_pose: Float[Array, "23 3 3"]
    """Rotations of the mean pose, which is the answer of a model without input."""


@struct.dataclass
class TrueLimbs:
    """Holds the located joints of people, leading axes *b."""

    joints: Float[Array, "*b 12 3"]
    """LIMBS_12, metres, camera frame."""
    is_located: Bool[Array, "*b 12"]
    """Whether a joint is located; hips must be."""


@struct.dataclass
class LimbErrors:
    """Holds errors over the located joints of LIMBS_12, millimetres."""

    pa_mpjpe: Float[Array, "*b"]
    """Mean distance after alignment by a similarity transform, millimetres."""
    mpjpe: Float[Array, "*b"]
    """Mean distance relative to the middle of the hips, millimetres."""


@struct.dataclass
class ViewErrors:
    """Holds what is measured of views, each of which is predicted alone."""

    mode: LimbErrors
    """Errors of the mode, at the detector's joints."""
    mode_own_joints: LimbErrors
    """Errors of the mode at the body's own joints."""
    mean_pose: LimbErrors
    """Errors of the mean pose."""
    best_pa_mpjpe: Float[Array, "B C"]
    """PA-MPJPE of the best of N samples and the mode, for each number N, mm."""
    best_mpjpe: Float[Array, "B C"]
    """MPJPE of the best of N samples and the mode, likewise."""
    mode_error_2d: Float[Array, " B"]
    """Mean distance of the mode's joints from the detections, percent of the box."""
    distribution: DistributionErrors
    """How samples compare with the located joints, relative to the middle of hips."""


def limbs_as_detected(
    models: FootageModels, body: Body, smpl: SmplParams
) -> Float[Array, "*b 12 3"]:
    """Returns LIMBS_12 of bodies where the detector puts them, metres.

    Args:
      models: the models.
      body: posed bodies.
      smpl: their poses.
    """
    joints = detector_joints(models.detector, body, smpl.rotmats)
    return joints[..., _LIMBS_17, :]


def _from_hips(limbs: Float[Array, "*b 12 3"]) -> Float[Array, "*b 12 3"]:
    return limbs - jnp.mean(limbs[..., _HIPS, :], axis=-2, keepdims=True)


@jax.jit
def limb_errors(limbs: Float[Array, "*b 12 3"], truth: TrueLimbs) -> LimbErrors:
    """Returns the errors of limbs.

    Args:
      limbs: LIMBS_12 of bodies, metres, camera axes.
      truth: the located joints.
    """
    limbs, true = _from_hips(limbs), _from_hips(truth.joints)
    weights = truth.is_located.astype(limbs.dtype)
    return LimbErrors(
        _MM * pa_mpjpe(limbs, true, weights), _MM * mpjpe(limbs, true, weights)
    )


@functools.partial(jax.jit, static_argnames="counts")
def view_errors(
    models: FootageModels,
    keypoints: Keypoints2D,
    truth: TrueLimbs,
    numbers: Int[Array, " B"],
    counts: tuple[int, ...],
    seed: int,
) -> ViewErrors:
    """Returns the errors of views, each predicted from its own keypoints.

    Args:
      models: the models.
      keypoints: detections, BODY_25 [B, 25], pixels.
      truth: the located joints, [B].
      numbers: number of each view among all, on which its samples depend.
      counts: numbers of samples of which the best is reported; as many samples are
        drawn as the largest of them.
      seed: seed of the samples.
    """
    keys = jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(seed)))(
        numbers
    )
    prediction = predict(models.prohmr, models.body, keypoints, keys, 1 + max(counts))
    smpl = prediction.hypotheses.smpl
    limbs = limbs_as_detected(models, prediction.body, smpl)
    of_all = jax.tree.map(lambda a: a[:, None], truth)
    of_samples = limb_errors(limbs, of_all)
    with_mode = [1 + count for count in counts]
    own = prediction.body.joints[:, 0, _LIMBS_44]
    mean = mean_body(models.body, models.mean_body_pose).joints[_LIMBS_44]
    in_crop = body_25_as_44(in_box(keypoints)[0])
    xy, seen = in_crop.xy[:, _LIMBS_44], in_crop.confidence[:, _LIMBS_44] > 0
    # Moved to the detector's joints like the body, and projected by the crop's camera.
    camera = cameras.crop_camera(prediction.hypotheses.camera)
    camera = jax.tree.map(lambda a: a[:, None], camera)
    shown = cameras.project(limbs, camera)
    error = jnp.linalg.norm(shown[:, 0] - xy, axis=-1)
    number = jnp.maximum(jnp.sum(seen, axis=-1), 1)
    return ViewErrors(
        mode=limb_errors(limbs[:, 0], truth),
        mode_own_joints=limb_errors(own, truth),
        mean_pose=limb_errors(jnp.broadcast_to(mean, own.shape), truth),
        best_pa_mpjpe=best_of(of_samples.pa_mpjpe, with_mode),
        best_mpjpe=best_of(of_samples.mpjpe, with_mode),
        mode_error_2d=100.0 * jnp.sum(jnp.where(seen, error, 0.0), axis=-1) / number,
        distribution=distribution_errors(
            _from_hips(limbs[:, 1:]),
            _from_hips(truth.joints),
            shown[:, 1:],
            xy,
            truth.is_located,
        ),
    )
