"""Draws training pairs for models that lift skeletons: 2D joints and 3D joints.

Poses, shapes, cameras and faults of detections are those of `keypoint_pairs`; the
joints are Human3.6M's, none of which is missing, because the encoder of Martinez et al.
reads neither confidences nor missing joints.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.synthetic.keypoint_pairs import JITTER_25, random_person
from prohmr_jax.synthetic.missing_joints import ARM, LEG
from prohmr_jax.synthetic.pair_settings import KeypointPairSettings
from prohmr_jax.synthetic.position_faults import moved_joints

# The joint of BODY_25 that is as hard to place as a joint without a twin there.
_AS_HARD_AS = {
    "pelvis_mpii": "mid_hip", "spine_h36m": "mid_hip", "neck_lsp": "neck",
    "jaw_h36m": "neck", "head_h36m": "neck",
}  # fmt: skip
_NAMES = skeleton.H36M_17.names
JITTER_17 = JITTER_25[
    np.array(
        [
            skeleton.BODY_25.index(_AS_HARD_AS.get(name, name.removesuffix("_extra")))
            for name in _NAMES
        ]
    )
]
"""[17], standard deviation of the position of each joint of H36M_17, box sides."""
_IN_44 = np.array(skeleton.H36M_17.positions_in(skeleton.JOINTS_44))
_SWAPPED_PARTS = np.array(
    [
        [name.startswith(("left_", "right_")) and any(p in name for p in part)
         for name in _NAMES]
        for part in (ARM, LEG)
    ]
)  # fmt: skip
_ROOT = skeleton.H36M_17.index(skeleton.JOINTS_44.names[skeleton.PELVIS_44])
_OTHERS = np.delete(np.arange(len(_NAMES)), _ROOT)


@struct.dataclass
class SkeletonPair:
    """Holds the input and the label of a model that lifts skeletons."""

    keypoints: Keypoints2D
    """2D joints, H36M_17, crop frame of the box around them."""
    joints: Float[Array, "*b 16 3"]
    """3D joints, H36M_17 without the pelvis, relative to it, metres, camera axes."""


def h36m_17(joints: Float[Array, "*b 44 C"]) -> Float[Array, "*b 17 C"]:
    """Returns the joints of H36M_17 among those of JOINTS_44."""
    return joints[..., _IN_44, :]


def from_pelvis(joints: Float[Array, "*b 44 3"]) -> Float[Array, "*b 16 3"]:
    """Returns H36M_17 without the pelvis, relative to it.

    Args:
      joints: JOINTS_44, any origin.
    """
    seventeen = h36m_17(joints)
    return seventeen[..., _OTHERS, :] - seventeen[..., _ROOT, None, :]


def skeleton_pair(
    key: jax.Array,
    body: BodyModel,
    axis_angle: Float[Array, "24 3"],
    settings: KeypointPairSettings,
) -> SkeletonPair:
    """Returns the detections and the skeleton of one person, without a batch axis.

    Args:
      key: random key of this person.
      body: any body.
      axis_angle: pose, radians, whose root is relative to a world with Y up; half of
        the people get its mirror image.
      settings: variety of shapes and cameras, and of jitter, outliers and exchanged
        sides of the detections; rates of missing joints have no influence.
    """
    keys = jax.random.split(key, 9)
    _, posed, camera = random_person(keys[:4], body, axis_angle, settings)
    xy = cameras.project(h36m_17(posed.joints), camera)
    moved = moved_joints(
        keys[4:], xy, JITTER_17, skeleton.H36M_17.mirror, _SWAPPED_PARTS, settings
    )
    keypoints, _ = in_box(Keypoints2D(moved.xy, jnp.ones(xy.shape[:-1])))
    return SkeletonPair(keypoints, from_pelvis(posed.joints))
