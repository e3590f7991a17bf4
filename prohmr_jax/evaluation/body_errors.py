"""Measures predicted bodies, in millimetres, over the joint lists of the protocols."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.evaluation.best_of_n import best_of
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe, relative_to
from prohmr_jax.geometry.rotations import nearest_rotmat
from prohmr_jax.priors.gaussian_mixture import PosePrior, sample
from prohmr_jax.structs import Body, SmplParams

_MM = 1000.0

# Picks the joints of a protocol, relative to its root: [*b, J, 3], metres.
JointsOf = Callable[[Body], Float[Array, "*b J 3"]]


@struct.dataclass
class Errors:
    """Holds errors of people over one list of joints, in millimetres.

    The best of N is the least error of the mode and the first N samples.
    """

    mode_pa_mpjpe: Float[Array, " B"]
    """PA-MPJPE of the mode (z = 0)."""
    best_pa_mpjpe: Float[Array, "B C"]
    """PA-MPJPE of the best of N, for each of the C numbers N asked for."""
    mode_mpjpe: Float[Array, " B"]
    """MPJPE of the mode."""
    best_mpjpe: Float[Array, "B C"]
    """MPJPE of the best of N, likewise."""
    mean_pose_pa_mpjpe: Float[Array, " B"]
    """PA-MPJPE of the mean pose, an answer that ignores the input."""
    mean_pose_mpjpe: Float[Array, " B"]
    """MPJPE of the mean pose."""


def listed_joints(
    joints: Float[Array, "*b 44 3"], joint_set: skeleton.JointSet
) -> Float[Array, "*b J 3"]:
    """Returns the joints of a protocol, relative to the pelvis (MPII).

    Args:
      joints: joints in the order of JOINTS_44, metres.
      joint_set: the joints of the protocol, all of them among JOINTS_44.
    """
    joints = relative_to(joints, skeleton.PELVIS_44)
    return joints[..., np.array(joint_set.positions_in(skeleton.JOINTS_44)), :]


def h36m_14(body: Body) -> Float[Array, "*b 14 3"]:
    """Returns the 14 joints of Human3.6M and 3DPW, relative to the pelvis (MPII)."""
    return listed_joints(body.joints, skeleton.EVAL_H36M_14)


def smpl_24(body: Body) -> Float[Array, "*b 24 3"]:
    """Returns the kinematic joints, relative to the pelvis."""
    return relative_to(body.kinematic_joints, skeleton.SMPL_24.index("pelvis"))


def body_errors(
    predicted: Body,
    truth: Body,
    baseline: Body,
    joints_of: JointsOf,
    counts: Sequence[int],
) -> Errors:
    """Returns errors of hypotheses, the mode first, and of the mean pose.

    Args:
      predicted: bodies with leading axes [B, K], the mode and K - 1 samples.
      truth: bodies with leading axis [B].
      baseline: the body of the mean pose, without leading axes.
      joints_of: picks the joints of a protocol.
      counts: numbers N of samples of which the best is reported, each at most K - 1.
    """
    ours, true, mean = joints_of(predicted), joints_of(truth), joints_of(baseline)
    pa = _MM * pa_mpjpe(ours, true[:, None])
    raw = _MM * mpjpe(ours, true[:, None])
    mean = jnp.broadcast_to(mean, true.shape)
    # The mode counts as the first hypothesis, before the N samples.
    with_mode = [1 + count for count in counts]
    return Errors(
        mode_pa_mpjpe=pa[:, 0],
        best_pa_mpjpe=best_of(pa, with_mode),
        mode_mpjpe=raw[:, 0],
        best_mpjpe=best_of(raw, with_mode),
        mean_pose_pa_mpjpe=_MM * pa_mpjpe(mean, true),
        mean_pose_mpjpe=_MM * mpjpe(mean, true),
    )


@functools.partial(jax.jit, static_argnames="num_draws")
def mean_pose(prior: PosePrior, num_draws: int = 20_000) -> Float[Array, "23 3 3"]:
    """Returns the rotation-wise mean of poses drawn from the prior."""
    _, body_pose = sample(prior, jax.random.key(0), (num_draws,))
    return nearest_rotmat(jnp.mean(body_pose, axis=0))


@jax.jit
def mean_body(body: BodyModel, mean_body_pose: Float[Array, "23 3 3"]) -> Body:
    """Returns the average body in the mean pose, upright, facing the camera."""
    params = SmplParams(
        # Body axes (Y up) to camera axes (y down).
        global_orient=jnp.diag(jnp.array([1.0, -1.0, -1.0])),
        body_pose=mean_body_pose,
        betas=jnp.zeros(body.num_betas),
    )
    return body_joints(body, params)
