"""The extra joints of the open body: Human3.6M's skeleton, posed and shaped."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.body import body_joints, shape_body
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import OPEN_BODY_FILE
from prohmr_jax.files.body_files import read_body
from prohmr_jax.open_body import extra_joints
from prohmr_jax.open_body.build import with_extra_joints
from prohmr_jax.open_body.open_body_file import read_open_body, write_open_body
from prohmr_jax.priors.gaussian_mixture import load_pose_prior, sample
from prohmr_jax.skeleton import EXTRA_19, JOINTS_44, SMPL_24
from prohmr_jax.structs import SmplParams

# Published lengths of subject 1 of Human3.6M, millimetres, left side.
HUMAN36M_MM = {
    "hip": ("pelvis_mpii", "left_hip_extra", 132.949),
    "thigh": ("left_hip_extra", "left_knee_extra", 442.895),
    "shank": ("left_knee_extra", "left_ankle_extra", 454.207),
    "pelvis to spine": ("pelvis_mpii", "spine_h36m", 233.383),
    "spine to thorax": ("spine_h36m", "neck_lsp", 257.078),
    "thorax to jaw": ("neck_lsp", "jaw_h36m", 121.135),
    "jaw to head": ("jaw_h36m", "head_h36m", 115.002),
    "thorax to shoulder": ("neck_lsp", "left_shoulder_extra", 151.034),
    "upper arm": ("left_shoulder_extra", "left_elbow_extra", 278.883),
    "forearm": ("left_elbow_extra", "left_wrist_extra", 251.733),
}
NUM_BODIES = 200


def bone_lengths(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Lengths of the bones of the left side, from joints [..., 44, 3]."""

    def at(name):
        return joints[..., JOINTS_44.index(name), :]

    return {
        bone: np.linalg.norm(at(start) - at(end), axis=-1)
        for bone, (start, end, _) in HUMAN36M_MM.items()
    }


