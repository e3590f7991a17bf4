"""Computes what thunder's network sees of a person, beside the keypoints it gives.

The features are evidence of the pose that keypoints do not hold, such as the chair of
somebody whose legs are hidden.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, UInt8

from prohmr_jax.detection.detector import CROP_PX, Detector
from prohmr_jax.detection.resampling import square
from prohmr_jax.detection.types import square_around
from prohmr_jax.models.movenet.network import MoveNet
from prohmr_jax.structs import Keypoints2D, PictureFeatures


def picture_features(
    detector: Detector, image: UInt8[np.ndarray, "H W 3"], keypoints: Keypoints2D
) -> PictureFeatures:
    """Returns the features of people [n], NumPy arrays in float32.

    A person's features depend on their own keypoints and the picture alone.

    Args:
      detector: of `load_detector`.
      image: RGB, upright.
      keypoints: [n, 17] of COCO_17, n >= 1, pixels of the photo. They choose the square
        that is looked at, and where in it the map is read.
    """
    crops, places = zip(
        *(square(image, row[:2], row[2], CROP_PX) for row in square_around(keypoints)),
        strict=True,
    )
    xy = [place.to_piece(xy) for place, xy in zip(places, keypoints.xy, strict=True)]
    return detector.in_batches(
        functools.partial(_look, detector.thunder),
        detector.thunder_variables,
        np.stack(crops),
        np.stack(xy).astype(np.float32),
    )


@functools.partial(jax.jit, static_argnums=0)
def _look(
    network: MoveNet,
    variables: dict,
    crops: UInt8[Array, "B h w 3"],
    xy: Float[Array, "B J 2"],
) -> PictureFeatures:
    """Returns the features of crops, read at joints in pixels of the crops."""
    backbone = network.apply(variables, crops).backbone
    stride = crops.shape[1] // backbone.stride_16.shape[1]
    # Positions between the centres of cells; beyond the border its cells go on.
    cells = (jnp.flip(xy, axis=-1) + 0.5) / stride - 0.5

    def read(feature_map, cells):
        by_channel = jax.vmap(
            lambda one: map_coordinates(one, list(cells.T), order=1, mode="nearest"),
            in_axes=-1,
            out_axes=-1,
        )
        return by_channel(feature_map)

    return PictureFeatures(
        pooled=jnp.mean(backbone.features, axis=(1, 2)),
        at_joints=jax.vmap(read)(backbone.stride_16, cells),
    )
