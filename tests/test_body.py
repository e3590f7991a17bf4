"""The body: a float64 loop as oracle, and the laws of shaping, posing, picking."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax import body, skeleton
from prohmr_jax.body import pose_body, pose_joints, shape_body, vertex_subset
from prohmr_jax.geometry.forward_kinematics import forward_kinematics
from prohmr_jax.structs import SmplParams
from tests.support.batches import BATCHES

# Compiled as a whole: operation by operation, compiling would dominate the time.
body_joints = jax.jit(body.body_joints)
body_mesh = jax.jit(body.body_mesh)


def some_params(rng, *batch, spread=0.6):
    count = int(np.prod(batch))
    rotmats = Rotation.from_rotvec(rng.normal(size=(count * 24, 3)) * spread)
    rotmats = jnp.asarray(rotmats.as_matrix().reshape(*batch, 24, 3, 3), jnp.float32)
    return SmplParams(
        global_orient=rotmats[..., 0, :, :],
        body_pose=rotmats[..., 1:, :, :],
        betas=jnp.asarray(rng.normal(size=(*batch, 10)), jnp.float32),
    )


def skin_by_loops(arrays, params):
    """SMPL of one person as in its paper: 4x4 transforms, vertex by vertex, float64."""
    betas = np.asarray(params.betas, np.float64)
    rotmats = np.concatenate([params.global_orient[None], params.body_pose])
    rotmats = rotmats.astype(np.float64)
    shaped = arrays["v_template"] + arrays["shapedirs"] @ betas
    rest = arrays["joint_regressor"] @ shaped
    feature = np.concatenate([(r - np.eye(3)).ravel() for r in rotmats[1:]])
    posed = shaped + arrays["posedirs"] @ feature
    chain = []
    for joint, parent in enumerate(skeleton.SMPL_PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotmats[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0.0)
        chain.append(chain[parent] @ local if parent >= 0 else local)
    joints = np.array([transform[:3, 3] for transform in chain])
    vertices = np.zeros_like(posed)
    for v, point in enumerate(posed):
        for joint, weight in enumerate(arrays["weights"][v]):
            moved = chain[joint][:3, :3] @ (point - rest[joint]) + joints[joint]
            vertices[v] += weight * moved
    named = np.concatenate([joints, vertices[arrays["landmark_vertices"]]])
    body_25 = named[list(skeleton.BODY_25_SOURCE)]
    extra = arrays["extra_regressor"] @ vertices
    return np.concatenate([body_25, extra]), joints, vertices


@pytest.mark.parametrize("batch", BATCHES)
def test_agrees_with_loops_over_any_batch(rng, tiny_arrays, tiny_body, batch):
    params = some_params(rng, *batch)
    posed = body_mesh(tiny_body, params)
    assert posed.vertices.shape == (*batch, 60, 3)
    assert posed.joints.shape == (*batch, 44, 3)
    for index in np.ndindex(*batch):
        one = jax.tree.map(lambda a, i=index: np.asarray(a[i]), params)
        joints, kinematic, vertices = skin_by_loops(tiny_arrays, one)
        np.testing.assert_allclose(posed.vertices[index], vertices, atol=2e-6)
        np.testing.assert_allclose(posed.joints[index], joints, atol=2e-6)
        np.testing.assert_allclose(posed.kinematic_joints[index], kinematic, atol=2e-6)


def test_joints_alone_equal_those_of_the_mesh(rng, tiny_body):
    params = some_params(rng, 16)
    mesh = body_mesh(tiny_body, params)
    alone = body_joints(tiny_body, params)
    assert alone.vertices is None
    np.testing.assert_allclose(alone.joints, mesh.joints, atol=1e-6)
    # And from the regressors' support, not from the mesh.
    assert tiny_body.landmarks.template.shape[-1] < tiny_body.num_vertices


def test_the_rest_pose_is_the_shaped_template(rng, tiny_arrays, tiny_body):
    eye = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    betas = jnp.asarray(rng.normal(size=10), jnp.float32)
    rest = body_mesh(tiny_body, SmplParams.from_rotmats(eye, betas))
    expected = tiny_arrays["v_template"] + tiny_arrays["shapedirs"] @ np.asarray(betas)
    np.testing.assert_allclose(rest.vertices, expected, atol=1e-6)


def test_the_root_turns_the_body_about_its_pelvis(rng, tiny_body):
    params = some_params(rng)
    posed = body_mesh(tiny_body, params)
    turn = Rotation.random(rng=rng).as_matrix().astype(np.float32)
    turned = body_mesh(
        tiny_body, params.replace(global_orient=turn @ params.global_orient)
    )
    pelvis = posed.kinematic_joints[skeleton.SMPL_24.index("pelvis")]
    for name in ("vertices", "joints"):
        before, after = getattr(posed, name), getattr(turned, name)
        np.testing.assert_allclose(after, (before - pelvis) @ turn.T + pelvis,
                                   atol=3e-6)  # fmt: skip


def test_one_shape_is_posed_many_times(rng, tiny_body):
    params = some_params(rng, 2, 5)
    betas = params.betas[:, :1]
    shaped = shape_body(tiny_body, betas)
    once = jax.jit(pose_body)(shaped, params.global_orient, params.body_pose)
    repeated = params.replace(betas=jnp.broadcast_to(betas, (2, 5, 10)))
    each = body_mesh(tiny_body, repeated)
    np.testing.assert_allclose(once.vertices, each.vertices, atol=1e-6)
    np.testing.assert_allclose(once.joints, each.joints, atol=1e-6)


def test_a_subset_has_the_chosen_vertices_in_that_order(rng, tiny_body):
    params = some_params(rng, 3)
    chosen = [41, 5, 59]
    whole = body_mesh(tiny_body, params)
    part = body_mesh(vertex_subset(tiny_body, chosen), params)
    np.testing.assert_allclose(part.vertices, whole.vertices[:, chosen], atol=1e-6)
    np.testing.assert_allclose(part.joints, whole.joints, atol=1e-6)


def test_a_body_shaped_for_joints_has_no_mesh_to_pose(tiny_body):
    shaped = shape_body(tiny_body, jnp.zeros(10), with_vertices=False)
    with pytest.raises(ValueError, match="with_vertices"):
        pose_body(shaped, jnp.eye(3), jnp.zeros((23, 3, 3)))


def test_bones_keep_their_length(rng, tiny_body):
    params = some_params(rng, 8, spread=2.0)
    shaped = shape_body(tiny_body, params.betas, with_vertices=False)
    posed = jax.jit(pose_joints)(shaped, params.global_orient, params.body_pose)
    parents = np.array(skeleton.SMPL_PARENTS[1:])
    length = lambda j: np.linalg.norm(j[:, 1:] - j[:, parents], axis=-1)  # noqa: E731
    np.testing.assert_allclose(
        length(posed.kinematic_joints), length(shaped.joints), rtol=1e-4, atol=1e-6
    )


def test_global_rotations_are_products_along_the_chain(rng):
    params = some_params(rng)
    rotmats = jnp.concatenate([params.global_orient[None], params.body_pose])
    turned, _ = jax.jit(forward_kinematics)(jnp.zeros((24, 3)), rotmats)
    elbow = skeleton.SMPL_24.index("left_elbow")
    product, joint = np.eye(3), elbow
    while joint >= 0:
        product = np.asarray(rotmats[joint], np.float64) @ product
        joint = skeleton.SMPL_PARENTS[joint]
    np.testing.assert_allclose(turned[elbow], product, atol=1e-6)


def test_gradients_equal_finite_differences_of_the_loops(rng, tiny_arrays, tiny_body):
    params = some_params(rng)
    weights = rng.normal(size=(44, 3))
    gradient = jax.jit(
        jax.grad(lambda p: jnp.sum(body_joints(tiny_body, p).joints * weights))
    )(params)
    double = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    scalar = lambda p: np.sum(skin_by_loops(tiny_arrays, p)[0] * weights)  # noqa: E731
    for name, index in (
        ("betas", (3,)),
        ("global_orient", (1, 2)),
        ("body_pose", (0, 2, 1)),
        ("body_pose", (17, 0, 0)),
    ):
        step = np.zeros_like(getattr(double, name))
        step[index] = 1e-5
        up = double.replace(**{name: getattr(double, name) + step})
        down = double.replace(**{name: getattr(double, name) - step})
        numeric = (scalar(up) - scalar(down)) / 2e-5
        np.testing.assert_allclose(getattr(gradient, name)[index], numeric,
                                   rtol=1e-3, atol=1e-4)  # fmt: skip


def test_vmap_equals_the_batch_and_a_second_call_does_not_recompile(rng, tiny_body):
    params = some_params(rng, 4)
    traced = jax.jit(chex.assert_max_traces(body.body_joints, n=1))
    batch = traced(tiny_body, params)
    traced(tiny_body, some_params(rng, 4))
    mapped = jax.jit(jax.vmap(body.body_joints, in_axes=(None, 0)))(tiny_body, params)
    np.testing.assert_allclose(mapped.joints, batch.joints, atol=1e-6)


@pytest.mark.parametrize("function", [body.body_joints, body.body_mesh])
def test_lowers_for_accelerators(rng, tiny_body, function):
    params = some_params(rng, 4)
    jitted = jax.jit(lambda p: function(tiny_body, p).joints)
    exported = jax.export.export(jitted, platforms=["tpu", "cuda"])(params)
    assert exported.platforms == ("tpu", "cuda")
