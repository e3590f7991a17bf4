"""Computes the terms of the objective that compare bodies with labels (Eqs. 7-8).

`objective` calls `supervised_terms`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.geometry import cameras
from prohmr_jax.structs import Hypotheses, LossTerms
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.losses import (
    energy_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    orthogonality_loss,
    smpl_loss,
)


def supervised_terms(
    hypotheses: Hypotheses, body: BodyModel, labels: Labels
) -> LossTerms:
    """Returns the terms that compare bodies with labels; the others are left at 0.

    Args:
      hypotheses: bodies of the people, leading axes [B, K]. Index 0 of K is the mode;
        the others stand for the expectation, whose terms are 0 where there are none.
        The energy scores are 0 where there are fewer than two of them.
      body: body model whose joints the labels are.
      labels: labels of the same people.
    """
    # One shape per person, and joints without the mesh.
    shaped = shape_body(body, hypotheses.smpl.betas[:, :1], with_vertices=False)
    posed = pose_joints(
        shaped, hypotheses.smpl.global_orient, hypotheses.smpl.body_pose
    )
    camera = cameras.crop_camera(hypotheses.camera)
    xy = cameras.project(posed.joints, jax.tree.map(lambda a: a[:, None], camera))

    of_person = jax.tree.map(lambda a: a[:, None], labels)
    is_mode = jnp.arange(xy.shape[1])[:, None] == 0
    confidence_2d = jnp.where(
        is_mode, of_person.mode_confidence_2d, of_person.keypoints_2d.confidence
    )
    orient, pose, betas = smpl_loss(hypotheses.smpl, of_person.smpl)
    loss_per_body = {
        "keypoints_2d": keypoint_2d_loss(xy, of_person.keypoints_2d.xy, confidence_2d),
        "keypoints_3d": keypoint_3d_loss(
            posed.joints,
            of_person.keypoints_3d.xyz,
            of_person.keypoints_3d.confidence,
            skeleton.PELVIS_44,
        ),
        "global_orient": of_person.has_pose * orient,
        "body_pose": of_person.has_pose * pose,
        "betas": of_person.has_betas * betas,
    }
    terms = {}
    for name, loss in loss_per_body.items():
        terms[f"{name}_exp"], terms[f"{name}_mode"] = _expectation_and_mode(loss)
    orthogonal = _expectation_and_mode(orthogonality_loss(hypotheses.pose_6d))
    energy_2d, energy_3d = _energy_terms(xy[:, 1:], posed.joints[:, 1:], labels)
    return LossTerms(
        orthogonal=sum(orthogonal), energy_2d=energy_2d, energy_3d=energy_3d, **terms
    )


def _expectation_and_mode(
    loss: Float[Array, "B K"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    samples = loss[:, 1:]
    return jnp.sum(samples) / max(samples.size, 1), jnp.mean(loss[:, 0])


def _energy_terms(
    samples_2d: Float[Array, "B N 44 2"],
    samples_3d: Float[Array, "B N 44 3"],
    labels: Labels,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the energy scores of projected joints and of pelvis-relative ones."""
    pelvis = slice(skeleton.PELVIS_44, skeleton.PELVIS_44 + 1)
    two, three = labels.keypoints_2d, labels.keypoints_3d
    score_2d = energy_loss(samples_2d, two.xy, two.confidence)
    score_3d = energy_loss(
        samples_3d - samples_3d[..., pelvis, :],
        three.xyz - three.xyz[..., pelvis, :],
        three.confidence,
    )
    return jnp.mean(score_2d), jnp.mean(score_3d)
