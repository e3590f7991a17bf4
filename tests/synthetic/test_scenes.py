"""Rendered people: labels are exact, splits are apart, a person follows from a seed."""

import dataclasses

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.body import body_joints
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, mirror_pose
from prohmr_jax.poses.bank import PoseBank, write_pose_bank
from prohmr_jax.priors.gaussian_mixture import (
    component_log_probs,
    load_pose_prior,
    sample_in_component,
    save_pose_prior,
)
from prohmr_jax.rendering.raycast import render
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.structs import SmplParams
from prohmr_jax.synthetic.dataset import RenderedPeople, SyntheticSettings
from prohmr_jax.synthetic.picture_camera import frame_person
from prohmr_jax.synthetic.pose_source import Split, read_poses, training_mocap
from prohmr_jax.synthetic.scenes import sample_scenes, scenes_of_poses

SIZE, VIEWS = 48, 3
SETTINGS = SyntheticSettings(seed=3, views=VIEWS, image_size=SIZE)


@pytest.fixture(scope="module")
def body():
    return read_body("open")


@pytest.fixture(scope="module")
def poses():
    return read_poses()


@pytest.fixture(scope="module")
def scenes(body, poses):
    return sample_scenes(body, poses, Split.TRAIN, 3, np.arange(32), VIEWS)


@pytest.fixture(scope="module")
def records():
    """Two people of the training split and one of the test, all views."""
    return {
        split: list(RenderedPeople(SETTINGS, split, count))
        for split, count in ((Split.TRAIN, 2 * VIEWS), (Split.TEST, VIEWS))
    }


def of_all(records):
    return [record for split in Split for record in records[split]]


def test_3d_labels_are_the_posed_body_in_camera_axes(records, body):
    pose = jax.jit(body_joints)
    for record in of_all(records):
        rotmats = axis_angle_to_rotmat(jnp.asarray(record.axis_angle, jnp.float32))
        smpl = SmplParams.from_rotmats(rotmats, jnp.asarray(record.betas))
        posed = np.asarray(pose(body, smpl).joints)
        labelled = record.keypoints_3d[:, :3]
        np.testing.assert_allclose(posed - posed[0], labelled - labelled[0], atol=2e-5)
        assert record.has_pose
        assert record.has_betas
        assert (record.keypoints_3d[:, 3] == 1).all()


def test_2d_labels_are_the_projected_3d_labels(records):
    for record in of_all(records):
        homogeneous = record.keypoints_3d[:, :3] @ record.intrinsics.T
        xy = homogeneous[:, :2] / homogeneous[:, 2:]
        inside = np.all((xy > -0.5) & (xy < SIZE - 0.5), axis=1)
        np.testing.assert_array_equal(record.keypoints_2d[:, 2], inside)
        np.testing.assert_allclose(
            record.keypoints_2d[:, :2], np.where(inside[:, None], xy, 0), atol=1e-3
        )


def test_boxes_follow_the_official_convention(records):
    for record in of_all(records):
        xy = record.keypoints_2d[record.keypoints_2d[:, 2] > 0, :2]
        low, high = xy.min(axis=0), xy.max(axis=0)
        assert record.box_size == pytest.approx(MARGIN * (high - low).max(), rel=1e-5)
        np.testing.assert_allclose(record.box_center, (low + high) / 2, rtol=1e-5)


def test_views_of_a_person_triangulate_to_one_body(records):
    views = records[Split.TRAIN][:VIEWS]
    assert len({record.person for record in views}) == 1
    worlds = [
        (record.keypoints_3d[:, :3] - record.extrinsics[:, 3])
        @ record.extrinsics[:, :3]
        for record in views
    ]
    np.testing.assert_allclose(worlds[1], worlds[0], atol=1e-5)
    np.testing.assert_allclose(worlds[2], worlds[0], atol=1e-5)
    first, second = (record.intrinsics @ record.extrinsics for record in views[:2])
    seen = np.logical_and(*(record.keypoints_2d[:, 2] > 0 for record in views[:2]))
    assert seen.sum() > 10
    pixels = [record.keypoints_2d[seen, :2].T.astype(float) for record in views[:2]]
    met = cv2.triangulatePoints(first, second, *pixels)
    np.testing.assert_allclose((met[:3] / met[3]).T, worlds[0][seen], atol=1e-3)


def test_silhouettes_contain_the_joints(scenes, body):
    rng = np.random.default_rng(0)
    inside_mesh = []
    for number in range(4):
        scene = jax.tree.map(lambda a, number=number: a[number], scenes)
        camera = frame_person(
            rng, scene.rotation[0], scene.translation[0], scene.joints, 96
        )
        mesh = Mesh(camera.to_camera(scene.vertices), body.faces)
        alpha = render([mesh], camera.view, (96, 96), rays_per_pixel=1).rgba[..., 3]
        xy = np.rint(camera.view.project(camera.to_camera(scene.joints))).astype(int)
        xy = xy[np.all((xy >= 0) & (xy < 96), axis=1)]
        # Landmarks lie on the very edge.
        near = cv2.dilate(alpha, np.ones((3, 3), np.uint8))
        inside_mesh.append(near[xy[:, 1], xy[:, 0]] > 0)
    assert np.concatenate(inside_mesh).mean() > 0.99


def test_people_stand_on_the_floor_before_their_cameras(scenes):
    np.testing.assert_allclose(scenes.vertices[..., 1].min(axis=1), 0, atol=1e-6)
    placed = np.einsum("pnij,pvj->pnvi", scenes.rotation, scenes.vertices)
    depth = (placed + scenes.translation[:, :, None])[..., 2]
    assert depth.min() > 0.5
    # Heads are up in pictures: world Y is camera -y, on average.
    assert (scenes.rotation[:, :, 1, 1] < -0.6).all()


