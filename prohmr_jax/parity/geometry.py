"""Compares rotations, projection, alignment and errors."""

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.evaluation import metrics
from prohmr_jax.geometry import cameras, procrustes, rotations
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import GRADIENTS, Report
from prohmr_jax.structs import Camera

_MM = 1000.0


def check_geometry(case: GoldenFile, report: Report) -> None:
    """Compares rotation conversions and perspective projection."""
    axis_angle = case.input("aa")
    # The official code adds 1e-8 to each component before it divides by the angle.
    poisoned = np.all(axis_angle == np.float32(-1e-8), axis=-1)
    ours = jax.jit(rotations.axis_angle_to_rotmat)(axis_angle)
    report.compare(case, "aa_rotmat", ours, where=~poisoned)
    if poisoned.any():
        golden = case.golden("aa_rotmat")[poisoned]
        good = np.isnan(golden).all() and np.isfinite(ours[poisoned]).all()
        report.confirm(
            case, "aa_rotmat", good, "rows at -1e-8 not comparable: officially NaN"
        )
    ours = jax.jit(rotations.quaternion_to_rotmat)(case.input("quat"))
    report.compare(case, "quat_rotmat", ours)
    _check_6d(case, report)
    if case.keys("proj/"):
        _check_projection(case, report)


def _check_6d(case: GoldenFile, report: Report) -> None:
    pose_6d = case.input("rot6d")
    ours = np.asarray(jax.jit(rotations.pose_6d_to_rotmat)(pose_6d))
    collinear = _are_collinear(pose_6d)
    report.compare(case, "rot6d_rotmat", ours, where=~collinear)
    if collinear.any():
        first = case.golden("rot6d_rotmat")[collinear][..., 0]
        good = np.allclose(first, ours[collinear][..., 0], rtol=0, atol=1e-6)
        report.confirm(
            case,
            "rot6d_rotmat",
            good and np.isfinite(ours).all(),
            "collinear rows: first column only, the others are rounding noise",
        )
    weight = case.input("rot6d_grad_weight")
    rows = pose_6d[len(pose_6d) - len(weight) :]
    weighted = lambda x: jnp.sum(rotations.pose_6d_to_rotmat(x) * weight)  # noqa: E731
    for key in case.keys("rot6d_grad_rows"):
        report.compare(case, key, jax.jit(jax.grad(weighted))(rows), GRADIENTS)


def _are_collinear(pose_6d: np.ndarray) -> np.ndarray:
    """Returns whether the two columns of 6D vectors are parallel and not zero."""
    first, second = np.split(pose_6d.astype(np.float64), 2, axis=-1)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    area = np.linalg.norm(np.cross(first, second), axis=-1)
    return (lengths > 0) & (area <= 1e-6 * lengths)


def _check_projection(case: GoldenFile, report: Report) -> None:
    points, rotation = case.input("proj/points"), case.input("proj/rotation")
    center = case.input("proj/center")
    turned = np.einsum("bij,bnj->bni", rotation, points)
    for name, body, middle in (
        ("full", turned, center),
        ("noR", points, center),
        ("noRnoC", points, np.zeros_like(center)),
    ):
        camera = Camera(
            translation=case.input("proj/translation"),
            focal_length=case.input("proj/focal"),
            center=middle,
        )
        report.compare(case, f"proj/{name}", cameras.project(body, camera))


def check_procrustes(case: GoldenFile, report: Report) -> None:
    """Compares alignment, and errors as the official evaluator reports them."""
    source, target = case.input("S1"), case.input("S2")
    names = case.input("case_names")
    ours = jax.jit(procrustes.align)(source, target)
    # A source without extent is divided by zero there.
    point = names == "source_point"
    reason = "source_point not comparable: officially NaN" if point.any() else ""
    aligned = jax.jit(metrics.pa_mpjpe)(source, target)
    for key, value in (
        ("S1_hat", ours),
        ("reconstruction_error", aligned),
        ("re_mm", aligned * _MM),
    ):
        report.compare(case, key, value, where=~point, reason=reason)
        if point.any():
            holds = np.isnan(case.golden(key)[point]).all()
            holds &= np.isfinite(np.asarray(value)).all()
            report.confirm(case, key, bool(holds), "ours finite where theirs is NaN")
    report.compare(case, "mpjpe_mm", metrics.mpjpe(source, target) * _MM)
    if case.keys("ev/"):
        _check_evaluator(case, report)


def _check_evaluator(case: GoldenFile, report: Report) -> None:
    joints = tuple(int(j) for j in case.input("ev/keypoint_list"))
    root = int(case.input("ev/pelvis_ind"))
    relative = lambda x: metrics.relative_to(x, root)[..., joints, :]  # noqa: E731
    predicted = relative(case.input("ev/pred_keypoints_3d"))
    fitted = relative(case.input("ev/opt_joints"))
    truth = relative(case.input("ev/gt_keypoints_3d")[..., :3])
    hypotheses = truth[:, None]
    for name, metric in (
        ("mpjpe", metrics.mpjpe),
        ("re", jax.jit(metrics.pa_mpjpe)),
    ):
        errors = metric(predicted, jnp.broadcast_to(hypotheses, predicted.shape)) * _MM
        report.compare(case, f"ev/mode_{name}", errors[:, 0])
        report.compare(case, f"ev/min_{name}", jnp.min(errors, axis=1))
        report.compare(case, f"ev/opt_{name}", metric(fitted, truth) * _MM)
    report.confirm(
        case,
        "ev/pelvis_ind",
        root == skeleton.PELVIS_44,
        "the pelvis of skeleton.py",
    )
    official = skeleton.EVAL_H36M_14.positions_in(skeleton.JOINTS_44)
    is_known = set(joints) == set(official) or len(joints) != len(official)
    report.confirm(case, "ev/keypoint_list", is_known, "a list of skeleton.py")
