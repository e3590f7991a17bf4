"""Errors of joints in float64 NumPy, person by person, for comparison."""

import numpy as np

from prohmr_jax import skeleton


def aligned(joints, truth):
    """Joints after the similarity that brings them nearest to the truth (Umeyama)."""
    mean, true_mean = joints.mean(axis=0), truth.mean(axis=0)
    x, y = joints - mean, truth - true_mean
    u, s, vt = np.linalg.svd(y.T @ x)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = np.sum(s * sign) / np.sum(x**2)
    return scale * x @ rotation.T + true_mean


def loop_errors(joints, truth, joint_set=None):
    """PA-MPJPE and MPJPE, mm; with a joint set, of 44 joints relative to the pelvis."""
    joints, truth = np.asarray(joints, np.float64), np.asarray(truth, np.float64)
    if joint_set is not None:
        rows = list(joint_set.positions_in(skeleton.JOINTS_44))
        joints = joints[rows] - joints[skeleton.PELVIS_44]
        truth = truth[rows] - truth[skeleton.PELVIS_44]
    distance = lambda a: np.mean([np.linalg.norm(d) for d in a - truth])  # noqa: E731
    return 1000.0 * distance(aligned(joints, truth)), 1000.0 * distance(joints)
