"""Provides a flow over body poses that sees no image, the learned prior of SMPLify.

It has the form of ProHMR's flow without a context, over the 23 body rotations in 6D.
The global rotation is not part of it, as in VPoser, which it stands for. The weights
that ship with the package were trained by `tools/make_pose_flow.py`.
"""

import os
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.assets import POSE_FLOW
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, rotmat_to_pose_6d
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prepared_flow import PreparedFlow
from prohmr_jax.skeleton import SMPL_24

NUM_BODY = len(SMPL_24) - 1
BODY_FEATURES = 6 * NUM_BODY
# Standard deviation of the noise that training adds to 6D poses; without it, they fill
# no volume.
LABEL_NOISE = 0.005

MODULE = ConditionalGlow(
    features=BODY_FEATURES,
    hidden_features=192,
    context_features=0,
    num_layers=6,
    num_blocks=1,
    use_batch_norm=False,
    dropout_rate=0.0,
)


def body_features(axis_angle: Float[Array, "*b 24 3"]) -> Float[Array, "*b 138"]:
    """Returns the body's rotations in 6D as one vector, the data of the flow.

    Args:
      axis_angle: SMPL_24 rotations relative to the parents, radians; the root's is not
        used.
    """
    pose_6d = rotmat_to_pose_6d(axis_angle_to_rotmat(axis_angle[..., 1:, :]))
    return pose_6d.reshape(*pose_6d.shape[:-2], BODY_FEATURES)


def init_params(key: jax.Array) -> dict:
    """Returns freshly initialised parameters of `MODULE`."""
    example = jnp.zeros((1, BODY_FEATURES))
    return MODULE.init(key, example, method="forward")["params"]


def save_pose_flow(path: str | os.PathLike, params: Mapping) -> None:
    """Writes the parameters of `MODULE` as NPZ, in float16."""
    flat = flatten_dict(dict(params), sep="/")
    write_npz(path, {name: np.asarray(a, np.float16) for name, a in flat.items()})


def load_pose_flow(path: str | os.PathLike | None = None) -> PreparedFlow:
    """Returns the flow in a file, folded for inference.

    Args:
      path: the file; None for the flow that ships with the package.

    Raises:
      InputError: the file does not hold the parameters of `MODULE`.
    """
    abstract = jax.eval_shape(init_params, jax.random.key(0))
    expected = {
        name: Expected(a.shape) for name, a in flatten_dict(abstract, sep="/").items()
    }
    arrays = read_npz(POSE_FLOW if path is None else path, expected)
    params = {name: a.astype(np.float32) for name, a in arrays.items()}
    return prepare_flow(MODULE, {"params": unflatten_dict(params, sep="/")})
