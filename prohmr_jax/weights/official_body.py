"""Identifies the body that an official checkpoint was trained on.

`conversion` calls it. The official model keeps a copy of its body (`smpl.*`), which is
dropped, since it is licensed; its hash goes with the converted weights.
"""

from collections.abc import Mapping

import numpy as np

from prohmr_jax.files.body_files import BodyArrays
from prohmr_jax.files.body_hash import BodyIdentity, body_hash
from prohmr_jax.skeleton import EXTRA_19, LANDMARKS_21, SMPL_24
from prohmr_jax.weights.official_models import BODY_PREFIX

# What the official configuration names; its file is not part of a checkpoint.
_OFFICIAL = BodyIdentity("neutral SMPL", "", 6890)
# Field of `BodyArrays` -> name of the buffer in the class SMPL of the package smplx.
_BUFFERS = {
    "v_template": "v_template",
    "shapedirs": "shapedirs",
    "posedirs": "posedirs",
    "weights": "lbs_weights",
    "joint_regressor": "J_regressor",
    "extra_regressor": "joint_regressor_extra",
    "landmark_vertices": "vertex_joint_selector.extra_joints_idxs",
    "faces": "faces_tensor",
}


def body_of_checkpoint(state: Mapping[str, np.ndarray]) -> BodyIdentity:
    """Returns what identifies the body of an official checkpoint.

    The hash is that of the copy of the body in the checkpoint. If the copy is absent,
    rounded or of other shapes, the identity is that of the official configuration,
    the gender-neutral SMPL, and its hash is empty.

    Args:
      state: official name -> array, of all entries.
    """
    arrays = {field: state.get(BODY_PREFIX + name) for field, name in _BUFFERS.items()}
    if any(array is None for array in arrays.values()):
        return _OFFICIAL
    vertices, joints = len(arrays["v_template"]), len(SMPL_24)
    directions = 9 * (joints - 1)
    shapes = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, 10),
        "posedirs": (directions, 3 * vertices),
        "weights": (vertices, joints),
        "joint_regressor": (joints, vertices),
        "extra_regressor": (len(EXTRA_19), vertices),
        "landmark_vertices": (len(LANDMARKS_21),),
        "faces": (len(arrays["faces"]), 3),
    }
    if any(arrays[field].shape != shape for field, shape in shapes.items()):
        return _OFFICIAL
    # Rounded to half precision, the same body would have another hash.
    if any(a.dtype == np.float16 for a in arrays.values()):
        return _OFFICIAL
    # Pose directions are stored as [207, V * 3] there.
    posedirs = arrays["posedirs"].T.reshape(vertices, 3, directions)
    body = BodyArrays(**{**arrays, "posedirs": posedirs})
    return BodyIdentity("SMPL of the checkpoint", body_hash(body), vertices)
