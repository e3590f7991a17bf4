"""Applies the methods of fitting that Tables 3 and 4 of the paper compare.

`fitting_errors` calls them on people of held-out motion, and the modes that make the
paper's tables on people of datasets.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.fitting.eft import EftData, Regressor, fit_eft
from prohmr_jax.fitting.keypoints import View, crop_view, fit_keypoints, without_hips
from prohmr_jax.fitting.multiview_fusion import FUSION_SETTINGS, fuse_views
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.fitting.smplify import GaussianMixture, GenericFlow, fit_smplify
from prohmr_jax.geometry.cameras import CROP_SIZE_PX, image_to_crop
from prohmr_jax.geometry.rotations import mean_rotation
from prohmr_jax.inference.predict import Prediction, predict, prepare_input
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import Body, Box, Crop, Keypoints2D, SmplParams


@struct.dataclass
class FittedModels:
    """Holds the trained models and priors whose fits are compared."""

    prohmr: PreparedProHMR
    """Model with a distribution, whose fits the paper proposes."""
    regression: PreparedProHMR | None
    """Deterministic model (`PoseRegressor`) with the same encoder, data and losses;
    None where there is none, and no fit starts from it."""
    body: BodyModel
    """Body model of both."""
    mixture: GaussianMixture
    """Mixture of Gaussians, the generic prior of SMPLify."""
    flow: GenericFlow
    """Unconditional flow, another generic prior."""
    mean_body_pose: Float[Array, "23 3 3"]
    """Rotations of the mean pose, which is the answer of a model without input."""


@struct.dataclass
class FitStarts:
    """Holds what the fits of B people start from, and what they are fitted to."""

    prohmr: Prediction
    """Prediction of ProHMR with one hypothesis, the mode."""
    prohmr_view: View
    """Keypoints, and the camera that ProHMR predicts."""
    regression: Prediction | None
    """Prediction of the deterministic model; None where there is none."""
    regression_view: View | None
    """Keypoints, and the camera that the deterministic model predicts."""
    inputs: Any
    """What the encoder of the deterministic model takes."""
    box: Box
    """Boxes of the encoder's input, in the pixels of the views."""


_predict = jax.jit(predict, static_argnames="num_hypotheses")


def predict_mode(
    model: PreparedProHMR, body: BodyModel, encoder_input: Keypoints2D | Crop
) -> Prediction:
    """Returns the prediction with one hypothesis, the mode.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      encoder_input: what the encoder sees; see `predict`.
    """
    key = jax.random.key(0)  # not used, because there are no samples
    return _predict(model, body, encoder_input, key, num_hypotheses=1)


def only_hypothesis(tree: Any) -> Any:
    """Returns arrays `[B, 1, ...]` without the axis of hypotheses."""
    return jax.tree.map(lambda a: a[:, 0], tree)


def crop_starts(
    models: FittedModels,
    encoder_input: Keypoints2D | Crop,
    keypoints: Keypoints2D,
    data_weight: float = 1.0,
) -> FitStarts:
    """Returns the starts of fits in crops, as the official evaluation fits.

    Args:
      models: trained models and priors.
      encoder_input: what the encoders see, leading axis B; see `predict`.
      keypoints: JOINTS_44 to fit to: in the frame of the encoder's keypoints, or, for
        photos, in the crop frame.
      data_weight: weight of every method's data term, relative to the published one.
    """
    prohmr = predict_mode(models.prohmr, models.body, encoder_input)
    if isinstance(encoder_input, Keypoints2D):
        keypoints = keypoints.replace(xy=image_to_crop(keypoints.xy, prohmr.box))
    # The data term is weighted by the squared confidence.
    confidence = jnp.sqrt(data_weight) * keypoints.confidence
    keypoints = keypoints.replace(confidence=confidence)
    regression = regression_view = None
    if models.regression is not None:
        regression = predict_mode(models.regression, models.body, encoder_input)
        regression_view = crop_view(keypoints, regression.hypotheses.camera)
    size = jnp.full_like(prohmr.box.size, CROP_SIZE_PX)
    return FitStarts(
        prohmr=prohmr,
        prohmr_view=crop_view(keypoints, prohmr.hypotheses.camera),
        regression=regression,
        regression_view=regression_view,
        inputs=prepare_input(encoder_input)[0],
        box=Box(jnp.stack([size, size], axis=-1) / 2.0, size),
    )


