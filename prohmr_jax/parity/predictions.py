"""Compares what the whole model predicts: hypotheses, camera, joints, densities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.body import body_joints, body_mesh, vertex_subset
from prohmr_jax.geometry import cameras
from prohmr_jax.models.prohmr import ProHMR, decode, prepare
from prohmr_jax.parity.bodies import golden_body
from prohmr_jax.parity.encoders import images_of
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.recipe import recipe_model
from prohmr_jax.parity.report import VALUES, Report
from prohmr_jax.structs import Hypotheses

PREPARED = " (prepared)"


def latents_of(noise: np.ndarray) -> np.ndarray:
    """Returns latents with the mode first, as `models.prohmr.latents` orders them.

    Args:
      noise: latents of the samples, [B, N, 144].
    """
    return np.concatenate([np.zeros_like(noise[:, :1]), noise], axis=1)


def check_forward(case: GoldenFile, report: Report) -> None:
    """Compares everything that the model makes of images and noise.

    The Flax module and the model that is prepared for inference are both compared.
    """
    model, variables, _ = recipe_model(case.directory)
    images = images_of(case.input("in/img_int8"))
    z = latents_of(case.input("in/noise"))
    context, hypotheses, density = forward(model, variables, images, z)
    compare_outputs(case, report, "out/", context, hypotheses)
    mesh = vertex_subset(golden_body(case.directory), case.input("vertex_subset"))
    vertices = jax.jit(body_mesh)(mesh, hypotheses.smpl).vertices
    report.compare(case, "out/pred_vertices", vertices)
    log_prob, back = density
    report.compare(case, "out/flow_log_prob_of_samples", log_prob)
    report.compare(case, "out/flow_z_of_samples", back)
    prepared = jax.jit(decode)(prepare(model, variables), context, z)
    compare_outputs(case, report, "out/", context, prepared, note=PREPARED)


@functools.partial(jax.jit, static_argnames="model")
def forward(model: ProHMR, variables, images, z):
    """Returns context, hypotheses, and (log_prob, z) of their poses.

    Args:
      model: the Flax module, which is evaluated, not trained.
      variables: `{params, batch_stats, mean_params}` of the model.
      images: normalised images, [B, H, W, 3].
      z: latents, [B, K, 144].
    """

    def run(module: ProHMR):
        context = module.encode(images)
        hypotheses = module.hypotheses(context, z)
        flat = hypotheses.pose_6d.reshape(z.shape)
        return context, hypotheses, module.flow.log_prob(flat, context[:, None])

    return model.apply(variables, method=run)


def compare_outputs(
    case: GoldenFile,
    report: Report,
    prefix: str,
    context,
    hypotheses: Hypotheses,
    *,
    tolerance: float = VALUES,
    reason: str = "",
    note: str = "",
) -> None:
    """Compares the entries of an official output dictionary.

    Args:
      case: the golden file.
      report: collects the rows.
      prefix: first part of the entries' names.
      context: our features of the images, [B, C].
      hypotheses: our hypotheses, leading axes [B, K].
      tolerance: largest relative error of all entries.
      reason: reason of a looser tolerance.
      note: text that is appended to the names in the report.
    """
    smpl, camera = hypotheses.smpl, cameras.crop_camera(hypotheses.camera)
    joints = jax.jit(body_joints)(golden_body(case.directory), smpl).joints
    xy = cameras.project(joints, jax.tree.map(lambda a: a[:, None], camera))
    # The camera of an image is that of all of its samples.
    samples = hypotheses.log_prob.shape
    repeat = lambda a: jnp.broadcast_to(a[:, None], (*samples, a.shape[-1]))  # noqa: E731
    weak = hypotheses.camera
    weak = jnp.concatenate([weak.scale[:, None], weak.xy], axis=-1)
    ours = {
        "pred_cam": repeat(weak),
        "pred_cam_t": repeat(camera.translation),
        "pred_smpl_params/global_orient": smpl.global_orient[..., None, :, :],
        "pred_smpl_params/body_pose": smpl.body_pose,
        "pred_smpl_params/betas": smpl.betas,
        "pred_pose_6d": hypotheses.pose_6d.reshape(*samples, -1),
        "log_prob": hypotheses.log_prob,
        "conditioning_feats": context,
        "pred_keypoints_3d": joints,
        "pred_keypoints_2d": xy,
    }
    for name, value in ours.items():
        report.compare(case, prefix + name, value, tolerance, note=note, reason=reason)
