"""The terms of ProHMR's objective (Eqs. 5-9) and their weighted sum.

Each term states its reduction. Keypoint and parameter terms are sums over joints and
coordinates and means over images (and samples), as in the official code; the
orthogonality term is a mean over everything.
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
    """Returns the L1 distance, weighted by confidence, summed over joints (L_2D)."""
    distance = jnp.sum(jnp.abs(predicted - target), axis=-1)
    return jnp.sum(confidence * distance, axis=-1)


def keypoint_3d_loss(
    predicted: Float[Array, "*b J 3"],
    target: Float[Array, "*#b J 3"],
    confidence: Float[Array, "*#b J"],
    root: int,
) -> Float[Array, "*b"]:
    """Returns the L1 distance of root-relative joints, metres, summed over joints.

    Args:
      predicted: metres, camera axes, any origin.
      target: likewise.
      confidence: weight of each joint.
      root: the joint that both sides are taken relative to.
    """
    predicted = predicted - predicted[..., root : root + 1, :]
    target = target - target[..., root : root + 1, :]
    distance = jnp.sum(jnp.abs(predicted - target), axis=-1)
    return jnp.sum(confidence * distance, axis=-1)


def energy_loss(
    samples: Float[Array, "*b K J D"],
    target: Float[Array, "*b J D"],
    confidence: Float[Array, "*#b J"],
) -> Float[Array, "*b"]:
    """Returns the energy score of sampled joints, weighted and summed over joints.

    The score is proper: its expectation is least where samples have the distribution
    of the labels (Gneiting and Raftery, 2007; see `geometry.energy_score`). It is 0
    where fewer than two samples are given, which say nothing of a distribution.

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
    """Returns the squared difference of rotation matrices, summed over entries."""
    return jnp.sum(jnp.square(predicted - target), axis=(-3, -2, -1))


def betas_loss(
    predicted: Float[Array, "*b S"], target: Float[Array, "*#b S"]
) -> Float[Array, "*b"]:
    """Returns the squared difference of shape coefficients, summed."""
    return jnp.sum(jnp.square(predicted - target), axis=-1)


def orthogonality_loss(pose_6d: Float[Array, "*b 24 6"]) -> Float[Array, "*b"]:
    """Returns how far the two columns are from orthonormal (L_orth), mean over entries.

    (M^T M - I)^2 for the 3x2 matrix M of each rotation.
    """
    columns = pose_6d.reshape(*pose_6d.shape[:-1], 2, 3)
    gram = jnp.einsum("...ai,...bi->...ab", columns, columns, precision="highest")
    return jnp.mean(jnp.square(gram - jnp.eye(2)), axis=(-3, -2, -1))


def smpl_loss(
    predicted: SmplParams, target: SmplParams
) -> tuple[Float[Array, "*b"], Float[Array, "*b"], Float[Array, "*b"]]:
    """Returns the losses of global orientation, body pose and betas."""
    orient = rotation_loss(
        predicted.global_orient[..., None, :, :], target.global_orient[..., None, :, :]
    )
    pose = rotation_loss(predicted.body_pose, target.body_pose)
    return orient, pose, betas_loss(predicted.betas, target.betas)


def deception_loss(scores: Float[Array, "*b N"]) -> Float[Array, "*b"]:
    """Returns how far made bodies are from passing as real (LSGAN), summed over scores.

    Args:
      scores: of the discriminator: 1 for real bodies, 0 for made ones.
    """
    return jnp.sum(jnp.square(scores - 1.0), axis=-1)


def critic_loss(
    made: Float[Array, "*b N"], real: Float[Array, "R N"]
) -> Float[Array, ""]:
    """Returns how badly scores tell real bodies from made ones (LSGAN).

    A sum over scores, added for both kinds, over the number of made bodies.

    Args:
      made: scores of made bodies, which should be 0.
      real: scores of real bodies, which should be 1.
    """
    num_made = made.size // made.shape[-1]
    total = jnp.sum(jnp.square(made)) + jnp.sum(jnp.square(real - 1.0))
    return total / num_made


def weighted_sum(terms: LossTerms, weights: LossTerms) -> Float[Array, ""]:
    """Returns the objective (Eq. 9): the terms times their weights, summed."""
    return sum(
        getattr(weights, name) * getattr(terms, name)
        for name in LossTerms.__dataclass_fields__
    )
