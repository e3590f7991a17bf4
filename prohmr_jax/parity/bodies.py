"""Compares the body model: its arrays, joints, vertices and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints, body_mesh, make_body_model
from prohmr_jax.geometry import rotations
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.report import GRADIENTS, Report
from prohmr_jax.structs import SmplParams

BODY_FILE = "smpl_synth.npz"
_HEAD = "start of the shape and the camera in the head of the image model"


@functools.lru_cache(maxsize=1)
def golden_body(directory: GoldenDirectory) -> BodyModel:
    """Returns the body model that a golden directory brings."""
    return _read_body(directory.open(BODY_FILE))


def mean_camera_and_betas(directory: GoldenDirectory) -> tuple[np.ndarray, np.ndarray]:
    """Returns the camera [3] and the betas [10] that the official head starts from."""
    case = directory.open(BODY_FILE)
    return case.input("mean_cam"), case.input("mean_shape")


def _read_body(case: GoldenFile) -> BodyModel:
    template = case.input("v_template")
    correctives = case.input("posedirs_q").astype(np.float32)
    return make_body_model(
        v_template=template,
        shapedirs=case.input("shapedirs"),
        posedirs=correctives * case.input("posedirs_scale"),
        weights=_skinning_weights(case),
        joint_regressor=_dense(case, "J_regressor", len(skeleton.SMPL_24)),
        faces=case.input("faces"),
        landmark_vertices=case.input("vertex_joint_ids"),
        extra_regressor=_dense(case, "extra_regressor", len(skeleton.EXTRA_19)),
    )


def _skinning_weights(case: GoldenFile) -> np.ndarray:
    index, value = case.input("weights_idx"), case.input("weights_val")
    weights = np.zeros((len(index), len(skeleton.SMPL_24)), np.float32)
    np.add.at(weights, (np.arange(len(index))[:, None], index), value)
    return weights


def _dense(case: GoldenFile, name: str, rows: int) -> np.ndarray:
    parts = (f"{name}_row", f"{name}_col", f"{name}_val")
    row, column, value = map(case.input, parts)
    matrix = np.zeros((rows, len(case.input("v_template"))), np.float32)
    np.add.at(matrix, (row, column), value)
    return matrix


def check_smpl_synth(case: GoldenFile, report: Report) -> None:
    """Builds the body model, and checks the laws that its arrays must obey."""
    model = _read_body(case)
    joints = _dense(case, "J_regressor", len(skeleton.SMPL_24))
    extra = _dense(case, "extra_regressor", len(skeleton.EXTRA_19))
    finite = lambda key: bool(np.isfinite(case.golden(key)).all())  # noqa: E731
    for key in ("v_template", "shapedirs"):
        report.confirm(case, key, finite(key), "finite; compared in smpl_forward")
    scale = float(case.golden("posedirs_scale"))
    power = scale > 0 and np.log2(scale) == np.round(np.log2(scale))
    report.confirm(case, "posedirs_scale", bool(power), "a power of two")
    for key, matrix in (
        ("weights_val", _skinning_weights(case)),
        ("J_regressor_val", joints),
        ("extra_regressor_val", extra),
    ):
        sums = np.allclose(matrix.sum(axis=1), 1.0, rtol=0, atol=1e-5)
        report.confirm(case, key, sums, "rows sum to one")
    faces = case.golden("faces")
    inside = faces.min() >= 0 and faces.max() < model.num_vertices
    report.confirm(case, "faces", bool(inside), "numbers of vertices; read by nothing")
    parents = np.array(skeleton.SMPL_PARENTS, case.golden("parents").dtype)
    report.compare(case, "parents", parents)
    for key, size in (("mean_cam", 3), ("mean_shape", model.num_betas)):
        shaped = case.golden(key).shape == (size,) and finite(key)
        report.confirm(case, key, shaped, _HEAD)


def check_smpl_forward(case: GoldenFile, report: Report) -> None:
    """Compares joints, vertices and gradients of posed bodies."""
    model = golden_body(case.directory)
    rotmats = case.golden("in/rotmats")
    axis_angle = case.input("in/axis_angle")
    report.compare(case, "in/rotmats", rotations.axis_angle_to_rotmat(axis_angle))
    params = SmplParams.from_rotmats(rotmats, case.input("in/betas"))
    subset = case.input("vertex_subset")
    weight_joints = case.input("in/weight_joints")
    weight_vertices = case.input("in/weight_vertices")

    def weighted(params):
        body = body_mesh(model, params)
        chosen = body.vertices[:, subset]
        total = jnp.sum(body.joints * weight_joints)
        return total + 0.01 * jnp.sum(chosen * weight_vertices), body

    gradients, body = jax.jit(jax.grad(weighted, has_aux=True))(params)
    joints = jax.jit(body_joints)(model, params).joints
    report.compare(case, "out/joints44", body.joints)
    report.compare(case, "out/joints44", joints, note=" (without the mesh)")
    vertices = np.asarray(body.vertices)
    landmarks = case.input("vertex_joint_ids")
    raw = np.concatenate([body.kinematic_joints, vertices[:, landmarks]], axis=1)
    report.compare(case, "out/joints45_raw", raw)
    report.compare(case, "joint_map", np.array(skeleton.BODY_25_SOURCE))
    report.compare(case, "out/vertices", vertices[:, subset])
    report.compare(case, "out/vertices_sum", vertices.sum(axis=1, dtype=np.float64))
    report.compare(case, "out/rest_all_vertices", vertices[0])
    report.compare(case, "grad/betas", gradients.betas, GRADIENTS)
    report.compare(case, "grad/rotmats", gradients.rotmats, GRADIENTS)
