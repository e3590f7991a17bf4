"""Rotations: laws over batch shapes, SciPy as oracle, gradients at singular points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.geometry import rotations
from tests.support.batches import BATCHES

# Compiled as a whole: operation by operation, compiling would dominate the time.
axis_angle_to_rotmat = jax.jit(rotations.axis_angle_to_rotmat)
geodesic_angle = jax.jit(rotations.geodesic_angle)
nearest_rotmat = jax.jit(rotations.nearest_rotmat)
normalize = jax.jit(rotations.normalize)
pose_6d_to_rotmat = jax.jit(rotations.pose_6d_to_rotmat)
quaternion_to_rotmat = jax.jit(rotations.quaternion_to_rotmat)
rotmat_to_axis_angle = jax.jit(rotations.rotmat_to_axis_angle)
rotmat_to_pose_6d = jax.jit(rotations.rotmat_to_pose_6d)
rotmat_to_quaternion = jax.jit(rotations.rotmat_to_quaternion)

ANGLES = (0.0, 1e-12, 1e-7, 1e-4, 9.9e-3, 1.01e-2, 0.5, 3.0, np.pi - 1e-4, np.pi)


def axis_angles(rng, *batch):
    axes = rng.normal(size=(*batch, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    return axes


def random_rotmats(rng, *batch):
    count = int(np.prod(batch))
    matrices = Rotation.random(count, rng=rng).as_matrix().astype(np.float32)
    return jnp.asarray(matrices.reshape(*batch, 3, 3))


def assert_rotations(matrices):
    matrices = np.asarray(matrices, np.float64)
    product = np.swapaxes(matrices, -1, -2) @ matrices
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape),
                               atol=3e-6)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=3e-6)


@pytest.mark.parametrize("batch", BATCHES)
def test_every_conversion_gives_rotations_over_any_batch(rng, batch):
    axis_angle = jnp.asarray(rng.normal(size=(*batch, 3)), jnp.float32)
    quaternion = jnp.asarray(rng.normal(size=(*batch, 4)), jnp.float32)
    pose_6d = jnp.asarray(rng.normal(size=(*batch, 6)), jnp.float32)
    matrix = jnp.asarray(rng.normal(size=(*batch, 3, 3)), jnp.float32)
    for rotmat in (
        axis_angle_to_rotmat(axis_angle),
        quaternion_to_rotmat(quaternion),
        pose_6d_to_rotmat(pose_6d),
        nearest_rotmat(matrix),
    ):
        assert rotmat.shape == (*batch, 3, 3)
        assert_rotations(rotmat)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_is_its_rows(rng, batch):
    axis_angle = jnp.asarray(rng.normal(size=(*batch, 3)), jnp.float32)
    whole = axis_angle_to_rotmat(axis_angle)
    rows = [axis_angle_to_rotmat(row) for row in axis_angle.reshape(-1, 3)]
    np.testing.assert_allclose(whole.reshape(-1, 3, 3), jnp.stack(rows), atol=1e-7)


@pytest.mark.parametrize("angle", ANGLES)
def test_axis_angle_agrees_with_scipy(rng, angle):
    axis_angle = (axis_angles(rng, 20) * angle).astype(np.float32)
    ours = axis_angle_to_rotmat(axis_angle)
    oracle = Rotation.from_rotvec(axis_angle.astype(np.float64)).as_matrix()
    np.testing.assert_allclose(ours, oracle, atol=1e-6)


@pytest.mark.parametrize("angle", ANGLES)
def test_rotmat_to_axis_angle_agrees_with_scipy(rng, angle):
    oracle = Rotation.from_rotvec(axis_angles(rng, 20) * angle)
    ours = rotmat_to_axis_angle(oracle.as_matrix().astype(np.float32))
    assert np.all(np.linalg.norm(ours, axis=-1) <= np.pi + 1e-6)
    again = Rotation.from_rotvec(np.asarray(ours, np.float64))
    # Compared as rotations: at half turns either sign of the axis is right.
    np.testing.assert_allclose((again.inv() * oracle).magnitude(), 0.0, atol=2e-6)
    if angle < 3.1:
        np.testing.assert_allclose(ours, oracle.as_rotvec(), atol=1e-6)


@pytest.mark.parametrize("axis", np.vstack([np.eye(3), -np.eye(3), np.ones((1, 3))]))
def test_half_turns_survive_every_round_trip(axis):
    half_turn = axis / np.linalg.norm(axis) * np.pi
    rotmat = axis_angle_to_rotmat(jnp.asarray(half_turn, jnp.float32))
    again = axis_angle_to_rotmat(rotmat_to_axis_angle(rotmat))
    np.testing.assert_allclose(again, rotmat, atol=1e-6)
    quaternion = rotmat_to_quaternion(rotmat)
    np.testing.assert_allclose(quaternion_to_rotmat(quaternion), rotmat, atol=1e-6)


def test_quaternions_agree_with_scipy_and_have_positive_real_part(rng):
    oracle = Rotation.random(200, rng=rng)
    ours = rotmat_to_quaternion(oracle.as_matrix().astype(np.float32))
    expected = oracle.as_quat(canonical=True, scalar_first=True)
    np.testing.assert_allclose(ours, expected, atol=2e-6)
    scaled = jnp.asarray(ours) * 5.0
    np.testing.assert_allclose(
        quaternion_to_rotmat(scaled), oracle.as_matrix(), atol=2e-6
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_pose_6d_is_the_first_two_columns(rng, batch):
    rotmat = random_rotmats(rng, *batch)
    pose_6d = rotmat_to_pose_6d(rotmat)
    np.testing.assert_array_equal(pose_6d[..., :3], rotmat[..., :, 0])
    np.testing.assert_array_equal(pose_6d[..., 3:], rotmat[..., :, 1])
    np.testing.assert_allclose(pose_6d_to_rotmat(pose_6d), rotmat, atol=1e-6)


def test_pose_6d_ignores_lengths_and_shear(rng):
    rotmat = random_rotmats(rng, 50)
    first, second = rotmat[..., 0], rotmat[..., 1]
    stretched = jnp.concatenate([3.0 * first, 0.2 * second - 1.5 * first], axis=-1)
    np.testing.assert_allclose(pose_6d_to_rotmat(stretched), rotmat, atol=5e-6)


def test_zero_6d_gives_a_zero_matrix():
    np.testing.assert_array_equal(pose_6d_to_rotmat(jnp.zeros(6)), 0.0)


def test_normalize_neither_under_nor_overflows():
    for length in (1e-11, 1e-6, 1.0, 1e25):
        unit = normalize(jnp.asarray([3.0 * length, 0.0, 4.0 * length]))
        np.testing.assert_allclose(unit, [0.6, 0.0, 0.8], rtol=1e-6)


def test_nearest_rotmat_beats_every_other_rotation(rng):
    matrices = rng.normal(size=(20, 3, 3))
    matrices[:10] = Rotation.random(10, rng=rng).as_matrix()
    matrices[5:10, :, 0] *= -1.0  # reflections
    ours = np.asarray(nearest_rotmat(matrices.astype(np.float32)), np.float64)
    assert_rotations(ours)
    distance = np.linalg.norm(ours - matrices, axis=(1, 2))
    np.testing.assert_allclose(distance[:5], 0.0, atol=1e-5)
    others = Rotation.random(500, rng=rng).as_matrix()
    nudged = (
        ours[:, None]
        @ Rotation.from_rotvec(rng.normal(size=(500, 3)) * 0.05).as_matrix()
    )
    for rivals in (others[None], nudged):
        rival = np.linalg.norm(rivals - matrices[:, None], axis=(2, 3)).min(axis=1)
        assert np.all(distance <= rival + 1e-5)


@pytest.mark.parametrize("angle", ANGLES)
def test_geodesic_angle_is_the_angle_between(rng, angle):
    start = Rotation.random(10, rng=rng)
    end = start * Rotation.from_rotvec(axis_angles(rng, 10) * angle)
    a, b = (r.as_matrix().astype(np.float32) for r in (start, end))
    measured = geodesic_angle(a, b)
    np.testing.assert_allclose(measured, angle, atol=2e-6 if angle < 3.1 else 1e-3)
    np.testing.assert_allclose(geodesic_angle(b, a), measured, atol=1e-6)


SINGULAR = {
    "axis_angle_to_rotmat": [
        np.zeros(3), np.full(3, 1e-20), np.full(3, -1e-8), np.array([np.pi, 0, 0]),
        np.array([0, 2 * np.pi, 0]),
    ],
    "pose_6d_to_rotmat": [
        np.zeros(6), np.array([1.0, 0, 0, 0, 0, 0]), np.array([0, 0, 0, 0, 1.0, 0]),
        np.array([1.0, 2, 3, 2, 4, 6]), np.array([1.0, 0, 0, -1, 0, 0]),
        np.array([1e-20, 0, 0, 0, 1e-20, 0]),
    ],
    "normalize": [np.zeros(3), np.full(3, 1e-30)],
    "rotmat_to_axis_angle": [np.eye(3), np.diag([1.0, -1, -1])],
    "rotmat_to_quaternion": [np.eye(3), np.diag([-1.0, -1, 1])],
}  # fmt: skip


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_gradients_are_finite_at_singular_points(name, jacobian):
    points = jnp.asarray(np.stack(SINGULAR[name]), jnp.float32)
    function = getattr(rotations, name)
    assert np.all(np.isfinite(function(points)))
    assert np.all(np.isfinite(jax.jit(jax.vmap(jacobian(function)))(points)))


_derivative = jax.jit(jax.jacfwd(rotations.axis_angle_to_rotmat))
_derivative_back = jax.jit(jax.jacfwd(rotations.rotmat_to_axis_angle))


@pytest.mark.parametrize("angle", [0.0, 1e-3, 9.99e-3, 1.001e-2, 0.7, 3.1])
def test_gradients_equal_finite_differences(rng, angle):
    with jax.enable_x64(True):
        point = jnp.asarray(axis_angles(rng) * angle)
        step = 1e-6 * np.eye(3)
        numeric = [
            (axis_angle_to_rotmat(point + s)
             - axis_angle_to_rotmat(point - s)) / 2e-6
            for s in step
        ]  # fmt: skip
        exact = _derivative(point)
        np.testing.assert_allclose(exact, np.stack(numeric, axis=-1), atol=1e-7)
        rotmat = axis_angle_to_rotmat(point)
        back = _derivative_back(rotmat)
        # d aa / d R . d R / d aa = 1
        chained = np.einsum("iab,abj->ij", back, exact)
        np.testing.assert_allclose(chained, np.eye(3), atol=1e-5)


def test_mean_rotation_is_the_middle_of_two(rng):
    axis = rng.normal(size=(5, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    views = np.stack([axis_angle_to_rotmat(a * axis) for a in (0.2, 0.8, 2.5)])
    valid = np.array([1.0, 1.0, 0.0])
    mean = rotations.mean_rotation(views, valid)
    np.testing.assert_allclose(mean, axis_angle_to_rotmat(0.5 * axis), atol=1e-5)
