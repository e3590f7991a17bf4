"""Does the same work as it is usually written: benchmarks compare with it.

`dense_mesh` computes every vertex of SMPL with dense products, whatever is asked for.
The fits run one solver (`optax.lbfgs`) on the summed objective of a whole batch. Every
evaluation projects the context again, runs the flow as it is trained, skins every
vertex, and computes the gradient of the weights too, as the official implementation
does.
"""

import functools
from collections.abc import Callable
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

# The memory of the official solver, and its criterion to stop: it looks at the gain of
# every 20 iterations.
_MEMORY = 100
_ITERATIONS_PER_LOOK = 20
_LEAST_GAIN = 1e-9


Loss = Callable[[Any, Any], Float[Array, ""]]
"""Function of the unknowns and of the flow's weights."""


@struct.dataclass
class DenseBody:
    """Holds the arrays of a body file on the device."""

    arrays: dict[str, Array]
    """Arrays of `BodyArrays` by name, without `posedirs`."""
    correctives: Float[Array, "207 3V"]
    """Pose directions, with a row for each entry of the rotations."""


def dense_body(arrays: Any) -> DenseBody:
    """Returns `BodyArrays` in the form that `dense_mesh` takes."""
    arrays = jax.tree.map(jnp.asarray, dict(vars(arrays)))
    posedirs = arrays.pop("posedirs")
    return DenseBody(arrays, posedirs.reshape(-1, posedirs.shape[-1]).T)


def dense_mesh(
    body: DenseBody, params: SmplParams
) -> tuple[Float[Array, "B V 3"], Float[Array, "B 44 3"]]:
    """Returns vertices and joints (JOINTS_44), metres; every vertex is skinned densely.

    Args:
      body: the body.
      params: poses and shapes with one leading axis.
    """
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
    """Holds the progress of a naive solver, after each of at most I iterations."""

    losses: Float[Array, " I"]
    """Objective summed over the batch; infinity after the last iteration."""
    evaluations: Int[Array, " I"]
    """Number of evaluations up to each iteration."""
    iterations: Int[Array, ""]
    """Number of iterations."""


def with_weight_gradients(loss: Loss) -> Loss:
    """Returns a loss whose backward pass always computes the gradient of the weights.

    Args:
      loss: function of the unknowns and the weights.
    """

    @jax.custom_vjp
    def loss_with_gradients(params, weights):
        return loss(params, weights)

    def forward(params, weights):
        value, pullback = jax.vjp(loss, params, weights)
        return value, pullback

    def backward(pullback, cotangent):
        params_gradient, weights_gradient = pullback(cotangent)
        # The solver does not read the gradient of the weights, and the compiler would
        # drop it. It may not assume that a number times zero is zero (it can be NaN).
        total = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(weights_gradient))
        params_gradient = jax.tree.map(lambda a: a + 0.0 * total, params_gradient)
        return params_gradient, weights_gradient

    loss_with_gradients.defvjp(forward, backward)
    return loss_with_gradients


def _solve(
    loss: Loss, params: Any, weights: Any, iterations: int, target: jax.Array
) -> NaiveFit:
    """Minimises the loss until it gains too little, or is not above the target."""
    loss = with_weight_gradients(loss)
    value_fn = functools.partial(lambda w, p: loss(p, w), weights)
    solver = optax.lbfgs(memory_size=_MEMORY)
    value_and_grad = optax.value_and_grad_from_state(value_fn)
    infinity = jnp.full(iterations, jnp.inf)

    def continues(carry):
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
        evaluations = before + search.num_linesearch_steps.astype(jnp.int32)
        fit = NaiveFit(
            losses=fit.losses.at[number].set(loss),
            evaluations=fit.evaluations.at[number].set(evaluations),
            iterations=number + 1,
        )
        looks = fit.iterations % _ITERATIONS_PER_LOOK == 0
        gain = (looked - loss) / jnp.maximum(jnp.abs(loss), 1.0)
        stalled = (looks & (gain < _LEAST_GAIN)) | ~jnp.isfinite(loss)
        return params, state, fit, jnp.where(looks, loss, looked), stalled

    fit = NaiveFit(infinity, jnp.zeros(iterations, jnp.int32), jnp.zeros((), jnp.int32))
    carry = params, solver.init(params), fit, jnp.float32(jnp.inf), jnp.array(False)
    return jax.lax.while_loop(continues, iterate, carry)[2]


def _rotmats(flow: ConditionalGlow, variables, z, context):
    flat, _ = flow.apply(variables, z, context, method="inverse")
    return pose_6d_to_rotmat(flat.reshape(*flat.shape[:-1], NUM_ROTATIONS, 6))


def keypoint_loss(
    flow: ConditionalGlow,
    body: DenseBody,
    context: Float[Array, "B C"],
    keypoints: Keypoints2D,
    camera: Camera,
    side: Float[Array, " B"],
) -> Loss:
    """Returns Eq. 11 summed over people, a function of the unknowns and the weights.

    Args:
      flow: the flow as it is trained.
      body: body model.
      context: context vectors that condition the flow.
      keypoints: keypoints (JOINTS_44), pixels.
      camera: cameras, whose translation is not read.
      side: longer side of the photos, pixels.
    """

    def loss(params: KeypointParams, weights):
        rotmats = _rotmats(flow, weights, params.z, context)
        smpl = SmplParams.from_rotmats(rotmats, params.betas)
        # The extra joints depend on every vertex.
        _, joints = dense_mesh(body, smpl)
        placed = Camera(params.translation, camera.focal_length, camera.center)
        data = reprojection(joints, keypoints, placed, side)
        prior = KEYPOINT_LATENT_WEIGHT * jnp.sum(params.z**2)
        return jnp.sum(data) + prior + BETAS_WEIGHT * jnp.sum(params.betas**2)

    return loss


def views_loss(flow: ConditionalGlow, context: Float[Array, "N C"]) -> Loss:
    """Returns Eq. 12 of one person, a function of the latents and the weights.

    Args:
      flow: the flow as it is trained.
      context: context vectors of the views.
    """

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
    """Returns the progress of a fit of a batch to keypoints (Eq. 11).

    Args:
      flow: the flow as it is trained.
      variables: its weights.
      body: body model.
      context: context vectors that condition the flow.
      start: initial unknowns.
      keypoints: keypoints (JOINTS_44), pixels.
      camera: cameras, whose translation is not read.
      image_side: longer side of the photos, pixels.
      target: summed objective at which the solver stops; minus infinity to let it run
        to its own end.
      iterations: largest number of iterations.
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
    """Returns the progress of a fusion of the views of one person (Eq. 12).

    Args:
      flow: the flow as it is trained.
      variables: its weights.
      context: context vectors of the views.
      start: initial latents.
      target: objective at which the solver stops; minus infinity to let it run to its
        own end.
      iterations: largest number of iterations.
    """
    return _solve(views_loss(flow, context), start, variables, iterations, target)
