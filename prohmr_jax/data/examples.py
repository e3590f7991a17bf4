"""Makes training and evaluation examples from records and their photos.

`pipeline` calls `make_example`.
"""

import dataclasses

import numpy as np

from prohmr_jax.data.augmentation import (
    Draw,
    augment_points,
    augment_pose,
    extreme_crop,
)
from prohmr_jax.data.crops import crop_image, crop_matrix, move_points
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.skeleton import JOINTS_44
from prohmr_jax.structs import Box, ImageBatch, Keypoints2D, Keypoints3D, SmplParams


@dataclasses.dataclass(frozen=True)
class Window:
    """Holds the part of a photo that a crop shows."""

    box: Box
    """Box of the crop, NumPy, pixels of the photo as it is stored."""
    matrix: np.ndarray
    """Affine map from pixels of the photo to pixels of the crop, [2, 3]."""


def augmented_window(
    record: PersonRecord, draw: Draw, width: int, side_px: int
) -> Window:
    """Returns the part of a photo that the augmented crop of a person shows.

    As in the official code, the box is first shifted, then cut to a part of the person,
    mirrored with the photo, turned and scaled.

    Args:
      record: the person, in pixels of the photo.
      draw: the augmentation.
      width: width of the photo, pixels.
      side_px: side of the crop, pixels.
    """
    size = float(record.box_size)
    center = record.box_center.astype(np.float64) + size * np.array(draw.translation)
    if draw.extreme_crop is not None:
        keypoints = record.keypoints_2d
        center, size = extreme_crop(draw.extreme_crop, center, size, keypoints)
    size *= draw.scale
    mirrored = np.array([width - 1 - center[0], center[1]]) if draw.flip else center
    matrix = crop_matrix(
        mirrored,
        size,
        side_px,
        rotation_deg=draw.rotation_deg,
        mirror_width=width if draw.flip else None,
    )
    return Window(Box(center.astype(np.float32), np.float32(size)), matrix)


def make_example(
    record: PersonRecord, photo: np.ndarray, draw: Draw, side_px: int, num_betas: int
) -> ImageBatch:
    """Returns the example of one person, without a batch axis, as NumPy arrays.

    Args:
      record: labels of the person, in pixels of the photo.
      photo: photo, [H, W, 3], uint8, RGB.
      draw: the augmentation; `Draw()` for none.
      side_px: side of the crop, pixels.
      num_betas: number of shape coefficients of the body; those without a label are
        zero.
    """
    window = augmented_window(record, draw, photo.shape[1], side_px)
    keypoints = record.keypoints_2d
    points = record.keypoints_3d
    if draw.flip:
        # The map mirrors the positions; left and right change their names.
        mirror = list(JOINTS_44.mirror)
        keypoints, confidence_3d = keypoints[mirror], points[mirror, 3]
    else:
        confidence_3d = points[:, 3]
    betas = np.zeros(num_betas, np.float32)
    shared = min(num_betas, len(record.betas))
    betas[:shared] = record.betas[:shared]
    rotmats = augment_pose(record.axis_angle, draw).astype(np.float32)
    xy = move_points(keypoints[:, :2], window.matrix) / side_px - 0.5
    return ImageBatch(
        image=crop_image(photo, window.matrix, side_px),
        color_scale=np.array(draw.color_scale, np.float32),
        keypoints_2d=Keypoints2D(
            xy=xy.astype(np.float32), confidence=keypoints[:, 2].astype(np.float32)
        ),
        keypoints_3d=Keypoints3D(
            xyz=augment_points(points[:, :3], draw).astype(np.float32),
            confidence=confidence_3d.astype(np.float32),
        ),
        smpl=SmplParams.from_rotmats(rotmats, betas),
        has_pose=np.float32(record.has_pose),
        has_betas=np.float32(record.has_betas),
        box=window.box,
        image_size=np.array(photo.shape[1::-1], np.float32),
    )