def fit_starts(
    models: FittedModels,
    starts: FitStarts,
    settings: Settings,
    use_hips: bool = True,
) -> dict[str, Body]:
    """Returns the bodies that each method fits to one view of each person.

    Args:
      models: trained models and priors.
      starts: predictions and views.
      settings: settings of L-BFGS.
      use_hips: False ignores the detected hips, as the official code does with what a
        detector found; SMPLify keeps them, because it places the torso by them.

    Returns:
      Bodies in camera axes, leading axis [B], by the name of the method.
    """
    body, prohmr = models.body, starts.prohmr
    flow = FittingModel(models.prohmr.flow, body)
    betas = only_hypothesis(prohmr.hypotheses.smpl.betas)
    fit = fit_keypoints(
        flow, prohmr.context, betas, starts.prohmr_view, use_hips, settings
    )
    bodies = {"ProHMR": only_hypothesis(prohmr.body), "ProHMR + fitting": fit.body}
    predictions = [("ProHMR", prohmr, starts.prohmr_view)]
    if starts.regression is not None:
        bodies["regression"] = only_hypothesis(starts.regression.body)
        start = "regression", starts.regression, starts.regression_view
        predictions.insert(0, start)
    for name_of_start, prediction, view in predictions:
        for name, prior in (("mixture", models.mixture), ("flow", models.flow)):
            smpl = only_hypothesis(prediction.hypotheses.smpl)
            fit = fit_smplify(body, prior, smpl, view, settings=settings)
            bodies[f"{name_of_start} + SMPLify, {name}"] = fit.body
    if starts.regression is not None:
        trained = models.regression
        view = starts.regression_view
        if not use_hips:
            view = view.replace(keypoints=without_hips(view.keypoints))
        regressor = Regressor(trained.module, trained.variables, body)
        tuned = fit_eft(regressor, EftData(starts.inputs, starts.box, view))
        bodies["regression + EFT"] = tuned.body
    return bodies


def view_methods(
    model: PreparedProHMR,
    body: BodyModel,
    prediction: Prediction,
    num_views: int,
    settings: Settings = FUSION_SETTINGS,
) -> dict[str, Body]:
    """Returns what Table 4 compares: each view, averaged rotations, and the fusion.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      prediction: the modes of G people in N views each, leading axis [G N].
      num_views: number N of views.
      settings: settings of L-BFGS.

    Returns:
      Bodies in the axes of each view's camera, leading axis [G N], by the name of the
      method.
    """
    group = lambda a: a.reshape(-1, num_views, *a.shape[1:])  # noqa: E731
    smpl = jax.tree.map(group, only_hypothesis(prediction.hypotheses.smpl))
    flow = FittingModel(model.flow, body)
    fusion = fuse_views(
        flow, group(prediction.context), smpl.betas, settings=settings
    ).body
    flat = lambda a: a.reshape(-1, *a.shape[2:])  # noqa: E731
    return {
        "ProHMR": only_hypothesis(prediction.body),
        "ProHMR + rotation averaging": jax.tree.map(flat, average_views(body, smpl)),
        "ProHMR + fusion": jax.tree.map(flat, fusion),
    }


@jax.jit
def average_views(body: BodyModel, smpl: SmplParams) -> Body:
    """Returns bodies with each view's orientation and the mean pose and shape.

    Args:
      body: the body model.
      smpl: predictions of the views, leading axes [G, N].
    """
    valid = jnp.ones(smpl.betas.shape[:-1])
    pose = mean_rotation(smpl.body_pose, valid)[:, None]
    betas = jnp.mean(smpl.betas, axis=1, keepdims=True)
    mean = SmplParams(
        smpl.global_orient,
        jnp.broadcast_to(pose, smpl.body_pose.shape),
        jnp.broadcast_to(betas, smpl.betas.shape),
    )
    return body_joints(body, mean)
