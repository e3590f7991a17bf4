"""Converts rotations between axis-angle, quaternion, 6D and matrix form.

Every function takes any leading batch axes and keeps the floating-point type of its
input. Gradients are finite at zero rotation, at half turns and for degenerate 6D input:
each division is guarded on both branches, because `where` alone guards the value but
not the gradient.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.skeleton import SMPL_MIRROR

_HIGHEST = jax.lax.Precision.HIGHEST
# Below this squared angle the Taylor series are exact to float32 rounding.
_SMALL_ANGLE_SQUARED = 1e-4


def normalize(vector: Float[Array, "*b D"], eps: float = 1e-12) -> Float[Array, "*b D"]:
    """Returns vectors at length one; the zero vector stays zero.

    Vectors whose largest entry is below `eps` are divided by `eps` instead of their
    length, so that the gradient at zero is finite (1 / eps).

    Args:
      vector: vectors of any length.
      eps: the size below which a vector counts as zero.
    """
    # Scaled by the largest entry, so that squares neither under- nor overflow.
    largest = jnp.max(jnp.abs(vector), axis=-1, keepdims=True)
    tiny = largest < eps
    scaled = vector / jnp.where(tiny, eps, largest)
    squared = jnp.sum(scaled**2, axis=-1, keepdims=True)
    length = jnp.sqrt(jnp.where(tiny, 1.0, squared))
    return scaled / length


def skew(vector: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Returns the cross product matrices of vectors: their product with v is x cross v.

    Args:
      vector: the left factor x of the cross product.
    """
    x, y, z = jnp.moveaxis(vector, -1, 0)
    zero = jnp.zeros_like(x)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def rotate(
    rotmat: Float[Array, "*#b 3 3"], vector: Float[Array, "*#b 3"]
) -> Float[Array, "*b 3"]:
    """Returns vectors multiplied by rotation matrices.

    The sum is written out, because small batched matrix products are slow.

    Args:
      rotmat: rotation matrices.
      vector: column vectors; leading axes broadcast against those of the matrices.
    """
    return jnp.sum(rotmat * vector[..., None, :], axis=-1)


