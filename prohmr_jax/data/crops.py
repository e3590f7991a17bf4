"""Cuts the square crop that a network is given from a photo, as the official code does.

Training, evaluation and inference call it. The crop is given by an affine map, which
takes the centre of the box to the middle of the crop and the side of the box to the
side of the crop, without a shift by half a pixel. The window may be turned about its
centre, and the photo mirrored beforehand.
"""

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

from prohmr_jax.errors import InputError
from prohmr_jax.files.decoder_messages import quiet_decoders
from prohmr_jax.structs import Box, Crop


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Returns the photo [H, W, 3], uint8, RGB, in the frame of its stored pixels.

    Grey, transparent and 16-bit images become RGB of 8 bits. The orientation in the
    EXIF data is not applied: labels refer to the pixels as they are stored.

    Args:
      data: content of an image file.
      name: name of the photo, for errors.

    Raises:
      InputError: the bytes are no image, or a damaged one.
    """
    if not data:
        raise InputError(name, "is empty")
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with quiet_decoders():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise InputError(name, "is an image that cannot be decoded") from error
    if image is None:
        raise InputError(name, "is no image, or a damaged one")
    return image


def crop_matrix(
    center: np.ndarray,
    size: float,
    side_px: int,
    *,
    rotation_deg: float = 0.0,
    mirror_width: int | None = None,
) -> Float[np.ndarray, "2 3"]:
    """Returns the affine map [2, 3] from pixels of the photo to pixels of the crop.

    Args:
      center: centre of the box, [2], pixels, after the photo was mirrored, if it is.
      size: side of the box, pixels.
      side_px: side of the crop, pixels.
      rotation_deg: angle by which the window is turned, degrees from x towards y.
      mirror_width: width of the photo, pixels, if it is mirrored first; else None.
    """
    turn = np.deg2rad(rotation_deg)
    cosine, sine = np.cos(turn), np.sin(turn)
    half = size / 2.0
    points = np.stack([
        center,
        center + half * np.array([-sine, cosine]),
        center + half * np.array([cosine, sine]),
    ]).astype(np.float32)  # fmt: skip
    middle = side_px / 2.0
    points_in_crop = np.array(
        [[middle, middle], [middle, side_px], [side_px, middle]], np.float32
    )
    matrix = cv2.getAffineTransform(points, points_in_crop)
    if mirror_width is not None:
        mirror = np.array([[-1.0, 0.0, mirror_width - 1.0], [0, 1, 0], [0, 0, 1]])
        matrix = matrix @ mirror
    return matrix


def crop_image(
    image: UInt8[np.ndarray, "H W 3"], matrix: Float[np.ndarray, "2 3"], side_px: int
) -> UInt8[np.ndarray, "S S 3"]:
    """Returns the crop [S, S, 3]; what lies beyond the photo is black.

    Args:
      image: photo, [H, W, 3], uint8, RGB.
      matrix: affine map from pixels of the photo to pixels of the crop, [2, 3].
      side_px: side S of the crop, pixels.
    """
    return cv2.warpAffine(
        image,
        matrix,
        (side_px, side_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )


def cut_person(photo: UInt8[np.ndarray, "H W 3"], box: Box, side_px: int) -> Crop:
    """Returns the crop that an image model is given, as NumPy arrays.

    Args:
      photo: photo, [H, W, 3], uint8, RGB.
      box: box around the person, pixels of the photo.
      side_px: side of the crop, pixels.
    """
    matrix = crop_matrix(box.center, float(box.size), side_px)
    return Crop(crop_image(photo, matrix, side_px), box)


def move_points(
    points: Num[np.ndarray, "*n 2"], matrix: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "*n 2"]:
    """Returns points [..., 2] mapped by an affine map [2, 3]."""
    return points @ matrix[:, :2].T + matrix[:, 2]
