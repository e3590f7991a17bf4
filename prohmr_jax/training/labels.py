"""Holds what is known of the people that a training step sees.

The objective compares predictions with these labels, whatever the model is conditioned
on; `keypoint_model` and `image_model` make them from their batches.
"""

from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.geometry.rotations import rotmat_to_pose_6d
from prohmr_jax.structs import Keypoints2D, Keypoints3D, SmplParams


@struct.dataclass
class Labels:
    """Holds the labels of the people of a batch; the leading axis of each field is B.

    What is not labelled has confidence 0, or 0 in `has_pose` and `has_betas`, and must
    still be finite.
    """

    keypoints_2d: Keypoints2D
    """2D joints in the order of JOINTS_44, crop frame."""
    mode_confidence_2d: Float[Array, "B 44"]
    """Weight of each 2D joint in the loss of the mode; that of the samples is
    `keypoints_2d.confidence`."""
    keypoints_3d: Keypoints3D
    """3D joints in the order of JOINTS_44, metres, camera axes, any origin."""
    smpl: SmplParams
    """Pose (camera frame) and shape."""
    has_pose: Float[Array, " B"]
    """1 where the rotations are labelled, else 0."""
    has_betas: Float[Array, " B"]
    """1 where the shape is labelled, else 0."""

    @property
    def pose_6d(self) -> Float[Array, "B 24 6"]:
        """Returns the labelled rotations as 6D vectors, the root's first."""
        return rotmat_to_pose_6d(self.smpl.rotmats)
