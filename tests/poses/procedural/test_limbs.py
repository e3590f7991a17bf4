"""Inverse kinematics takes hands and feet to their targets."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.poses.procedural.limbs import arm, leg, reach


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["arm", "leg"])
def test_reach_gets_there_and_bends_as_a_hinge(side, kind):
    limb = arm(side) if kind == "arm" else leg(side)
    rng = np.random.default_rng(3)
    length = np.linalg.norm(limb.upper) + np.linalg.norm(limb.lower)
    direction = rng.normal(size=(100, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    origin, pole = rng.normal(size=(2, 100, 3))
    target = origin + direction * length * rng.uniform(0.45, 0.98, (100, 1))
    upper, lower = reach(limb, origin, target, pole)
    middle = origin + upper @ limb.upper
    np.testing.assert_allclose(middle + lower @ limb.lower, target, atol=1e-9)
    bend = Rotation.from_matrix(np.swapaxes(upper, -1, -2) @ lower).as_rotvec()
    angle = bend @ limb.hinge
    assert np.all(angle > 0.0)
    assert np.all(angle < np.deg2rad(160.0))
    # The bones at rest are not quite at a right angle to the hinge.
    assert np.abs(bend - angle[:, None] * limb.hinge).max() < np.deg2rad(16.0)
    axis = (target - origin) / np.linalg.norm(target - origin, axis=1, keepdims=True)
    out = (middle - origin) - np.sum((middle - origin) * axis, 1, keepdims=True) * axis
    assert np.all(np.sum(out * pole, axis=1) > 0.0)


def test_reach_beyond_the_arm_stretches_toward_the_target():
    limb = arm("left")
    origin, target = np.zeros((1, 3)), np.array([[0.0, 3.0, 0.0]])
    upper, lower = reach(limb, origin, target, np.array([[0.0, 0.0, -1.0]]))
    (end,) = upper @ limb.upper + lower @ limb.lower
    assert abs(end[0]) < 1e-9
    length = np.linalg.norm(limb.upper) + np.linalg.norm(limb.lower)
    assert 0.99 * length < end[1] <= length
