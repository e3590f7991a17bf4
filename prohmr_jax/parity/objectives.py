"""Compares the objective on photos: every term, and the gradients of all weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.parity.bodies import golden_body
from prohmr_jax.parity.encoders import images_of
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.gradients import RECTIFIED, compare_gradients
from prohmr_jax.parity.precision import double
from prohmr_jax.parity.predictions import compare_outputs, forward, latents_of
from prohmr_jax.parity.recipe import recipe_model
from prohmr_jax.parity.report import VALUES, Report
from prohmr_jax.structs import Keypoints2D, Keypoints3D, LossTerms, SmplParams
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.losses import orthogonality_loss
from prohmr_jax.training.objective import (
    Draws,
    Examples,
    Objective,
    ObjectiveOfModel,
    objective_value,
)
from prohmr_jax.weights.official_models import prohmr_to_official

# Weights of the terms in the official code.
WEIGHTS = LossTerms(
    nll=1e-3,
    keypoints_2d_exp=1e-3,
    keypoints_2d_mode=1e-2,
    keypoints_3d_mode=5e-2,
    global_orient_mode=1e-3,
    body_pose_mode=1e-3,
    betas_mode=5e-4,
    orthogonal=0.1,
    adversarial=5e-4,
)
OBJECTIVE = Objective(WEIGHTS)
_EXACT = "ours in float64"


def smpl_of(case: GoldenFile) -> SmplParams:
    """Returns the labelled bodies of a case."""
    pose = case.input("in/body_pose")
    return SmplParams(
        global_orient=axis_angle_to_rotmat(case.input("in/global_orient")),
        body_pose=axis_angle_to_rotmat(pose.reshape(len(pose), -1, 3)),
        betas=case.input("in/betas"),
    )


def labels_of(case: GoldenFile) -> Labels:
    """Returns the labels of the people of a case."""
    two, three = case.input("in/keypoints_2d"), case.input("in/keypoints_3d")
    return Labels(
        keypoints_2d=Keypoints2D(two[..., :-1], two[..., -1]),
        mode_confidence_2d=two[..., -1],
        keypoints_3d=Keypoints3D(three[..., :-1], three[..., -1]),
        smpl=smpl_of(case),
        has_pose=case.input("in/has_body_pose"),
        has_betas=case.input("in/has_betas"),
    )


def check_losses_eval(case: GoldenFile, report: Report) -> None:
    """Compares terms and gradients in evaluation mode, without noise on the labels.

    The entries A belong to the whole objective, A0 to people without a labelled body,
    and A1 to the mode alone.
    """
    model, variables, discriminator_params = recipe_model(case.directory)
    body = golden_body(case.directory)
    images, labels = images_of(case.input("in/img_int8")), labels_of(case)
    z = latents_of(case.input("in/noise"))
    context, hypotheses, _ = forward(model, variables, images, z)
    compare_outputs(case, report, "A/out/", context, hypotheses)
    smpl = hypotheses.smpl
    scores = Discriminator().apply(
        {"params": discriminator_params}, smpl.body_pose, smpl.betas
    )
    report.compare(case, "A/disc_out", scores.reshape(-1, scores.shape[-1]))

    inputs = images, labels, z, body
    value = functools.partial(
        value_and_gradients, model, variables, discriminator_params
    )
    (total, terms), gradients = value(0.0, inputs)
    report.compare(case, "A/total_loss", total)
    compare_terms(case, report, "A/losses/", terms, hypotheses.pose_6d)
    report.compare(case, "A/losses/loss", total)
    report.compare(case, "A/loss_adv", terms.adversarial)
    ours = prohmr_to_official({"params": gradients[0]})
    as_is = {"backbone": RECTIFIED, "note": " (as is)"}
    compare_gradients(case, report, "A/grad_total/", ours, **as_is)
    (total, _), gradients = value(WEIGHTS.adversarial, inputs)
    report.compare(case, "A/total_with_adv", total)
    ours = prohmr_to_official({"params": gradients[0]}, gradients[1])
    compare_gradients(case, report, "A/grad_total_with_adv/", ours, **as_is)
    _check_gradients(case, report, model, (variables, discriminator_params, inputs))

    if case.keys("A0/"):
        unknown = jnp.zeros_like(labels.has_pose)
        bare = labels.replace(has_pose=unknown, has_betas=unknown)
        (total, terms), _ = value(0.0, (images, bare, z, body))
        report.compare(case, "A0/total_loss", total)
        report.compare(case, "A0/losses/loss", total)
        compare_terms(case, report, "A0/losses/", terms, hypotheses.pose_6d)
    if case.keys("A1/"):
        _check_one_sample(case, report, model, variables, (images, labels, z, body))


def _check_gradients(case, report, model: ProHMR, given) -> None:
    """Compares every gradient strictly, with the whole model in float64.

    A few of the encoder's half a million rectifiers have inputs that are zero within
    the rounding of float32, and each of them changes single gradients by 1e-3. In
    float64 their side of zero does not depend on the machine that compares.
    """
    model = model.clone(encoder=model.encoder.clone(dtype="float64"))
    with jax.enable_x64(True):
        variables, discriminator_params, inputs = double(given)
        value = functools.partial(
            value_and_gradients, model, variables, discriminator_params
        )
        _, (alone, _) = value(0.0, inputs)
        _, (params, discriminator) = value(WEIGHTS.adversarial, inputs)
    alone = prohmr_to_official({"params": alone})
    compare_gradients(case, report, "A/grad_total/", alone, reason=_EXACT)
    ours = prohmr_to_official({"params": params}, discriminator)
    compare_gradients(case, report, "A/grad_total_with_adv/", ours, reason=_EXACT)


def _check_one_sample(case, report, model, variables, inputs) -> None:
    images, labels, z, body = inputs
    loss = jax.jit(_objective, static_argnames="model")
    total, terms = loss(model, variables, None, 0.0, (images, labels, z[:, :1], body))
    _, hypotheses, _ = forward(model, variables, images, z[:, :1])
    compare_terms(case, report, "A1/losses/", terms, hypotheses.pose_6d)
    for key in ("A1/total_loss", "A1/losses/loss"):
        officially = np.isnan(case.golden(key)) and np.isfinite(total)
        report.confirm(case, key, bool(officially), "no number officially; ours is")


def _objective(model, variables, discriminator_params, adversarial, inputs):
    """Returns the objective in evaluation mode, and its terms."""
    images, labels, z, body = inputs
    draws = Draws(z, jnp.zeros((len(z), 24, 6)), jax.random.key(0))
    objective = Objective(WEIGHTS.replace(adversarial=adversarial))
    loss, aux = objective_value(
        ObjectiveOfModel(model, objective, train=False),
        variables,
        Examples(images, labels, body),
        draws,
        discriminator_params=discriminator_params,
    )
    return loss, aux.terms


@functools.partial(jax.jit, static_argnames="model")
def value_and_gradients(
    model: ProHMR, variables, discriminator_params, adversarial, inputs
):
    """Returns the objective of a batch, and its gradients.

    Args:
      model: the Flax module.
      variables: `{params, batch_stats, mean_params}` of the model.
      discriminator_params: parameters of the discriminator.
      adversarial: weight of the adversarial term.
      inputs: (images, labels, latents, body model).

    Returns:
      (objective, terms), and the gradients by the parameters of both networks.
    """

    def value(params, discriminator_params):
        given = {**variables, "params": params}
        return _objective(model, given, discriminator_params, adversarial, inputs)

    return jax.value_and_grad(value, argnums=(0, 1), has_aux=True)(
        variables["params"], discriminator_params
    )


def compare_terms(
    case: GoldenFile,
    report: Report,
    prefix: str,
    terms: LossTerms,
    pose_6d,
    tolerance: float = VALUES,
) -> None:
    """Compares every term, and the orthogonality term for samples and mode apart.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      terms: our terms.
      pose_6d: our 6D poses, [B, K, 24, 6].
      tolerance: largest relative error.
    """
    orthogonality = orthogonality_loss(pose_6d)
    ours = {
        f"loss_{name}": getattr(terms, name) for name in LossTerms.__dataclass_fields__
    }
    ours["loss_pose_6d_mode"] = jnp.mean(orthogonality[:, 0])
    exp_key = f"{prefix}loss_pose_6d_exp"
    if pose_6d.shape[1] > 1:
        ours["loss_pose_6d_exp"] = jnp.mean(orthogonality[:, 1:])
    else:
        finite = np.isnan(case.golden(exp_key)) and np.isfinite(terms.orthogonal)
        report.confirm(case, exp_key, bool(finite), "no number officially; ours is 0")
    for name, value in ours.items():
        if prefix + name in case:
            report.compare(case, prefix + name, value, tolerance)
