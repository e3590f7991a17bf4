"""Turns bodies from the camera of a crop to the camera of the whole picture.

Models predict a body as if the camera looked at the middle of the person's box. In a
picture of a wide lens the person is seen along an oblique ray, and the body has to be
turned with it (Kissos et al., "Beyond weak perspective", 2020, Sec. 3.2). Fits of
tracks call it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.geometry.rotations import rotate, skew
from prohmr_jax.structs import Box, Camera, WeakCamera

# Keeps the depth finite when the weak camera's scale vanishes.
_SCALE_EPS = 1e-9


def rotation_to_ray(
    xy: Float[Array, "*b 2"],
    focal_length: Float[Array, "*b 2"],
    center: Float[Array, "*b 2"],
) -> Float[Array, "*b 3 3"]:
    """Returns the shortest rotations from the optical axis to the rays through pixels.

    Args:
      xy: pixels.
      focal_length: focal lengths (x, y), pixels.
      center: principal point (x, y), pixels.
    """
    slope = (xy - center) / focal_length
    length = jnp.sqrt(1.0 + jnp.sum(slope**2, axis=-1, keepdims=True))
    ray = jnp.concatenate([slope, jnp.ones_like(length)], axis=-1) / length
    x, y, z = ray[..., 0], ray[..., 1], ray[..., 2]
    # The axis is the cross product of the optical axis and the ray (Rodrigues).
    matrix = skew(jnp.stack([-y, x, jnp.zeros_like(z)], axis=-1))
    square = jnp.matmul(matrix, matrix, precision="highest")
    return jnp.eye(3) + matrix + square / (1.0 + z)[..., None, None]


def place_on_ray(
    weak: WeakCamera,
    box: Box,
    rest_pelvis: Float[Array, "*b 3"],
    focal_length: Float[Array, "*b 2"],
    center: Float[Array, "*b 2"],
) -> tuple[Float[Array, "*b 3 3"], Camera]:
    """Returns how a body is turned to the picture's camera, and where it stands there.

    Args:
      weak: camera of the crop, which the network predicts.
      box: box of the crop, pixels of the picture.
      rest_pelvis: rest position of the pelvis, about which bodies turn, metres.
      focal_length: focal lengths of the picture's camera, pixels.
      center: its principal point, pixels.

    Returns:
      Rotations from the axes of the crop's camera to those of the picture's, and the
      camera whose translation places the turned body, metres.
    """
    turn = rotation_to_ray(box.center, focal_length, center)
    slope = (box.center - center) / focal_length
    depth = 2.0 * jnp.mean(focal_length, axis=-1) / (box.size * weak.scale + _SCALE_EPS)
    aside = jnp.concatenate([weak.xy, jnp.zeros_like(depth)[..., None]], axis=-1)
    ray = jnp.concatenate([slope, jnp.ones_like(depth)[..., None]], axis=-1)
    translation = (
        rotate(turn, aside + rest_pelvis) - rest_pelvis + depth[..., None] * ray
    )
    return turn, Camera(translation, focal_length, center)
