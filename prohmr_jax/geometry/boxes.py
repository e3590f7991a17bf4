"""Computes boxes around people from their keypoints.

Training and inference use the same functions, on the host and inside `jax.jit`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from prohmr_jax.geometry.cameras import image_to_crop
from prohmr_jax.structs import Box, Keypoints2D

# Factor by which the tight box is enlarged (the official value).
MARGIN = 1.2
# Joints are used from above this confidence on.
MIN_CONFIDENCE = 0.1
# Gives the box of a single joint an area.
_MIN_SIDE = 1e-3


def confident(
    keypoints: Keypoints2D, min_confidence: float = MIN_CONFIDENCE
) -> Bool[Array, "*b J"]:
    """Returns for each joint whether its confidence is above the minimum."""
    return keypoints.confidence > min_confidence


def official_validity(keypoints: Keypoints2D) -> Bool[Array, "*b J"]:
    """Returns which joints the official OpenPose reader uses: those with y > 0.

    The official code compares the y coordinate where it means the confidence. So it
    loses joints in the first row of the image, and uses undetected joints that have a
    position. Only the comparison with the official numbers needs this function.
    """
    return keypoints.xy[..., 1] > 0


def box_around(
    xy: Float[Array, "*b J 2"], valid: Bool[Array, "*b J"], margin: float = MARGIN
) -> Box:
    """Returns the square box around the valid points, in their unit.

    Its side is the larger extent of the tight box times `margin`. Without any valid
    point the box lies at 0 and has the smallest side; callers refuse such people first.

    Args:
      xy: points, in any frame.
      valid: which points the box must hold.
      margin: factor by which the tight box is enlarged.
    """
    mask = valid[..., None]
    low = jnp.min(jnp.where(mask, xy, jnp.inf), axis=-2)
    high = jnp.max(jnp.where(mask, xy, -jnp.inf), axis=-2)
    some = jnp.any(valid, axis=-1)[..., None]
    low, high = jnp.where(some, low, 0.0), jnp.where(some, high, 0.0)
    side = margin * jnp.max(high - low, axis=-1)
    return Box(center=(low + high) / 2.0, size=jnp.maximum(side, _MIN_SIDE))


def box_from_keypoints(
    keypoints: Keypoints2D, min_confidence: float = MIN_CONFIDENCE
) -> Box:
    """Returns the box around the joints whose confidence is above the minimum.

    Args:
      keypoints: joints in any frame; the box is in the same frame and unit.
      min_confidence: joints at or below this confidence are ignored.
    """
    return box_around(keypoints.xy, confident(keypoints, min_confidence))


def in_box(keypoints: Keypoints2D) -> tuple[Keypoints2D, Box]:
    """Returns keypoints in the crop frame of their own box, and that box.

    Training and inference both prepare the input of the keypoint encoder with this
    function. Joints at or below `MIN_CONFIDENCE` become missing: their position and
    their confidence are 0.

    Args:
      keypoints: `[*b, J]`, in any frame and unit.

    Returns:
      The keypoints in crop units, and the box in the frame and unit of the input.
    """
    box = box_from_keypoints(keypoints)
    counts = confident(keypoints)
    xy = image_to_crop(keypoints.xy, box)
    inside = Keypoints2D(
        xy=jnp.where(counts[..., None], xy, 0.0),
        confidence=jnp.where(counts, keypoints.confidence, 0.0),
    )
    return inside, box
