"""Holds the schema of the table that the mode "multiview" writes.

`tables.write_table` and `tables.read_table` write and read it, and `docs/multiview.md`
describes it to users. Rows of padding, where `valid` is 0, hold zeros.
"""

import dataclasses

import numpy as np

from prohmr_jax.inference.results import array_field
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.skeleton import JOINTS_44, SMPL_24

_NUM_JOINTS, _NUM_KINEMATIC = len(JOINTS_44), len(SMPL_24)


@dataclasses.dataclass(frozen=True)
class ViewsTable:
    """Holds P people in up to N views, before and after the views were made to agree.

    `fit_*` is after the fit. What `tables.FitTable` has under the same name means the
    same, for each view.
    """

    person: np.ndarray = array_field("P", kind="text")
    """Name of the person in the input, [P]."""
    valid: np.ndarray = array_field("P", "N")
    """Whether a view exists, [P, N]: 1 for a view, 0 for padding."""
    source: np.ndarray = array_field("P", "N", kind="text")
    """File of the detections, [P, N]."""
    person_index: np.ndarray = array_field("P", "N", kind="integer")
    """Position in that file's list of people, [P, N]."""
    frame: np.ndarray = array_field("P", "N", kind="integer")
    """Number of the video frame, [P, N]; -1 where the file is not of a video."""
    photo: np.ndarray = array_field("P", "N", kind="text")
    """Name of the photo, [P, N]: that of its file, or without a file the one that the
    detections state; empty where there is neither."""
    image_id: np.ndarray | None = array_field("P", "N", kind="text", optional=True)
    """What the detections call the picture, [P, N], a name or a number; empty if
    nothing. None in a table of an older version."""
    track_id: np.ndarray | None = array_field("P", "N", kind="text", optional=True)
    """Identity of the person across pictures, as the detections state it, [P, N]; empty
    if they state none. None in a table of an older version."""
    keypoints_px: np.ndarray = array_field("P", "N", _NUM_JOINTS, 2)
    """Keypoints (JOINTS_44) of each view, [P, N, 44, 2], pixels of the photo."""
    keypoint_confidence: np.ndarray = array_field("P", "N", _NUM_JOINTS)
    """Confidence of these keypoints, [P, N, 44], in [0, 1]."""
    image_size_px: np.ndarray = array_field("P", "N", 2, kind="integer")
    """(width, height) of the photo, [P, N, 2], pixels; zeros where not known."""
    box_center_px: np.ndarray = array_field("P", "N", 2)
    """Centre of the square around the person, [P, N, 2], pixels of the photo."""
    box_size_px: np.ndarray = array_field("P", "N")
    """Side of that square, [P, N], pixels of the photo."""
    intrinsics: np.ndarray = array_field("P", "N", 3, 3)
    """Matrix K of the camera that bodies stand in front of, [P, N, 3, 3], pixels."""
    pose_axis_angle: np.ndarray = array_field("P", "N", _NUM_KINEMATIC, 3)
    """Mode of each view before the fit, [P, N, 24, 3], radians."""
    log_prob: np.ndarray = array_field("P", "N")
    """Natural log-density of the mode, [P, N]."""
    joints: np.ndarray = array_field("P", "N", _NUM_JOINTS, 3)
    """Joints (JOINTS_44) of the mode, [P, N, 44, 3], metres, camera axes."""
    betas: np.ndarray = array_field("P", "N", "S")
    """Shape coefficients that are predicted in each view, [P, N, S]."""
    translation: np.ndarray = array_field("P", "N", 3)
    """Translation that places the mode, [P, N, 3], metres, camera axes."""
    fit_z: np.ndarray = array_field("P", "N", POSE_FEATURES)
    """Latent vector of each view after the fit, [P, N, 144]."""
    fit_pose_axis_angle: np.ndarray = array_field("P", "N", _NUM_KINEMATIC, 3)
    """Pose of each view after the fit, [P, N, 24, 3], radians; the poses below the root
    agree as far as the views' likelihoods allow."""
    fit_body_pose: np.ndarray = array_field("P", _NUM_KINEMATIC - 1, 3)
    """Pose of the one body without its root, [P, 23, 3], radians: the rotations nearest
    to the mean over the views."""
    fit_betas: np.ndarray = array_field("P", "S")
    """Shape coefficients of the one body, [P, S]."""
    fit_joints: np.ndarray = array_field("P", "N", _NUM_JOINTS, 3)
    """Joints (JOINTS_44) of each view after the fit, [P, N, 44, 3], metres, camera
    axes."""
    fit_translation: np.ndarray = array_field("P", "N", 3)
    """Translation that places these joints, [P, N, 3], metres, camera axes."""
    fit_start_loss: np.ndarray = array_field("P")
    """Objective of the modes, [P]."""
    fit_loss: np.ndarray = array_field("P")
    """Objective of the fit, [P]."""
    fit_steps: np.ndarray = array_field("P", kind="integer")
    """Number of accepted steps, [P]."""
    fit_evaluations: np.ndarray = array_field("P", kind="integer")
    """Number of evaluations of the objective and its gradient, [P]."""
    fit_reason: np.ndarray = array_field("P", kind="integer")
    """How the fit ended, [P]: a `Reason`, and an index into `reason_names`."""
    fit_reprojection_percent: np.ndarray | None = array_field("P", "N", optional=True)
    """Mean distance of the fitted body from the keypoints seen, [P, N], percent of the
    side of the box; -1 if no keypoint was seen. This and the members below are None in
    a table of an older version."""
    fit_log_density: np.ndarray | None = array_field("P", "N", optional=True)
    """Log-density of the fitted pose minus its mean over samples, [P, N]; see
    `plausibility.log_density_of`."""
    fit_largest_beta: np.ndarray | None = array_field("P", "N", optional=True)
    """Largest absolute value of the fitted shape coefficients, [P, N]."""
    fit_distance_m: np.ndarray | None = array_field("P", "N", optional=True)
    """Depth of the fitted body in front of the camera, [P, N], metres."""
    fit_stature_m: np.ndarray | None = array_field("P", "N", optional=True)
    """Height of the fitted body at rest, [P, N], metres."""
    fit_plausible: np.ndarray | None = array_field(
        "P", "N", kind="integer", optional=True
    )
    """1 if the fitted body can be that of the person, 0 if not, [P, N]; see
    `plausibility.judge`."""
    fit_implausible_reason: np.ndarray | None = array_field(
        "P", "N", kind="text", optional=True
    )
    """Why the fitted body is not plausible, [P, N]; empty if it is."""


@dataclasses.dataclass(frozen=True)
class WorldTable(ViewsTable):
    """Holds the same with calibrated cameras, and the one body in the world."""

    camera_rotation: np.ndarray = array_field("P", "N", 3, 3)
    """Rotation matrix R from world axes to camera axes, [P, N, 3, 3]."""
    camera_translation: np.ndarray = array_field("P", "N", 3)
    """Translation t of the camera, [P, N, 3], metres, camera axes."""
    world_orient: np.ndarray = array_field("P", 3)
    """Rotation from the one body's axes to world axes, [P, 3], axis-angle, radians."""
    world_joints: np.ndarray = array_field("P", _NUM_JOINTS, 3)
    """Joints (JOINTS_44) of the one body where they are in the world, [P, 44, 3],
    metres."""
    world_translation: np.ndarray = array_field("P", 3)
    """Translation that places the one body in the world after it was turned by
    `world_orient` about its root joint, [P, 3], metres."""
