"""Measures the mode and the best of many hypotheses, in memory that bodies do not fill.

The mode "evaluate_table" calls it. Thousands of hypotheses of a person are decoded in
chunks; of each, the errors and at most the joints of the protocol are kept.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.evaluation.body_errors import listed_joints
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe
from prohmr_jax.evaluation.streaming import BestOfN
from prohmr_jax.inference.predict import prepare_input
from prohmr_jax.models.prohmr import POSE_FEATURES, PreparedProHMR, decode, encode
from prohmr_jax.skeleton import JointSet
from prohmr_jax.structs import Body, Crop, Keypoints2D, Keypoints3D

_MM = 1000.0


@struct.dataclass
class People:
    """Holds B people: what the encoder sees of them, and their true joints."""

    encoder_input: Keypoints2D | Crop
    """Crops, or BODY_25 keypoints in any frame, leading axis [B]."""
    truth: Keypoints3D
    """True joints of JOINTS_44, [B], metres, camera axes, any origin."""
    keypoints: Keypoints2D | None = None
    """Keypoints of JOINTS_44 to fit to, [B], in the frame of the encoder's keypoints,
    or, for crops, in the crop frame; None where nobody is fitted."""
    num_views: int = struct.field(pytree_node=False, default=1)
    """Number of consecutive rows that are views of one person."""


@struct.dataclass
class JointErrors:
    """Holds errors of B people over the joints of a protocol, millimetres."""

    pa_mpjpe: Float[Array, "*b"]
    """Mean distance of the joints after similarity alignment."""
    mpjpe: Float[Array, "*b"]
    """Mean distance of the joints relative to the pelvis."""


@struct.dataclass
class HypothesisErrors:
    """Holds what is measured of B people with N hypotheses each."""

    mode: JointErrors
    """[B], errors of the mode (z = 0)."""
    best: JointErrors
    """[B], least errors among the N hypotheses, the mode included, each measure by
    itself, as in the official code."""
    mean_pose: JointErrors
    """[B], errors of the mean pose, an answer that ignores the input."""
    joints: Float[Array, "B N J 3"] | None
    """Joints of the hypotheses, metres, relative to the pelvis; None where they were
    not to be kept."""


def joint_errors(
    joints: Float[Array, "*b J 3"], truth: Float[Array, "*#b J 3"]
) -> JointErrors:
    """Returns the errors of joints.

    Args:
      joints: joints of a protocol, metres, relative to the pelvis.
      truth: the true ones.
    """
    return JointErrors(_MM * pa_mpjpe(joints, truth), _MM * mpjpe(joints, truth))


@functools.partial(
    jax.jit, static_argnames=("joint_set", "num_hypotheses", "chunk", "keep_joints")
)
def hypothesis_errors(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    people: People,
    keys: jax.Array,
    *,
    joint_set: JointSet,
    num_hypotheses: int = 1,
    chunk: int = 1,
    keep_joints: bool = False,
) -> HypothesisErrors:
    """Returns the errors of the mode, of the best of N and of the mean pose.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      baseline: the body of the mean pose, without leading axes; see
        `body_errors.mean_body`.
      people: the people; positions without a label give meaningless errors.
      keys: random key of each person's samples, [B].
      joint_set: joints of the protocol.
      num_hypotheses: number N of hypotheses, the mode included.
      chunk: number of hypotheses of a person that are decoded at a time; it divides N.
      keep_joints: also returns the joints of all hypotheses.

    Raises:
      ValueError: the chunk does not divide N.
    """
    if num_hypotheses % chunk:
        raise ValueError(f"{chunk} does not divide {num_hypotheses} hypotheses")
    truth = listed_joints(people.truth.xyz, joint_set)
    context = encode(model, prepare_input(people.encoder_input)[0])

    def decoded(number: jax.Array) -> Float[Array, "B K J 3"]:
        draw = lambda key: jax.random.normal(  # noqa: E731
            jax.random.fold_in(key, number), (chunk, POSE_FEATURES)
        )
        is_mode = (number == 0) & (jnp.arange(chunk) == 0)
        z = jnp.where(is_mode[:, None], 0.0, jax.vmap(draw)(keys))
        smpl = decode(model, context, z).smpl
        shaped = shape_body(body, smpl.betas[:, :1], with_vertices=False)
        posed = pose_joints(shaped, smpl.global_orient, smpl.body_pose)
        return listed_joints(posed.joints, joint_set)

    def take_chunk(best: BestOfN, number: jax.Array):
        joints = decoded(number)
        errors = joint_errors(joints, truth[:, None])
        both = jnp.stack([errors.pa_mpjpe, errors.mpjpe])
        return best.add(both), joints if keep_joints else None

    # The first hypothesis is the mode, so that the best of one is the mode's error.
    start = BestOfN.start((2, len(truth)), (1, num_hypotheses))
    numbers = jnp.arange(num_hypotheses // chunk)
    best, kept = jax.lax.scan(take_chunk, start, numbers)
    if keep_joints:
        kept = jnp.moveaxis(kept, 0, 1).reshape(
            len(truth), num_hypotheses, *truth.shape[1:]
        )
    mean = listed_joints(baseline.joints, joint_set)
    return HypothesisErrors(
        mode=JointErrors(*best.least[..., 0]),
        best=JointErrors(*best.least[..., 1]),
        mean_pose=joint_errors(jnp.broadcast_to(mean, truth.shape), truth),
        joints=kept,
    )
