"""Turns the RGB levels of a crop into the input of an image network.

Training and inference both call `normalize`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

LARGEST = 255.0
# Mean and standard deviation of ImageNet's channels, as shares of the largest level.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def normalize(
    image: UInt8[Array, "*b H W 3"], color_scale: Float[Array, "*b 3"] | None = None
) -> Float[Array, "*b H W 3"]:
    """Returns the image in units of ImageNet's standard deviation from its mean.

    Args:
      image: RGB levels.
      color_scale: factor of each channel, which multiplies the levels before they are
        clipped to [0, 255]; None for no augmentation.
    """
    levels = jnp.asarray(image, jnp.float32)
    if color_scale is not None:
        levels = jnp.clip(levels * color_scale[..., None, None, :], 0.0, LARGEST)
    return (levels - LARGEST * MEAN) / (LARGEST * STD)