def test_most_pictures_show_the_whole_person_and_none_less_than_two_joints_in_five(
    scenes,
):
    rng = np.random.default_rng(1)
    shares = []
    for person in range(32):
        scene = jax.tree.map(lambda a, person=person: a[person], scenes)
        for _ in range(20):
            camera = frame_person(
                rng, scene.rotation[0], scene.translation[0], scene.joints, SIZE
            )
            xy = camera.view.project(camera.to_camera(scene.joints))
            shares.append(np.all((xy > -0.5) & (xy < SIZE - 0.5), axis=1).mean())
    assert min(shares) >= 0.4
    assert 0.8 < np.mean(np.array(shares) == 1) < 0.95


def test_a_person_depends_on_seed_split_and_number_alone(body, poses, scenes):
    def sampled(seed, split, numbers):
        return sample_scenes(body, poses, split, seed, numbers, VIEWS)

    # Another place in the batch, other company.
    again = sampled(3, Split.TRAIN, np.arange(32)[::-1] + 5)
    same = jax.tree.map(lambda a, b: np.allclose(a[7], b[29], atol=1e-5), scenes, again)
    assert all(jax.tree.leaves(same))
    for seed, split in ((4, Split.TRAIN), (3, Split.TEST)):
        other = sampled(seed, split, np.arange(32))
        assert np.abs(other.betas - scenes.betas).max(axis=1).min() > 0.1
        assert np.abs(other.body_pose - scenes.body_pose).max(axis=(1, 2)).min() > 0.1


def test_splits_share_no_cluster_and_tests_take_theirs_in_turn(body, poses, scenes):
    held_out = set(poses.held_out)
    assert not held_out & set(scenes.component)
    numbers = np.arange(len(held_out))
    test = sample_scenes(body, poses, Split.TEST, 3, numbers, VIEWS)
    assert sorted(test.component) == sorted(held_out)
    assert 0.05 < np.exp(poses.prior.weights_log[poses.held_out]).sum() < 0.25


def test_mirrored_test_poses_mostly_stay_in_held_out_clusters(poses):
    component = poses.held_out[np.arange(400) % len(poses.held_out)]
    pose = sample_in_component(poses.prior, jax.random.key(0), jnp.asarray(component))
    mirrored = mirror_pose(pose)[:, 1:].reshape(len(pose), -1)
    best = np.argmax(component_log_probs(poses.prior, mirrored), axis=1)
    # The mixture is not symmetric; if the Gaussians of mirror images were not held
    # out as well, half of the poses would stay.
    assert np.isin(best, poses.held_out).mean() > 0.6


def test_training_poses_are_not_explained_by_held_out_clusters(poses):
    mocap = training_mocap(poses, jax.random.key(0), 500)
    assert mocap.body_pose.shape == (500, 69)
    assert mocap.betas.shape == (500, 10)
    best = np.argmax(component_log_probs(poses.prior, mocap.body_pose), axis=1)
    assert np.isin(best, poses.held_out).mean() < 0.01


def test_a_bank_is_used_without_its_held_out_poses(body, poses, tmp_path):
    component = jnp.asarray([poses.kept[0], poses.held_out[0]] * 4)
    pose = sample_in_component(poses.prior, jax.random.key(1), component)
    path = tmp_path / "bank.npz"
    write_pose_bank(path, PoseBank(np.asarray(pose), np.zeros(8), ("test",)))
    source = read_poses(bank=path)
    assert len(source.bank) == 4
    assert not set(source.bank_component) & set(poses.held_out)
    scenes = sample_scenes(body, source, Split.TRAIN, 0, np.arange(32), VIEWS)
    known = {tuple(row.ravel()) for row in source.bank[:, 1:]}
    assert {tuple(row.ravel()) for row in scenes.body_pose} == known


def test_a_bank_of_held_out_poses_alone_is_refused(poses, tmp_path):
    component = jnp.full(3, poses.held_out[1])
    pose = sample_in_component(poses.prior, jax.random.key(1), component)
    path = tmp_path / "bank.npz"
    write_pose_bank(path, PoseBank(np.asarray(pose), np.zeros(3), ("test",)))
    with pytest.raises(InputError, match="no pose but those held out"):
        read_poses(bank=path)


def test_a_mixture_too_small_to_hold_out_of_is_refused(tmp_path):
    few = jax.tree.map(lambda a: a[:4], load_pose_prior())
    total = jax.scipy.special.logsumexp(few.weights_log)
    save_pose_prior(
        tmp_path / "few.npz", few.replace(weights_log=few.weights_log - total)
    )
    with pytest.raises(InputError, match="4 Gaussians, too few"):
        read_poses(tmp_path / "few.npz")


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_scenes_lower_for_accelerators(platform, tiny_body):
    keys = jax.random.split(jax.random.key(0), 2)
    arguments = tiny_body, keys, jnp.zeros((2, 24, 3)), jnp.zeros(2, int)
    exported = jax.export.export(scenes_of_poses, platforms=[platform])(
        *arguments, num_views=2
    )
    assert exported.platforms == (platform,)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_train", -1), ("views", 0), ("seed", -1), ("image_size", 8)],
)
def test_settings_without_sense_are_refused(name, value):
    with pytest.raises(InputError, match=name):
        dataclasses.replace(SETTINGS, **{name: value})


def test_a_dataset_without_a_picture_is_refused():
    with pytest.raises(InputError, match="no picture"):
        SyntheticSettings(num_train=0, num_test=0)
