"""Fits bodies to filmed people, in one view or in several, for `footage_errors`."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.evaluation.footage_errors import FootageModels, limbs_as_detected
from prohmr_jax.fitting.keypoints import (
    View,
    body_25_as_44,
    crop_view,
    fit_keypoints,
)
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.multiview_joint import fit_calibrated, fit_uncalibrated
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import Camera, Keypoints2D

_predict = jax.jit(predict, static_argnums=(4, 5))


def _mode(models: FootageModels, keypoints: Keypoints2D) -> Prediction:
    """Returns the mode of each person, [B, 1].

    Args:
      models: the models.
      keypoints: detections, BODY_25 [B, 25], pixels.
    """
    return _predict(models.prohmr, models.body, keypoints, jax.random.key(0), 1)


@jax.jit
def _crop_views(prediction: Prediction, keypoints: Keypoints2D, weight) -> View:
    """Returns the views of fits in their crops, with the weight of the data term."""
    in_crop = body_25_as_44(in_box(keypoints)[0])
    # The data term is weighted by the squared confidence.
    weighted = in_crop.replace(confidence=jnp.sqrt(weight) * in_crop.confidence)
    return crop_view(weighted, prediction.hypotheses.camera)


def fitted_limbs(
    models: FootageModels, keypoints: Keypoints2D, weight: float, settings: Settings
) -> Float[Array, "B 12 3"]:
    """Returns the limbs of bodies that are fitted to the keypoints of one view each.

    Args:
      models: the models.
      keypoints: detections, BODY_25 [B, 25], pixels.
      weight: weight of the data term, relative to the published one.
      settings: settings of the optimiser.
    """
    prediction = _mode(models, keypoints)
    flow = FittingModel(models.prohmr.flow, models.body)
    betas = prediction.hypotheses.smpl.betas[:, 0]
    view = _crop_views(prediction, keypoints, weight)
    fit = fit_keypoints(flow, prediction.context, betas, view, False, settings)
    return limbs_as_detected(models, fit.body, fit.smpl)


@struct.dataclass
class ViewCameras:
    """Holds the calibrated cameras of views, leading axes *b."""

    extrinsics: Extrinsics
    """Where the cameras stand; metres."""
    focal_length: Float[Array, "*b N 2"]
    """Focal lengths, pixels."""
    center: Float[Array, "*b N 2"]
    """Principal points, pixels."""


def fused_limbs(
    models: FootageModels, keypoints: Keypoints2D
) -> Float[Array, "G N 12 3"]:
    """Returns the limbs, in camera axes, of N views whose poses are made to agree.

    Args:
      models: the models.
      keypoints: detections, BODY_25 [G, N, 25], pixels.
    """
    modes = _modes_of_views(models, keypoints)
    model = FittingModel(models.prohmr.flow, models.body)
    fusion = fuse_views(model, modes.context, modes.hypotheses.smpl.betas[:, :, 0])
    return limbs_as_detected(models, fusion.body, fusion.smpl)


def joint_limbs(
    models: FootageModels,
    keypoints: Keypoints2D,
    known: ViewCameras,
    weight: float,
    settings: Settings,
) -> dict[str, Float[Array, "G N 12 3"]]:
    """Returns the limbs, in camera axes, of one body fitted to N views, by method.

    Args:
      models: the models.
      keypoints: detections, BODY_25 [G, N, 25], pixels.
      known: cameras of the views, [G, N].
      weight: weight of the data terms, relative to the published one.
      settings: settings of the optimiser.
    """
    modes = _modes_of_views(models, keypoints)
    context, betas = modes.context, modes.hypotheses.smpl.betas[:, :, 0]
    view = _crop_views(modes, keypoints, weight)
    model = FittingModel(models.prohmr.flow, models.body)
    unknown = fit_uncalibrated(model, context, betas, view, None, False, settings)
    view = view.replace(camera=_in_crops(modes, known))
    world = fit_calibrated(
        model, context, betas, view, known.extrinsics, None, False, settings
    )
    in_world = limbs_as_detected(models, world.body, world.smpl)
    turn = jnp.swapaxes(known.extrinsics.rotation, -1, -2)
    in_cameras = jnp.matmul(in_world[:, None], turn, precision="highest")
    return {
        "joint fit, cameras unknown": limbs_as_detected(
            models, unknown.body, unknown.smpl
        ),
        "joint fit, cameras known": in_cameras,
    }


def _modes_of_views(models: FootageModels, keypoints: Keypoints2D) -> Prediction:
    """Returns the modes of people in several views, leading axes [G, N, 1]."""
    sizes = keypoints.confidence.shape[:2]
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), keypoints)
    modes = _mode(models, flat)
    return jax.tree.map(lambda a: a.reshape(*sizes, *a.shape[1:]), modes)


@jax.jit
def _in_crops(prediction: Prediction, known: ViewCameras) -> Camera:
    """Returns the calibrated cameras in pixels of the crops."""
    camera = cameras.image_camera(
        prediction.hypotheses.camera,
        prediction.box,
        2.0 * known.center,
        known.focal_length,
    )
    return cameras.in_crop_pixels(camera, prediction.box)