def axis_angle_to_rotmat(axis_angle: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Returns the rotation matrices of axis-angles, by Rodrigues' formula.

    Args:
      axis_angle: unit axis times angle, radians.
    """
    squared = jnp.sum(axis_angle**2, axis=-1)[..., None, None]
    small = squared < _SMALL_ANGLE_SQUARED
    safe_squared = jnp.where(small, 1.0, squared)
    angle = jnp.sqrt(safe_squared)
    sine = jnp.where(small, 1.0 - squared / 6.0, jnp.sin(angle) / angle)
    # (1 - cos a) / a^2 as a half-angle square, which does not cancel.
    half_sine = jnp.sin(angle / 2.0)
    cosine = jnp.where(small, 0.5 - squared / 24.0, 2.0 * half_sine**2 / safe_squared)
    outer = axis_angle[..., :, None] * axis_angle[..., None, :]
    identity = jnp.eye(3, dtype=axis_angle.dtype)
    # K^2 = a a^T - |a|^2 I
    return identity + sine * skew(axis_angle) + cosine * (outer - squared * identity)


def mirror_pose(axis_angle: Float[Array, "*b 24 3"]) -> Float[Array, "*b 24 3"]:
    """Returns the pose mirrored in the plane x = 0, which swaps left and right.

    Args:
      axis_angle: SMPL_24 rotations relative to the parents, radians.
    """
    swapped = axis_angle[..., SMPL_MIRROR, :]
    return swapped * np.array([1.0, -1.0, -1.0], axis_angle.dtype)


def quaternion_to_rotmat(quaternion: Float[Array, "*b 4"]) -> Float[Array, "*b 3 3"]:
    """Returns the rotation matrices of quaternions.

    Args:
      quaternion: (w, x, y, z), of any length but zero.
    """
    w, x, y, z = jnp.moveaxis(normalize(quaternion), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def rotmat_to_quaternion(rotmat: Float[Array, "*b 3 3"]) -> Float[Array, "*b 4"]:
    """Returns the unit quaternions (w, x, y, z) of rotation matrices, with w >= 0.

    Every row of the matrix 4 q q^T is a multiple of the quaternion q. The row with the
    largest diagonal entry is normalised, so that no square root is taken near zero, not
    even at half turns.
    """
    m = rotmat
    diagonal = jnp.diagonal(m, axis1=-2, axis2=-1)
    xx, yy, zz = jnp.moveaxis(diagonal, -1, 0)
    # The matrix 4 q q^T.
    wx = m[..., 2, 1] - m[..., 1, 2]
    wy = m[..., 0, 2] - m[..., 2, 0]
    wz = m[..., 1, 0] - m[..., 0, 1]
    xy = m[..., 1, 0] + m[..., 0, 1]
    xz = m[..., 0, 2] + m[..., 2, 0]
    yz = m[..., 2, 1] + m[..., 1, 2]
    rows = (
        (1 + xx + yy + zz, wx, wy, wz),
        (wx, 1 + xx - yy - zz, xy, xz),
        (wy, xy, 1 - xx + yy - zz, yz),
        (wz, xz, yz, 1 - xx - yy + zz),
    )
    outer = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
    pivot = jnp.argmax(jnp.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    row = jnp.take_along_axis(outer, pivot[..., None, None], axis=-2)[..., 0, :]
    quaternion = normalize(row)
    return jnp.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def rotmat_to_axis_angle(rotmat: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """Returns the axis-angles (unit axis times angle, radians) of rotation matrices.

    Angles are in [0, pi], and the function is smooth at the identity.
    """
    quaternion = rotmat_to_quaternion(rotmat)
    w, xyz = quaternion[..., :1], quaternion[..., 1:]
    squared = jnp.sum(xyz**2, axis=-1, keepdims=True)
    small = squared < _SMALL_ANGLE_SQUARED
    sine = jnp.sqrt(jnp.where(small, 1.0, squared))
    # angle / sin(angle / 2); near zero, its Taylor series in sin(angle / 2).
    ratio = jnp.where(
        small, 2.0 + squared / 3.0, 2.0 * jnp.arctan2(sine, jnp.where(small, 1.0, w))
        / sine,
    )  # fmt: skip
    return ratio * xyz


def pose_6d_to_rotmat(pose_6d: Float[Array, "*b 6"]) -> Float[Array, "*b 3 3"]:
    """Returns rotation matrices by Gram-Schmidt on two columns (Zhou et al., 2019).

    Args:
      pose_6d: the first column, then the second, of any length and at any angle. Zero
        columns give zero columns, as in the official code; collinear columns leave the
        second and the third column undetermined. Gradients stay finite.
    """
    first, second = pose_6d[..., :3], pose_6d[..., 3:]
    x = normalize(first)
    y = normalize(second - jnp.sum(x * second, axis=-1, keepdims=True) * x)
    return jnp.stack([x, y, jnp.cross(x, y)], axis=-1)


def rotmat_to_pose_6d(rotmat: Float[Array, "*b 3 3"]) -> Float[Array, "*b 6"]:
    """Returns the first two columns of rotation matrices, one after the other."""
    return jnp.concatenate([rotmat[..., :, 0], rotmat[..., :, 1]], axis=-1)


def nearest_rotmat(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3 3"]:
    """Returns the rotation nearest to each matrix in the Frobenius norm, by SVD."""
    u, _, vt = jnp.linalg.svd(matrix, full_matrices=False)
    sign = jnp.sign(jnp.linalg.det(jnp.matmul(u, vt, precision=_HIGHEST)))[..., None]
    flip = jnp.concatenate([jnp.ones_like(sign), jnp.ones_like(sign), sign], axis=-1)
    return jnp.matmul(u * flip[..., None, :], vt, precision=_HIGHEST)


def geodesic_angle(
    a: Float[Array, "*b 3 3"], b: Float[Array, "*b 3 3"]
) -> Float[Array, "*b"]:
    """Returns the angle of the rotation from `a` to `b`, radians, in [0, pi].

    It is part of the library's interface: users compare predicted and true rotations
    with it.

    Args:
      a: rotation matrices.
      b: rotation matrices.
    """
    difference = jnp.matmul(jnp.swapaxes(a, -1, -2), b, precision=_HIGHEST)
    return jnp.linalg.norm(rotmat_to_axis_angle(difference), axis=-1)


def mean_rotation(
    rotmats: Float[Array, "*b N R 3 3"], valid: Float[Array, "*b N"]
) -> Float[Array, "*b R 3 3"]:
    """Returns the rotations nearest to the means of the views' rotation matrices.

    Args:
      rotmats: R rotation matrices in each of N views.
      valid: 1 for a view, 0 for padding, which does not count.
    """
    weight = valid[..., None, None, None]
    number = jnp.maximum(jnp.sum(valid, axis=-1), 1.0)[..., None, None, None]
    mean = jnp.sum(jnp.where(weight > 0, rotmats, 0.0), axis=-4) / number
    return nearest_rotmat(mean)
