"""What a network reads of a photo's grey levels: the statistics of ImageNet."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

LARGEST = 255.0
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def normalize(
    image: UInt8[Array, "*b H W 3"], color_scale: Float[Array, "*b 3"] | None = None
) -> Float[Array, "*b H W 3"]:
    """Returns the image with the mean and spread of ImageNet taken out, float32.

    Args:
      image: RGB.
      color_scale: factor of each channel, applied first; the product is clipped to
        [0, 255].
    """
    levels = jnp.asarray(image, jnp.float32)
    if color_scale is not None:
        levels = jnp.clip(levels * color_scale[..., None, None, :], 0.0, LARGEST)
    return (levels - LARGEST * MEAN) / (LARGEST * STD)
