"""One rule for labels that are missing, whatever the source: zero, and marked so."""

import dataclasses

import numpy as np

from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError


def clean(record: PersonRecord) -> PersonRecord:
    """Returns the record with labels that are not finite taken for missing.

    A keypoint with a coordinate or a confidence that is not finite, or a confidence of
    0 or less, becomes zero; so do pose, shape and cameras as wholes.

    Raises:
      InputError: the box is not finite or has no area; it names the photo.
    """
    box = np.append(record.box_center, record.box_size)
    if not _finite(box).all() or record.box_size <= 0:
        center, size = np.asarray(record.box_center).tolist(), float(record.box_size)
        raise InputError(record.name, f"has a person without a box: {center}, {size}")
    has_pose = bool(record.has_pose) and bool(_finite(record.axis_angle).all())
    has_betas = bool(record.has_betas) and bool(_finite(record.betas).all())
    return dataclasses.replace(
        record,
        keypoints_2d=_seen(record.keypoints_2d),
        keypoints_3d=_seen(record.keypoints_3d),
        axis_angle=_if(has_pose, record.axis_angle),
        betas=_if(has_betas, record.betas),
        has_pose=has_pose,
        has_betas=has_betas,
        intrinsics=_if(_finite(record.intrinsics).all(), record.intrinsics),
        extrinsics=_if(_finite(record.extrinsics).all(), record.extrinsics),
    )


def _finite(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is stored is float32
        return np.isfinite(np.asarray(values, np.float32))


def _seen(keypoints: np.ndarray) -> np.ndarray:
    seen = _finite(keypoints).all(-1, keepdims=True) & (keypoints[..., -1:] > 0)
    return np.where(seen, keypoints, 0.0)


def _if(known: bool, values: np.ndarray) -> np.ndarray:
    return values if known else np.zeros_like(values)
