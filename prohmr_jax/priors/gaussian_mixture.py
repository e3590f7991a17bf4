"""Draws body poses from a Gaussian mixture and tells how likely they are.

Synthetic data draws poses from it, and SMPLify uses it as a prior. A pose is a vector
of 72 numbers: the axis-angles of the 23 body joints (69), then the *swing* of the root
(3), which is the part of its orientation that turns about the vertical do not change:

  root = yaw(heading) @ expmap(swing), with swing = (x, 0, z), in a world with Y up.

The mixture says nothing about the heading; samples have a uniform one. The mixture that
ships with the package was fitted by `tools/make_pose_prior.py`.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int, PRNGKeyArray

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.assets import POSE_PRIOR
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.skeleton import SMPL_24

# Entries of a pose that belong to the 23 body joints, and all of them.
NUM_BODY = 3 * (len(SMPL_24) - 1)
NUM_POSE = NUM_BODY + 3
_HIGHEST = jax.lax.Precision.HIGHEST


@struct.dataclass
class PosePrior:
    """Holds a mixture of M Gaussians over poses."""

    weights_log: Float[Array, " M"]
    """Natural logarithms of the weights, which sum to 1."""
    means: Float[Array, "M 72"]
    """Mean poses, radians."""
    cholesky: Float[Array, "M 72 72"]
    """Lower triangular factors of the covariances, radians:
    covariance = cholesky @ cholesky.T."""


def load_pose_prior(path: str | os.PathLike | None = None) -> PosePrior:
    """Returns the prior in a file.

    Args:
      path: the file; None for the prior that ships with the package.

    Raises:
      InputError: the file is not a pose prior, or its numbers are not a mixture.
    """
    path = POSE_PRIOR if path is None else path
    rows, columns = np.tril_indices(NUM_POSE)
    expected = {
        "weights_log": Expected(("M",)),
        "means": Expected(("M", NUM_POSE)),
        "cholesky_packed": Expected(("M", len(rows))),
    }
    arrays = read_npz(path, expected)
    packed = arrays["cholesky_packed"].astype(np.float32)
    cholesky = np.zeros((len(packed), NUM_POSE, NUM_POSE), dtype=np.float32)
    cholesky[:, rows, columns] = packed
    if not len(packed) or np.diagonal(cholesky, axis1=1, axis2=2).min() <= 0.0:
        raise InputError(path, "holds a covariance that is not positive definite")
    weights = np.exp(arrays["weights_log"].astype(np.float64))
    if abs(weights.sum() - 1.0) > 1e-3:
        raise InputError(path, f"has weights that sum to {weights.sum():.4g}, not 1")
    return PosePrior(
        jnp.asarray(np.log(weights / weights.sum()), dtype=jnp.float32),
        jnp.asarray(arrays["means"], dtype=jnp.float32),
        jnp.asarray(cholesky),
    )


def save_pose_prior(path: str | os.PathLike, prior: PosePrior) -> None:
    """Writes a prior as NPZ, its triangular factors packed in float16."""
    rows, columns = np.tril_indices(NUM_POSE)
    arrays = {
        "weights_log": np.asarray(prior.weights_log, dtype=np.float32),
        "means": np.asarray(prior.means, dtype=np.float32),
        "cholesky_packed": np.asarray(prior.cholesky, dtype=np.float16)[
            :, rows, columns
        ],
    }
    write_npz(path, arrays)


def sample_axis_angle(
    prior: PosePrior, key: PRNGKeyArray, batch_shape: tuple[int, ...] = ()
) -> Float[Array, "*b 24 3"]:
    """Returns poses drawn from the mixture, with a heading of zero.

    Args:
      prior: the mixture.
      key: random key.
      batch_shape: leading axes of the result.

    Returns:
      Axis-angles of SMPL_24, root first, radians.
    """
    component_key, noise_key = jax.random.split(key)
    component = jax.random.categorical(
        component_key, prior.weights_log, shape=batch_shape
    )
    return sample_in_component(prior, noise_key, component)


def sample_in_component(
    prior: PosePrior, key: PRNGKeyArray, component: Int[Array, "*b"]
) -> Float[Array, "*b 24 3"]:
    """Returns poses drawn from given Gaussians of the mixture, with a heading of zero.

    Args:
      prior: the mixture.
      key: random key.
      component: number of the Gaussian that each pose is drawn from.

    Returns:
      Axis-angles of SMPL_24, root first, radians.
    """
    batch_shape = jnp.shape(component)
    noise = jax.random.normal(key, (*batch_shape, NUM_POSE))
    pose = prior.means[component] + jnp.einsum(
        "...ij,...j->...i", prior.cholesky[component], noise, precision=_HIGHEST
    )
    # The fitted mixture has a small y entry of the swing, which belongs to the heading.
    swing = pose[..., NUM_BODY:] * jnp.array([1.0, 0.0, 1.0])
    flat = jnp.concatenate([swing, pose[..., :NUM_BODY]], axis=-1)
    return flat.reshape(*batch_shape, len(SMPL_24), 3)


def sample(
    prior: PosePrior, key: PRNGKeyArray, batch_shape: tuple[int, ...]
) -> tuple[Float[Array, "*b 3 3"], Float[Array, "*b 23 3 3"]]:
    """Returns root orientations and body poses drawn from the mixture.

    Args:
      prior: the mixture.
      key: random key.
      batch_shape: leading axes of the result.

    Returns:
      The rotation of the root in a world with Y up, whose heading is uniform, and the
      rotations of the 23 body joints relative to their parents.
    """
    pose_key, heading_key = jax.random.split(key)
    rotmats = axis_angle_to_rotmat(sample_axis_angle(prior, pose_key, batch_shape))
    heading = jax.random.uniform(
        heading_key, batch_shape, minval=-jnp.pi, maxval=jnp.pi
    )
    yaw = axis_angle_to_rotmat(heading[..., None] * jnp.array([0.0, 1.0, 0.0]))
    root = jnp.matmul(yaw, rotmats[..., 0, :, :], precision=_HIGHEST)
    return root, rotmats[..., 1:, :, :]


def log_prob(
    prior: PosePrior, body_axis_angle: Float[Array, "*b 69"]
) -> Float[Array, "*b"]:
    """Returns the log-density of body poses, marginal over the root, nats.

    Args:
      prior: the mixture.
      body_axis_angle: axis-angles of the 23 body joints, radians, angles at most pi.
    """
    joint = component_log_probs(prior, body_axis_angle)
    return jax.scipy.special.logsumexp(joint, axis=-1)


def component_log_probs(
    prior: PosePrior, body_axis_angle: Float[Array, "*b 69"]
) -> Float[Array, "*b M"]:
    """Returns the joint log-density of a body pose and each Gaussian, nats.

    `log_prob` is the logarithm of the sum of these densities over the M Gaussians.

    Args:
      prior: the mixture.
      body_axis_angle: axis-angles of the 23 body joints, radians, angles at most pi.
    """
    # The body comes first in a pose, so the leading block of each triangular factor is
    # the factor of the marginal covariance.
    triangles = prior.cholesky[:, :NUM_BODY, :NUM_BODY]
    identity = jnp.broadcast_to(jnp.eye(NUM_BODY), triangles.shape)
    whiten = jax.scipy.linalg.solve_triangular(triangles, identity, lower=True)
    offset = body_axis_angle[..., None, :] - prior.means[:, :NUM_BODY]
    white = jnp.einsum("mij,...mj->...mi", whiten, offset, precision=_HIGHEST)
    log_det = jnp.sum(jnp.log(jnp.diagonal(triangles, axis1=-2, axis2=-1)), axis=-1)
    constant = 0.5 * NUM_BODY * jnp.log(2.0 * jnp.pi)
    densities = -0.5 * jnp.sum(white**2, axis=-1) - log_det - constant
    return prior.weights_log + densities