def ratios(lengths: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lengths over thigh plus shank, relative to the same of Human3.6M."""
    leg = lengths["thigh"] + lengths["shank"]
    leg_mm = HUMAN36M_MM["thigh"][2] + HUMAN36M_MM["shank"][2]
    return {
        bone: lengths[bone] / leg / (length_mm / leg_mm)
        for bone, (*_, length_mm) in HUMAN36M_MM.items()
    }


def still(*batch: int) -> tuple[jax.Array, jax.Array]:
    """Orientation of the root and body pose of the T-pose."""
    identity = jnp.eye(3)
    return (
        jnp.broadcast_to(identity, (*batch, 3, 3)),
        jnp.broadcast_to(identity, (*batch, 23, 3, 3)),
    )


@pytest.fixture(scope="module")
def body():
    return read_open_body(OPEN_BODY_FILE)


@pytest.fixture(scope="module")
def model():
    return read_body()


@pytest.fixture(scope="module")
def rest(model):
    """Joints [44, 3] of the mean body at rest."""
    return np.asarray(body_joints(model, SmplParams(*still(), jnp.zeros(10))).joints)


@pytest.fixture(scope="module")
def poses():
    """Body poses [200, 23, 3, 3] of the prior."""
    return sample(load_pose_prior(), jax.random.key(0), (NUM_BODIES,))[1]


@pytest.fixture(scope="module")
def posed(model, poses):
    """The mean body in these poses, its pelvis unturned."""
    root, _ = still(NUM_BODIES)
    return body_joints(model, SmplParams(root, poses, jnp.zeros((NUM_BODIES, 10))))


@pytest.mark.parametrize("bone", HUMAN36M_MM)
def test_bones_of_the_mean_body_have_the_proportions_of_human36m(rest, bone):
    assert abs(ratios(bone_lengths(rest))[bone] - 1) < 0.03


def test_the_shoulders_are_as_far_apart_as_two_clavicles_allow(rest):
    lengths = bone_lengths(rest)
    left, right = (rest[JOINTS_44.index(f"{s}_shoulder_extra")] for s in
                   ("left", "right"))  # fmt: skip
    width = np.linalg.norm(left - right)
    assert 0.97 < width / (2 * lengths["thorax to shoulder"]) <= 1 + 1e-6


def test_rows_are_convex_sparse_and_exact_mirror_images(body):
    rows, mirror = body.J_regressor_extra, body.mirror_vertices
    assert rows.min() >= 0
    np.testing.assert_allclose(rows.sum(1, dtype=np.float64), 1, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(rows[list(EXTRA_19.mirror)][:, mirror], rows)
    support = dict(zip(EXTRA_19.names, (rows > 0).sum(1), strict=True))
    assert support.pop("pelvis_mpii") <= 2 * extra_joints.SUPPORT
    assert max(support.values()) <= extra_joints.SUPPORT


def test_the_pelvis_is_midway_between_the_hips_in_every_pose(posed):
    joints = np.asarray(posed.joints)
    left, right, pelvis = (
        joints[:, JOINTS_44.index(name)]
        for name in ("left_hip_extra", "right_hip_extra", "pelvis_mpii")
    )
    np.testing.assert_allclose(pelvis, (left + right) / 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("bone", "deviation", "median"),
    [
        ("thigh", 0.03, 0.03), ("shank", 0.01, 0.03), ("hip", 0.05, 0.03),
        ("upper arm", 0.05, 0.03), ("forearm", 0.02, 0.03),
        ("thorax to shoulder", 0.03, 0.06), ("spine to thorax", 0.03, 0.03),
        ("pelvis to spine", 0.05, 0.03),
    ],
)  # fmt: skip
def test_bones_keep_their_length_when_the_body_moves(posed, bone, deviation, median):
    lengths = bone_lengths(np.asarray(posed.joints))
    assert lengths[bone].std() < deviation * lengths[bone].mean()
    medians = {name: np.median(values) for name, values in lengths.items()}
    assert abs(ratios(medians)[bone] - 1) < median


def test_hips_stay_in_the_pelvis_and_other_joints_at_the_joints_that_bend(posed, rest):
    joints, kinematic = np.asarray(posed.joints), np.asarray(posed.kinematic_joints)
    for side in ("left", "right"):
        hip = JOINTS_44.index(f"{side}_hip_extra")
        moved = np.linalg.norm(joints[:, hip] - rest[hip], axis=-1)
        assert moved.max() < 0.05
        assert moved.mean() < 0.015
        for part, limit in (
            ("knee", 0.005), ("ankle", 0.012), ("elbow", 0.01), ("wrist", 0.005),
        ):  # fmt: skip
            name = f"{side}_{part}"
            extra = joints[:, JOINTS_44.index(name + "_extra")]
            distance = extra - kinematic[:, SMPL_24.index(name)]
            assert np.linalg.norm(distance, axis=-1).max() < limit, name


def test_joints_scale_with_the_body(model, rest):
    betas = jax.random.normal(jax.random.key(2), (NUM_BODIES, 10))
    root, pose = still(NUM_BODIES)
    shaped = body_joints(model, SmplParams(root, pose, betas))
    lengths = bone_lengths(np.asarray(shaped.joints))
    for bone, ratio in ratios(lengths).items():
        assert abs(ratio.mean() - 1) < 0.03, bone
        assert ratio.std() < 0.1, bone
    heights = np.asarray(shape_body(model, betas).surface.rest)[:, 1]
    leg = lengths["thigh"] + lengths["shank"]
    assert np.corrcoef(np.ptp(heights, axis=1), leg)[0, 1] > 0.9
    for sign in (-1, 1):
        tall = jnp.zeros(10).at[0].set(2.0 * sign)
        joints = body_joints(model, SmplParams(*still(), tall)).joints
        changed = bone_lengths(np.asarray(joints))
        for bone, length in bone_lengths(rest).items():
            assert 0.04 < sign * (changed[bone] / length - 1) < 0.2, bone


def test_the_file_says_which_definition_its_joints_follow(body):
    assert str(body.joint_definition) == extra_joints.JOINT_DEFINITION


def test_fitting_the_extra_joints_anew_gives_the_asset_and_touches_nothing_else(body):
    blank = dataclasses.replace(
        body,
        J_regressor_extra=np.zeros_like(body.J_regressor_extra),
        joint_definition=np.array(""),
    )
    again = with_extra_joints(blank)
    for field in dataclasses.fields(body):
        ours, theirs = getattr(again, field.name), getattr(body, field.name)
        assert ours.dtype == theirs.dtype
        if field.name == "J_regressor_extra":
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)


def test_a_saved_body_is_loaded_as_it_was_and_other_files_are_refused(body, tmp_path):
    write_open_body(tmp_path / "body.npz", body)
    again = read_open_body(tmp_path / "body.npz")
    for field in dataclasses.fields(body):
        np.testing.assert_array_equal(
            getattr(again, field.name), getattr(body, field.name)
        )
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"text\.npz"):
        read_open_body(tmp_path / "text.npz")
