"""The same work as it is usually written: what benchmarks compare with.

`dense_mesh` is SMPL with every vertex, dense, for any output. The fits are one solver
(`optax.lbfgs`) over the summed objective of a whole batch; every evaluation projects
the context again, runs the trained flow as it stands, skins every vertex, and takes the
gradient of the weights as well, as the official implementation's closures do.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax import skeleton
from prohmr_jax.fitting.objectives import (
    AGREEMENT_WEIGHT,
    BETAS_WEIGHT,
    KEYPOINT_LATENT_WEIGHT,
    MULTIVIEW_LATENT_WEIGHT,
    KeypointParams,
    reprojection,
)
from prohmr_jax.geometry.forward_kinematics import forward_kinematics
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import NUM_ROTATIONS
from prohmr_jax.structs import Camera, Keypoints2D, SmplParams

# The official solver's memory, and when it stops: 20 iterations that gain too little.
_MEMORY = 100
_ITERATIONS_PER_LOOK = 20
_LEAST_GAIN = 1e-9


@struct.dataclass
class DenseBody:
    """The arrays of a body file, on the device."""

    arrays: dict[str, Array]
    correctives: Float[Array, "207 3V"]


def dense_body(arrays: Any) -> DenseBody:
    """Returns `BodyArrays` as `dense_mesh` takes them."""
    arrays = jax.tree.map(jnp.asarray, dict(vars(arrays)))
    posedirs = arrays.pop("posedirs")
    return DenseBody(arrays, posedirs.reshape(-1, posedirs.shape[-1]).T)


def dense_mesh(
    body: DenseBody, params: SmplParams
) -> tuple[Float[Array, "B V 3"], Float[Array, "B 44 3"]]:
    """Returns vertices and joints, every vertex skinned densely."""
    arrays = body.arrays
    people = len(params.betas)
    shaped = jnp.einsum("bs,vcs->bvc", params.betas, arrays["shapedirs"])
    shaped = arrays["v_template"] + shaped
    joints = jnp.einsum("jv,bvc->bjc", arrays["joint_regressor"], shaped)
    features = (params.body_pose - jnp.eye(3)).reshape(people, -1)
    rest = shaped + (features @ body.correctives).reshape(shaped.shape)
    rotations, positions = forward_kinematics(joints, params.rotmats)
    shifts = positions - jnp.einsum("bjrc,bjc->bjr", rotations, joints)
    bones = jnp.concatenate([rotations, shifts[..., None]], axis=-1)
    last = jnp.broadcast_to(jnp.array([0.0, 0, 0, 1]), (*shifts.shape[:2], 1, 4))
    bones = jnp.concatenate([bones, last], axis=-2)
    blended = jnp.einsum("vj,bjrc->bvrc", arrays["weights"], bones)
    ones = jnp.ones_like(rest[..., :1])
    homogeneous = jnp.concatenate([rest, ones], axis=-1)
    vertices = jnp.einsum("bvrc,bvc->bvr", blended, homogeneous)[..., :3]
    extra = jnp.einsum("jv,bvc->bjc", arrays["extra_regressor"], vertices)
    landmarks = vertices[:, arrays["landmark_vertices"]]
    named = jnp.concatenate([positions, landmarks], axis=1)
    body_25 = named[:, jnp.array(skeleton.BODY_25_SOURCE)]
    return vertices, jnp.concatenate([body_25, extra], axis=1)


@struct.dataclass
class NaiveFit:
    """What a naive solver came to, after each of its iterations."""

    losses: Float[Array, " I"]
    """Summed over the batch; infinity where it was over."""
    evaluations: Int[Array, " I"]
    """Up to then."""
    iterations: Int[Array, ""]


def _with_weight_gradients(loss):
    """The loss of params and weights, whose backward pass also takes the latter's."""

    @jax.custom_vjp
    def of_params(params, weights):
        return loss(params, weights)

    def forward(params, weights):
        value, pullback = jax.vjp(loss, params, weights)
        return value, pullback

    def backward(pullback, cotangent):
        of_params, of_weights = pullback(cotangent)
        # Nobody reads the weights' gradients, and what nobody reads is not compiled.
        # That a number times zero is zero, a compiler may not assume.
        total = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(of_weights))
        return jax.tree.map(lambda leaf: leaf + 0.0 * total, of_params), of_weights

    of_params.defvjp(forward, backward)
    return of_params


