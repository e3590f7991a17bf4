"""Errors of limbs count the located joints alone."""

import numpy as np

from prohmr_jax.evaluation.footage_errors import TrueLimbs, limb_errors
from prohmr_jax.evaluation.footage_truth import LIMBS_12

J = len(LIMBS_12)
RNG = np.random.default_rng(0)


def errors_of(limbs, joints, is_located=None):
    located = np.ones(joints.shape[:-1], bool) if is_located is None else is_located
    return limb_errors(
        limbs.astype(np.float32), TrueLimbs(joints.astype(np.float32), located)
    )


def test_moved_limbs_have_no_error_and_turned_ones_none_after_alignment():
    joints = RNG.normal(size=(3, J, 3))
    moved = errors_of(joints + [1.0, 2.0, 3.0], joints)
    np.testing.assert_allclose(moved.mpjpe, 0.0, atol=1e-2)
    turned = errors_of(1.3 * joints[..., [1, 2, 0]], joints)
    np.testing.assert_allclose(turned.pa_mpjpe, 0.0, atol=1e-2)
    assert np.min(turned.mpjpe) > 100.0


def test_joints_that_are_not_located_have_no_influence():
    joints, limbs = RNG.normal(size=(2, 1, J, 3))
    is_located = np.ones((1, J), bool)
    hidden = [LIMBS_12.index("left_wrist"), LIMBS_12.index("right_knee")]
    is_located[:, hidden] = False
    expected = errors_of(limbs, joints, is_located)
    wrong, other = joints.copy(), limbs.copy()
    wrong[:, hidden] = 0.0
    other[:, hidden] = 9.0
    errors = errors_of(other, wrong, is_located)
    np.testing.assert_allclose(errors.mpjpe, expected.mpjpe, rtol=1e-5)
    np.testing.assert_allclose(errors.pa_mpjpe, expected.pa_mpjpe, rtol=1e-4)


def test_one_joint_that_is_off_by_a_length():
    joints = RNG.normal(size=(1, J, 3))
    limbs = joints.copy()
    limbs[0, LIMBS_12.index("left_wrist")] += [0.0, 0.12, 0.0]
    np.testing.assert_allclose(errors_of(limbs, joints).mpjpe, 120.0 / J, rtol=1e-4)
