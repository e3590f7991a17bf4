"""Computes the linear blend skinning of surfaces for `prohmr_jax.body`."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

# Bodies are compared in millimetres, which the default precision of accelerators blurs.
_HIGHEST = jax.lax.Precision.HIGHEST


@struct.dataclass
class Surface:
    """Holds vertices of a body model with their shape, pose and skinning data."""

    template: Float[Array, "3 V"]
    """Rest positions of the mean shape, metres, body frame."""
    shape_directions: Float[Array, "S 3 V"]
    """Displacements per unit of each shape coefficient, metres."""
    pose_directions: Float[Array, "207 3 V"]
    """Displacements per unit of each entry of the 23 rotation matrices minus the
    identity, metres."""
    skinning_weights: Float[Array, "24 V"]
    """Share of each kinematic joint in the motion of a vertex; shares sum to 1."""


@struct.dataclass
class ShapedSurface:
    """Holds the surface of a person of fixed shape, ready to be posed."""

    rest: Float[Array, "*b 3 V"]
    """Rest positions, metres, body frame."""
    pose_directions: Float[Array, "207 3 V"]
    """See `Surface`."""
    skinning_weights: Float[Array, "24 V"]
    """See `Surface`."""


def shape_surface(surface: Surface, betas: Float[Array, "*b S"]) -> ShapedSurface:
    """Returns the surface of a person, its vertices displaced by their shape.

    Args:
      surface: vertices of the body model.
      betas: shape coefficients.
    """
    offsets = jnp.einsum(
        "...s,scv->...cv", betas, surface.shape_directions, precision=_HIGHEST
    )
    return ShapedSurface(
        rest=surface.template + offsets,
        pose_directions=surface.pose_directions,
        skinning_weights=surface.skinning_weights,
    )


def skin(
    surface: ShapedSurface,
    bones: Float[Array, "*#b 24 3 4"],
    pose_features: Float[Array, "*#b 207"],
) -> tuple[Float[Array, "*b V"], Float[Array, "*b V"], Float[Array, "*b V"]]:
    """Returns the x, y and z coordinates of posed vertices, metres (SMPL, Eqs. 2-5, 9).

    Args:
      surface: the vertices of a person in the rest pose.
      bones: rotation matrix and shift (the fourth column, metres) of each joint, which
        move rest vertices x to R x + shift.
      pose_features: entries of the 23 rotation matrices minus the identity.
    """
    correctives = jnp.einsum(
        "...p,pcv->...cv", pose_features, surface.pose_directions, precision=_HIGHEST
    )
    rest = surface.rest + correctives
    blended = jnp.einsum(
        "...jrc,jv->...rcv", bones, surface.skinning_weights, precision=_HIGHEST
    )
    x, y, z = (rest[..., c, :] for c in range(3))
    # Written out, this compiles to one pass over the vertices; a sum over an axis does
    # not.
    return tuple(
        blended[..., row, 0, :] * x
        + blended[..., row, 1, :] * y
        + blended[..., row, 2, :] * z
        + blended[..., row, 3, :]
        for row in range(3)
    )
