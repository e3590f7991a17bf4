"""Measures the errors of fits, and of the predictions that they start from.

The mode "evaluate_fitting" calls it on people of known pose who are seen in several
views. Every view is scaled so that the side of the person's box is 224 pixels, and fits
are given the true focal length: the distance of a person changes the perspective alone.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.evaluation.body_errors import h36m_14, mean_body
from prohmr_jax.evaluation.fit_methods import (
    FitStarts,
    FittedModels,
    average_views,
    fit_starts,
    only_hypothesis,
    predict_mode,
)
from prohmr_jax.evaluation.fitting_scenes import Scenes
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe
from prohmr_jax.fitting.keypoints import View, body_25_as_44, image_view
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.multiview_joint import fit_calibrated, fit_uncalibrated
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.inference.predict import Prediction
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import Body, Box, Keypoints2D

_MM = 1000.0


@struct.dataclass
class FitErrors:
    """Holds errors over the 14 joints of Human3.6M, millimetres."""

    pa_mpjpe: Float[Array, "*b"]
    """Mean distance of joints after Procrustes alignment, millimetres."""
    mpjpe: Float[Array, "*b"]
    """Mean distance of joints relative to the pelvis, millimetres."""


def _flat(tree: Any) -> Any:
    """Returns arrays `[G, N, ...]` as `[G N, ...]`."""
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), tree)


def _grouped(tree: Any, scenes: Scenes) -> Any:
    """Returns arrays `[G N, ...]` as `[G, N, ...]`, with the sizes of the scenes."""
    sizes = scenes.keypoints.confidence.shape[:2]
    return jax.tree.map(lambda a: a.reshape(*sizes, *a.shape[1:]), tree)


@jax.jit
def _view(
    prediction: Prediction,
    keypoints: Keypoints2D,
    data_weight: Float[Array, ""] | float,
) -> View:
    """Returns the view that a fit starts from, in pixels of the scaled photo."""
    box = prediction.box
    scale = cameras.CROP_SIZE_PX / box.size
    joints_44 = body_25_as_44(keypoints)
    return image_view(
        Keypoints2D(
            joints_44.xy * scale[:, None, None],
            # The data term is weighted by the squared confidence.
            jnp.sqrt(data_weight) * joints_44.confidence,
        ),
        prediction.hypotheses.camera,
        Box(box.center * scale[:, None], box.size * scale),
        jnp.full_like(box.center, cameras.CROP_SIZE_PX),
        jnp.broadcast_to(scale[:, None], box.center.shape),
        jnp.zeros_like(box.center),
    )


def one_view_fits(
    models: FittedModels,
    scenes: Scenes,
    settings: Settings,
    data_weight: float = 1.0,
) -> dict[str, Body]:
    """Returns the bodies that each method fits to every view alone.

    Args:
      models: trained models and priors.
      scenes: the people.
      settings: settings of L-BFGS.
      data_weight: weight of every method's data term, relative to the published one.

    Returns:
      Bodies in camera axes with leading axes [G, N], by the name of the method.
    """
    body, keypoints = models.body, _flat(scenes.keypoints)
    prohmr = predict_mode(models.prohmr, body, keypoints)
    regression = predict_mode(models.regression, body, keypoints)
    inputs, box = in_box(keypoints)
    scale = cameras.CROP_SIZE_PX / box.size
    starts = FitStarts(
        prohmr=prohmr,
        prohmr_view=_view(prohmr, keypoints, data_weight),
        regression=regression,
        regression_view=_view(regression, keypoints, data_weight),
        inputs=inputs,
        box=Box(box.center * scale[:, None], box.size * scale),
    )
    bodies = fit_starts(models, starts, settings)
    return {name: _grouped(body, scenes) for name, body in bodies.items()}


def several_views_fits(
    models: FittedModels,
    scenes: Scenes,
    settings: Settings,
    data_weight: float = 1.0,
) -> dict[str, Body]:
    """Returns the bodies of each method that uses all views of a person together.

    Args:
      models: trained models and priors.
      scenes: the people.
      settings: settings of L-BFGS.
      data_weight: weight of the data terms, relative to the published one.

    Returns:
      Bodies in camera axes with leading axes [G, N], by the name of the method.
    """
    body, keypoints = models.body, _flat(scenes.keypoints)
    prohmr = predict_mode(models.prohmr, body, keypoints)
    regression = predict_mode(models.regression, body, keypoints)
    view = _grouped(_view(prohmr, keypoints, data_weight), scenes)
    context, smpl, regression_smpl = _grouped(
        (
            prohmr.context,
            only_hypothesis(prohmr.hypotheses.smpl),
            only_hypothesis(regression.hypotheses.smpl),
        ),
        scenes,
    )
    flow = FittingModel(models.prohmr.flow, body)
    calibrated = fit_calibrated(
        flow, context, smpl.betas, view, scenes.extrinsics, None, True, settings
    )
    return {
        "ProHMR + rotation averaging": average_views(body, smpl),
        "regression + rotation averaging": average_views(body, regression_smpl),
        "ProHMR + fusion": fuse_views(
            flow, context, smpl.betas, settings=settings
        ).body,
        "ProHMR + joint fit, cameras unknown": fit_uncalibrated(
            flow, context, smpl.betas, view, None, True, settings
        ).body,
        "ProHMR + joint fit, cameras known": _in_cameras(
            calibrated.body, scenes.extrinsics
        ),
    }


@jax.jit
def _in_cameras(body: Body, extrinsics: Extrinsics) -> Body:
    """Returns bodies of the world `[G]` in the axes of their cameras `[G, N]`."""
    turn = jnp.swapaxes(extrinsics.rotation, -1, -2)
    return jax.tree.map(
        lambda joints: jnp.matmul(joints[:, None], turn, precision="highest"), body
    )


@jax.jit
def fit_errors(bodies: Body, scenes: Scenes) -> FitErrors:
    """Returns the errors of bodies, `[G]`, means over the views of each person.

    Args:
      bodies: bodies in camera axes, leading axes [G, N].
      scenes: the people.
    """
    truth = h36m_14(_in_cameras(scenes.body, scenes.extrinsics))
    joints = h36m_14(bodies)
    return FitErrors(
        _MM * jnp.mean(pa_mpjpe(joints, truth), axis=1),
        _MM * jnp.mean(mpjpe(joints, truth), axis=1),
    )


def mean_pose_errors(models: FittedModels, scenes: Scenes) -> FitErrors:
    """Returns the errors of the mean body, which does not depend on keypoints, `[G]`.

    Args:
      models: trained models and priors.
      scenes: the people.
    """
    mean = mean_body(models.body, models.mean_body_pose)
    sizes = scenes.keypoints.confidence.shape[:2]
    everywhere = jax.tree.map(lambda a: jnp.broadcast_to(a, (*sizes, *a.shape)), mean)
    return fit_errors(everywhere, scenes)
