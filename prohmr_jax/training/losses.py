"""Computes the terms of ProHMR's objective (Eqs. 5-9) and their weighted sum.

`supervision`, `adversarial` and `objective` call the functions. Terms of keypoints and
parameters are sums over joints and coordinates, one value per body, as in the official
code; the orthogonality term is a mean over the entries of a body. Callers average over
people and samples.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.geometry.energy_score import energy_score
from prohmr_jax.structs import LossTerms, SmplParams


def keypoint_2d_loss(
    predicted: Float[Array, "*b J 2"],
    target: Float[Array, "*#b J 2"],
    confidence: Float[Array, "*#b J"],
) -> Float[Array, "*b"]:
    """Returns the L1 distance of 2D joints, weighted and summed over joints (L_2D).

    Args:
      predicted: projected joints, crop units.
      target: labelled joints, crop units.
      confidence: weight of each joint; 0 where it is not labelled.
    """
    distance = jnp.sum(jnp.abs(predicted - target), axis=-1)
    return jnp.sum(confidence * distance, axis=-1)


def keypoint_3d_loss(
    predicted: Float[Array, "*b J 3"],
    target: Float[Array, "*#b J 3"],
    confidence: Float[Array, "*#b J"],
    root: int,
) -> Float[Array, "*b"]:
    """Returns the L1 distance of root-relative 3D joints, weighted and summed, metres.

    Args:
      predicted: joints of the body, metres, camera axes, any origin.
      target: labelled joints, metres, camera axes, any origin.
      confidence: weight of each joint; 0 where it is not labelled.
      root: index of the joint that both sides are taken relative to.
    """
    predicted = predicted - predicted[..., root : root + 1, :]
    target = target - target[..., root : root + 1, :]
    distance = jnp.sum(jnp.abs(predicted - target), axis=-1)
    return jnp.sum(confidence * distance, axis=-1)


def energy_loss(
    samples: Float[Array, "*b K J D"],
    target: Float[Array, "*b J D"],
    confidence: Float[Array, "*b J"],
) -> Float[Array, "*b"]:
    """Returns the energy score of sampled joints, weighted and summed over joints.

    The score is proper: its expectation is least where the samples have the
    distribution of the labels (Gneiting and Raftery, 2007; see
    `geometry.energy_score`). It is 0 where fewer than two samples are given, from which
    no distance between samples can be estimated.

    Args:
      samples: K drawn positions of every joint, metres or crop units.
      target: the labelled positions, in the same unit and frame.
      confidence: weight of each joint; 0 where it is not labelled.
    """
    if samples.shape[-3] < 2:
        return jnp.zeros(samples.shape[:-3])
    return jnp.sum(confidence * energy_score(samples, target), axis=-1)


def rotation_loss(
    predicted: Float[Array, "*b R 3 3"], target: Float[Array, "*#b R 3 3"]
) -> Float[Array, "*b"]:
    """Returns the squared difference of rotation matrices, summed over all entries."""
    return jnp.sum(jnp.square(predicted - target), axis=(-3, -2, -1))


def betas_loss(
    predicted: Float[Array, "*b S"], target: Float[Array, "*#b S"]
) -> Float[Array, "*b"]:
    """Returns the squared difference of shape coefficients, summed over them."""
    return jnp.sum(jnp.square(predicted - target), axis=-1)


def orthogonality_loss(pose_6d: Float[Array, "*b 24 6"]) -> Float[Array, "*b"]:
    """Returns how far 6D columns are from orthonormal ones, mean over entries (L_orth).

    The entries are those of (M^T M - I)^2, where the 3x2 matrix M holds the two columns
    of a rotation.

    Args:
      pose_6d: the predicted first and second column of each rotation matrix, before
        they are made orthonormal.
    """
    columns = pose_6d.reshape(*pose_6d.shape[:-1], 2, 3)
    gram = jnp.einsum("...ai,...bi->...ab", columns, columns, precision="highest")
    return jnp.mean(jnp.square(gram - jnp.eye(2)), axis=(-3, -2, -1))


def smpl_loss(
    predicted: SmplParams, target: SmplParams
) -> tuple[Float[Array, "*b"], Float[Array, "*b"], Float[Array, "*b"]]:
    """Returns the squared errors of global orientation, body pose and shape.

    Args:
      predicted: predicted bodies, any leading axes.
      target: labelled bodies, whose leading axes broadcast against the predicted ones.
    """
    orient = rotation_loss(
        predicted.global_orient[..., None, :, :], target.global_orient[..., None, :, :]
    )
    pose = rotation_loss(predicted.body_pose, target.body_pose)
    return orient, pose, betas_loss(predicted.betas, target.betas)


def generator_loss(scores: Float[Array, "*b N"]) -> Float[Array, "*b"]:
    """Returns the generator's loss of LSGAN, summed over the N scores of a body.

    Args:
      scores: scores that the discriminator gives predicted bodies; it aims at 1 for
        real bodies and at 0 for predicted ones.
    """
    return jnp.sum(jnp.square(scores - 1.0), axis=-1)


def discriminator_loss(
    predicted_scores: Float[Array, "*b N"], real_scores: Float[Array, "R N"]
) -> Float[Array, ""]:
    """Returns the discriminator's loss of LSGAN.

    The squared errors of all scores of both kinds of bodies are added and divided by
    the number of predicted bodies.

    Args:
      predicted_scores: scores of predicted bodies, which ought to be 0.
      real_scores: scores of real bodies, which ought to be 1.
    """
    num_predicted = predicted_scores.size // predicted_scores.shape[-1]
    total = jnp.sum(jnp.square(predicted_scores))
    total += jnp.sum(jnp.square(real_scores - 1.0))
    return total / num_predicted


def weighted_sum(terms: LossTerms, weights: LossTerms) -> Float[Array, ""]:
    """Returns the objective (Eq. 9): the sum of the terms times their weights."""
    return sum(
        getattr(weights, name) * getattr(terms, name)
        for name in LossTerms.__dataclass_fields__
    )
