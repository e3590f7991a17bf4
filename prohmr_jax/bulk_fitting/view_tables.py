"""What bulk labelling of views writes: P people, seen in up to N views each.

Read and written as the table of single people; `docs/multiview.md` says the same to
users. Rows of padding, where `valid` is 0, are zeros.
"""

import dataclasses

import numpy as np

from prohmr_jax.inference.results import stored
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.skeleton import JOINTS_44, SMPL_24

_JOINTS, _KINEMATIC = len(JOINTS_44), len(SMPL_24)


@dataclasses.dataclass(frozen=True)
class ViewsTable:
    """People before and after their views were made to agree, NumPy."""

    person: np.ndarray = stored("P", kind="text")
    valid: np.ndarray = stored("P", "N")
    """1 for a view, 0 for padding."""
    source: np.ndarray = stored("P", "N", kind="text")
    person_index: np.ndarray = stored("P", "N", kind="integer")
    frame: np.ndarray = stored("P", "N", kind="integer")
    photo: np.ndarray = stored("P", "N", kind="text")
    keypoints_px: np.ndarray = stored("P", "N", _JOINTS, 2)
    keypoint_confidence: np.ndarray = stored("P", "N", _JOINTS)
    image_size_px: np.ndarray = stored("P", "N", 2, kind="integer")
    box_center_px: np.ndarray = stored("P", "N", 2)
    box_size_px: np.ndarray = stored("P", "N")
    intrinsics: np.ndarray = stored("P", "N", 3, 3)
    pose_axis_angle: np.ndarray = stored("P", "N", _KINEMATIC, 3)
    """Before: each view's mode."""
    log_prob: np.ndarray = stored("P", "N")
    joints: np.ndarray = stored("P", "N", _JOINTS, 3)
    betas: np.ndarray = stored("P", "N", "S")
    translation: np.ndarray = stored("P", "N", 3)
    fit_z: np.ndarray = stored("P", "N", POSE_FEATURES)
    fit_pose_axis_angle: np.ndarray = stored("P", "N", _KINEMATIC, 3)
    """After: body poses agree as far as the views' likelihoods allow."""
    fit_body_pose: np.ndarray = stored("P", _KINEMATIC - 1, 3)
    """The one body's: the rotations nearest to the views' mean, axis-angle."""
    fit_betas: np.ndarray = stored("P", "S")
    """The one body's."""
    fit_joints: np.ndarray = stored("P", "N", _JOINTS, 3)
    fit_translation: np.ndarray = stored("P", "N", 3)
    fit_start_loss: np.ndarray = stored("P")
    fit_loss: np.ndarray = stored("P")
    fit_steps: np.ndarray = stored("P", kind="integer")
    fit_evaluations: np.ndarray = stored("P", kind="integer")
    fit_reason: np.ndarray = stored("P", kind="integer")


@dataclasses.dataclass(frozen=True)
class WorldTable(ViewsTable):
    """The same with known cameras: there is one body in the world as well."""

    camera_rotation: np.ndarray = stored("P", "N", 3, 3)
    """World to camera."""
    camera_translation: np.ndarray = stored("P", "N", 3)
    """Metres."""
    world_orient: np.ndarray = stored("P", 3)
    """Axis-angle that turns the one body's axes to the world's."""
    world_joints: np.ndarray = stored("P", _JOINTS, 3)
    """Metres, in their place in the world."""
    world_translation: np.ndarray = stored("P", 3)
    """Of the one body, turned by `world_orient`, metres."""
