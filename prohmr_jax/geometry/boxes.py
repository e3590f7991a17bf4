"""Boxes around people, from their keypoints.

One rule for training and inference, in code that runs on the host and inside jit.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from prohmr_jax.geometry.cameras import image_to_crop
from prohmr_jax.structs import Box, Keypoints2D

# The official margin: the tight box is enlarged by this factor.
MARGIN = 1.2
# Detections at or below this confidence do not count.
MIN_CONFIDENCE = 0.1
# A person of a single joint still gets a box with an area.
_MIN_SIDE = 1e-3


def confident(
    keypoints: Keypoints2D, min_confidence: float = MIN_CONFIDENCE
) -> Bool[Array, "*b J"]:
    """Returns which joints the detector is confident of."""
    return keypoints.confidence > min_confidence


def official_validity(keypoints: Keypoints2D) -> Bool[Array, "*b J"]:
    """Returns which joints the official OpenPose reader boxes: those with y > 0.

    It looks at the position where it means the confidence, so that a joint in the
    first row is lost and an undetected one with a position counts. For parity only.
    """
    return keypoints.xy[..., 1] > 0


def box_around(
    xy: Float[Array, "*b J 2"], valid: Bool[Array, "*b J"], margin: float = MARGIN
) -> Box:
    """Returns the square box around the valid points, in their unit.

    Side: the larger extent of the tight box, times `margin`. Without any valid point
    the box is at 0 with the least side; callers refuse such people beforehand.
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
    """Returns the box around the confident joints."""
    return box_around(keypoints.xy, confident(keypoints, min_confidence))


def in_box(keypoints: Keypoints2D) -> tuple[Keypoints2D, Box]:
    """Returns keypoints in the crop frame of their own box, and that box.

    This is the one way into the keypoint encoder, in training and at inference. Joints
    whose confidence does not count become missing: position and confidence are 0.

    Args:
      keypoints: `[*b, J]`, any frame and unit.

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