def _solve(loss, params, weights, iterations: int, target) -> NaiveFit:
    """One solver over everything, until it gains too little, or is low enough."""
    loss = _with_weight_gradients(loss)
    value_fn = functools.partial(lambda w, p: loss(p, w), weights)
    solver = optax.lbfgs(memory_size=_MEMORY)
    value_and_grad = optax.value_and_grad_from_state(value_fn)
    infinity = jnp.full(iterations, jnp.inf)

    def goes_on(carry):
        _, _, fit, looked, stalled = carry
        last = fit.losses[fit.iterations - 1]
        reached = (fit.iterations > 0) & (last <= target)
        return (fit.iterations < iterations) & ~stalled & ~reached

    def iterate(carry):
        params, state, fit, looked, _ = carry
        value, gradient = value_and_grad(params, state=state)
        updates, state = solver.update(
            gradient, state, params, value=value, grad=gradient, value_fn=value_fn
        )
        params = optax.apply_updates(params, updates)
        search = optax.tree.get(state, "info")
        loss = optax.tree.get(state, "value")
        number = fit.iterations
        before = jnp.where(number > 0, fit.evaluations[number - 1], 1)
        made = before + search.num_linesearch_steps.astype(jnp.int32)
        fit = NaiveFit(
            losses=fit.losses.at[number].set(loss),
            evaluations=fit.evaluations.at[number].set(made),
            iterations=number + 1,
        )
        looks = fit.iterations % _ITERATIONS_PER_LOOK == 0
        gain = (looked - loss) / jnp.maximum(jnp.abs(loss), 1.0)
        stalled = (looks & (gain < _LEAST_GAIN)) | ~jnp.isfinite(loss)
        return params, state, fit, jnp.where(looks, loss, looked), stalled

    fit = NaiveFit(infinity, jnp.zeros(iterations, jnp.int32), jnp.zeros((), jnp.int32))
    carry = params, solver.init(params), fit, jnp.float32(jnp.inf), jnp.array(False)
    return jax.lax.while_loop(goes_on, iterate, carry)[2]


def _rotmats(flow: ConditionalGlow, variables, z, context):
    flat, _ = flow.apply(variables, z, context, method="inverse")
    return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], NUM_ROTATIONS, 6))


def keypoint_loss(flow: ConditionalGlow, body, context, keypoints, camera, side):
    """Returns Eq. 11 summed over people, of unknowns and of the flow's weights."""

    def loss(params: KeypointParams, weights):
        rotmats = _rotmats(flow, weights, params.z, context)
        smpl = SmplParams.from_rotmats(rotmats, params.betas)
        # Its extra joints read every vertex.
        _, joints = dense_mesh(body, smpl)
        there = Camera(params.translation, camera.focal_length, camera.center)
        data = reprojection(joints, keypoints, there, side)
        prior = KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        return jnp.sum(data) + prior + BETAS_WEIGHT * jnp.sum(params.betas**2)

    return loss


def views_loss(flow: ConditionalGlow, context):
    """Returns Eq. 12 of one person, of latents and of the flow's weights."""

    def loss(z, weights):
        body_pose = _rotmats(flow, weights, z, context)[:, 1:]
        mean = jnp.mean(body_pose, axis=0)
        apart = AGREEMENT_WEIGHT * jnp.sum((body_pose - mean) ** 2)
        return apart + MULTIVIEW_LATENT_WEIGHT * jnp.sum(z**2)

    return loss


@functools.partial(jax.jit, static_argnames=("flow", "iterations"))
def fit_keypoints(
    flow: ConditionalGlow,
    variables: Any,
    body: DenseBody,
    context: Float[Array, "B C"],
    start: KeypointParams,
    keypoints: Keypoints2D,
    camera: Camera,
    image_side: Float[Array, " B"],
    target: Float[Array, ""],
    iterations: int,
) -> NaiveFit:
    """Returns how a batch is fitted to keypoints until it is as low as the target.

    Args:
      flow: the module, for its sizes.
      variables: its weights, unfolded.
      body: dense.
      context: conditioning vectors.
      start: unknowns.
      keypoints: JOINTS_44, pixels.
      camera: whose translation is not read.
      image_side: pixels.
      target: of the summed objective; minus infinity to go on to the end.
      iterations: at most.
    """
    loss = keypoint_loss(flow, body, context, keypoints, camera, image_side)
    return _solve(loss, start, variables, iterations, target)


@functools.partial(jax.jit, static_argnames=("flow", "iterations"))
def fuse_views(
    flow: ConditionalGlow,
    variables: Any,
    context: Float[Array, "N C"],
    start: Float[Array, "N 144"],
    target: Float[Array, ""],
    iterations: int,
) -> NaiveFit:
    """Returns how views are fused until the objective is as low as the target."""
    return _solve(views_loss(flow, context), start, variables, iterations, target)
