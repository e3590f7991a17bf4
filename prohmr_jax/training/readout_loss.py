"""Computes the loss of the linear layer that reads joints and rotations off contexts.

`objective` calls it for models that have such a layer (`models.readout`); it teaches an
encoder that starts from random weights, and is not in the paper.
"""

from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.models.readout import Reading
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.losses import (
    keypoint_2d_loss,
    keypoint_3d_loss,
    rotation_loss,
)

# Weights of the parts, chosen so that each contributes about as much to the sum.
_WEIGHT_2D, _WEIGHT_3D, _WEIGHT_ORIENT, _WEIGHT_POSE = 0.1, 0.04, 0.3, 0.05


def readout_loss(reading: Reading, labels: Labels) -> Float[Array, " B"]:
    """Returns the weighted sum of the errors of what the linear layer has read.

    Args:
      reading: joints and rotations read off the contexts, leading axis B.
      labels: labels of the same people.
    """
    two, three, smpl = labels.keypoints_2d, labels.keypoints_3d, labels.smpl
    error_2d = keypoint_2d_loss(reading.joints_2d, two.xy, labels.mode_confidence_2d)
    error_3d = keypoint_3d_loss(
        reading.joints, three.xyz, three.confidence, skeleton.PELVIS_44
    )
    root, others = reading.rotmats[..., :1, :, :], reading.rotmats[..., 1:, :, :]
    orient = rotation_loss(root, smpl.global_orient[..., None, :, :])
    pose = rotation_loss(others, smpl.body_pose)
    rotations = _WEIGHT_ORIENT * orient + _WEIGHT_POSE * pose
    return _WEIGHT_2D * error_2d + _WEIGHT_3D * error_3d + labels.has_pose * rotations
