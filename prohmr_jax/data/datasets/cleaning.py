"""Sets missing labels to zero and marks them, by one rule for all sources.

`builder` applies it to every record.
"""

import dataclasses

import numpy as np

from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError


def clean(record: PersonRecord) -> PersonRecord:
    """Returns the record with zeros in place of missing labels.

    A keypoint counts as missing where a coordinate or the confidence is not finite, or
    the confidence is 0 or less. A pose, a shape or a camera matrix counts as missing as
    a whole where one of its numbers is not finite.

    Raises:
      InputError: the box is not finite or has no area; the photo is named.
    """
    box = np.append(record.box_center, record.box_size)
    if not _finite(box).all() or record.box_size <= 0:
        center, size = np.asarray(record.box_center).tolist(), float(record.box_size)
        raise InputError(record.name, f"has a person without a box: {center}, {size}")
    has_pose = bool(record.has_pose) and bool(_finite(record.axis_angle).all())
    has_betas = bool(record.has_betas) and bool(_finite(record.betas).all())
    return dataclasses.replace(
        record,
        keypoints_2d=_without_missing(record.keypoints_2d),
        keypoints_3d=_without_missing(record.keypoints_3d),
        axis_angle=_zero_unless(has_pose, record.axis_angle),
        betas=_zero_unless(has_betas, record.betas),
        has_pose=has_pose,
        has_betas=has_betas,
        intrinsics=_zero_unless(_finite(record.intrinsics).all(), record.intrinsics),
        extrinsics=_zero_unless(_finite(record.extrinsics).all(), record.extrinsics),
    )


def _finite(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is stored is float32
        return np.isfinite(np.asarray(values, np.float32))


def _without_missing(keypoints: np.ndarray) -> np.ndarray:
    seen = _finite(keypoints).all(-1, keepdims=True) & (keypoints[..., -1:] > 0)
    return np.where(seen, keypoints, 0.0)


def _zero_unless(known: bool, values: np.ndarray) -> np.ndarray:
    return values if known else np.zeros_like(values)
