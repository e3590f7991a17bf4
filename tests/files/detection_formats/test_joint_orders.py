"""BODY_25 and BODY_25B have one number of joints and are told apart by positions."""

import functools

import jax
import numpy as np
import pytest

from prohmr_jax.body import body_joints, make_body_model
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.files.detection_formats.joint_orders import is_body_25b
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.skeleton import BODY_25, BODY_25B, JOINTS_44
from prohmr_jax.structs import SmplParams

NUMBER = 300
# The joints of BODY_25B that have another name in JOINTS_44.
OTHER_NAMES = {"upper_neck": "neck_lsp", "head_top": "head_top_lsp"}
LEGS = ("knee", "ankle", "toe", "heel")


@functools.cache
def seen_joints() -> np.ndarray:
    """[N, 44, 2]: bodies in random poses, from all around, one unit high."""
    rng = np.random.default_rng(0)
    poses = 0.35 * rng.normal(size=(NUMBER, 24, 3))
    poses[:, 0] = np.pi * rng.uniform(-1, 1, (NUMBER, 1)) * [0.0, 1.0, 0.0]
    body = make_body_model(**vars(read_body_arrays("open")))
    people = SmplParams.from_rotmats(
        axis_angle_to_rotmat(poses.astype(np.float32)),
        rng.normal(size=(NUMBER, 10)).astype(np.float32),
    )
    joints = np.array(jax.jit(body_joints)(body, people).joints)
    xy = -joints[..., :2] / (4.0 + joints[..., 2:])
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        sides = list(JOINTS_44.indices(f"left_{part}", f"right_{part}"))
        xy[:, JOINTS_44.index(middle)] = xy[:, sides].mean(axis=1)
    return xy / np.ptp(xy, axis=1).max(axis=-1)[:, None, None]


def people(order, noise: float, unseen: float, *, cut: bool) -> np.ndarray:
    """[N, 25, 3] in an order, with noise, and without some of the joints."""
    rng = np.random.default_rng(1)
    names = [OTHER_NAMES.get(name, name) for name in order.names]
    xy = seen_joints()[:, JOINTS_44.indices(*names)]
    seen = rng.random(xy.shape[:2]) > unseen
    if cut:
        for joint, name in enumerate(order.names):
            seen[:, joint] &= not name.endswith(LEGS)
    xy = np.where(seen[..., None], xy + noise * rng.normal(size=xy.shape), 0.0)
    return np.concatenate([xy, seen[..., None]], axis=-1)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(("unseen", "least"), [(0.0, 0.9), (0.2, 0.5)])
def test_single_people_are_told_apart(unseen, least, cut):
    """A wrong order must not be seen where there is none; the reverse is an error."""
    body_25, body_25b = (
        np.mean([is_body_25b([p]) for p in people(order, 0.01, unseen, cut=cut)])
        for order in (BODY_25, BODY_25B)
    )
    assert body_25 <= 0.01
    assert body_25b >= least


def test_people_of_a_file_are_told_apart_together():
    for first in range(0, NUMBER, 10):
        chosen = slice(first, first + 10)
        for order in (BODY_25, BODY_25B):
            seen = people(order, 0.01, 0.2, cut=True)[chosen]
            assert is_body_25b(seen) == (order is BODY_25B)


def test_without_evidence_it_is_the_common_order():
    assert not is_body_25b([])
    assert not is_body_25b([np.zeros((25, 3))])
    assert not is_body_25b([np.full((25, 3), np.nan)])
    one = np.zeros((25, 3))
    one[3] = 5.0, 5.0, 1.0
    assert not is_body_25b([one])
