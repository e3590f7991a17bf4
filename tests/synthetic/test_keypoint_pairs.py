"""Training pairs: labels that agree with each other, inputs as a detector's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.body import body_joints
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, mirror_pose
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import (
    KeypointPairSettings,
    keypoint_pair,
    simulate_detections,
)
from prohmr_jax.synthetic.missing_joints import FEET_MASK, GROUP_MASKS

PEOPLE = 256


@pytest.fixture(scope="module")
def body():
    return jax.tree.map(jnp.asarray, read_body("open"))


@pytest.fixture(scope="module")
def batch(body):
    keys = jax.random.split(jax.random.key(0), PEOPLE)
    poses = 0.3 * jax.random.normal(jax.random.key(1), (PEOPLE, 24, 3))
    make = jax.jit(
        jax.vmap(keypoint_pair, in_axes=(0, None, 0, None)), static_argnums=3
    )
    return make(keys, body, poses, KeypointPairSettings())


def test_mirrored_pose_is_the_mirrored_body(body):
    pose = 0.4 * jax.random.normal(jax.random.key(3), (24, 3))

    def joints(axis_angle):
        rotmats = axis_angle_to_rotmat(axis_angle)
        params = SmplParams.from_rotmats(rotmats, jnp.zeros(10))
        return body_joints(body, params).kinematic_joints

    mirrored = joints(pose)[np.array(skeleton.SMPL_MIRROR)] * jnp.array([-1.0, 1, 1])
    np.testing.assert_allclose(joints(mirror_pose(pose)), mirrored, atol=2e-4)


def test_labels_agree_with_the_body(batch, body):
    joints = body_joints(body, batch.smpl).joints
    relative = joints - joints[:, skeleton.PELVIS_44][:, None]
    np.testing.assert_allclose(batch.target_3d, relative, atol=1e-5)


def test_people_stand_before_the_camera_head_up(batch):
    head = batch.target_2d[:, skeleton.JOINTS_44.index("head_top_lsp"), 1]
    ankle = batch.target_2d[:, skeleton.JOINTS_44.index("left_ankle"), 1]
    # Cameras roll and pitch, but rarely stand on their head (y is down).
    assert float(jnp.mean(head < ankle)) > 0.95


def test_exact_detections_are_the_projection(batch):
    exact = np.all(
        np.where(batch.visible, np.asarray(batch.keypoints.confidence) == 1.0, True), 1
    )
    assert 0.1 < exact.mean() < 0.5
    given = np.asarray(batch.keypoints.xy)[exact]
    true = np.asarray(batch.target_2d)[exact][:, :25]
    seen = np.asarray(batch.visible)[exact]
    assert np.abs(given - true)[seen].max() < 1e-5


def test_missing_joints_carry_nothing_and_some_remain(batch):
    missing = ~np.asarray(batch.visible)
    assert 0.02 < missing.mean() < 0.5
    assert not np.asarray(batch.keypoints.xy)[missing].any()
    assert not np.asarray(batch.keypoints.confidence)[missing].any()
    assert (~missing).sum(axis=1).min() >= 4


def test_box_comes_from_the_visible_joints(batch):
    xy = np.where(np.asarray(batch.visible)[..., None], batch.keypoints.xy, np.nan)
    extent = np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)
    # Tight box times 1.2 is the unit square.
    np.testing.assert_allclose(extent.max(axis=1), 1 / 1.2, atol=1e-4)
    np.testing.assert_allclose(
        np.nanmax(xy, axis=1) + np.nanmin(xy, axis=1), 0.0, atol=1e-4
    )


def test_a_person_depends_on_their_key_alone(body):
    keys = jax.random.split(jax.random.key(5), 4)
    pose = jnp.zeros((4, 24, 3))
    settings = KeypointPairSettings()
    make = jax.jit(
        jax.vmap(keypoint_pair, in_axes=(0, None, 0, None)), static_argnums=3
    )
    together = make(keys, body, pose, settings)
    alone = jax.tree.map(lambda a: a[0], make(keys[2:3], body, pose[2:3], settings))
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a[2], b, atol=1e-5)


def test_joints_below_the_threshold_become_missing():
    xy = jnp.asarray(np.random.default_rng(0).uniform(0, 500, (25, 2)))
    confidence = jnp.ones(25).at[:5].set(0.05)
    inputs, box = in_box(Keypoints2D(xy=xy, confidence=confidence))
    assert not np.asarray(inputs.confidence[:5]).any()
    back = cameras.crop_to_image(inputs.xy, box)
    np.testing.assert_allclose(back[5:], xy[5:], rtol=1e-4)


def test_occluded_groups_are_limbs_on_one_side():
    names = np.array(skeleton.BODY_25.names)
    for mask in GROUP_MASKS:
        assert 0 < mask.sum() < len(names)


def test_plain_confidences_say_nothing_of_the_error(body):
    xy = jnp.asarray(np.random.default_rng(0).normal(size=(25, 2)), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 400)

    def detections(rate):
        settings = KeypointPairSettings(
            perfect_rate=0.0, plain_confidence_rate=rate, outlier_rate=0.0
        )
        detect = functools.partial(simulate_detections, xy=xy)
        return jax.vmap(lambda key: detect(key, settings=settings))(keys)

    plain, usual = detections(1.0), detections(0.0)
    seen = np.asarray(plain.confidence > 0)
    assert (np.asarray(plain.confidence)[seen] == 1.0).all()
    np.testing.assert_array_equal(plain.xy, usual.xy)
    assert np.mean(np.asarray(usual.confidence)[seen] == 1.0) < 0.05
    # A rate in between is met.
    half = np.asarray(detections(0.5).confidence)
    share = np.mean([np.all(row[row > 0] == 1.0) for row in half])
    assert abs(share - 0.5) < 0.1


def pairs_of(body, detector, **rates):
    keys = jax.random.split(jax.random.key(7), PEOPLE)
    poses = 0.3 * jax.random.normal(jax.random.key(8), (PEOPLE, 24, 3))
    settings = KeypointPairSettings(**rates)

    def pair(key, pose):
        return keypoint_pair(key, body, pose, settings, detector)

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(pair))(keys, poses))


def test_annotators_joints_are_nearly_exact_and_sure(body):
    batch = pairs_of(body, None, annotator_rate=1.0)
    seen = batch.visible
    assert (batch.keypoints.confidence[seen] == 1.0).all()
    limbs = np.array(skeleton.COCO_17.positions_in(skeleton.BODY_25))
    error = np.abs(batch.keypoints.xy - batch.target_2d[:, :25])[:, limbs]
    assert error[seen[:, limbs]].max() < 0.04
    # Half of the people have the joints of COCO alone.
    toe = seen[:, skeleton.BODY_25.index("left_big_toe")]
    assert 0.2 < toe.mean() < 0.6


def test_measured_detections_have_the_form_of_the_detector(body):
    batch = pairs_of(body, load_detector_errors(), movenet_rate=1.0)
    assert batch.visible.sum(axis=1).min() >= 4
    whole = batch.keypoints.confidence.max(axis=1) < 1.0
    assert whole.mean() > 0.95
    assert not batch.visible[whole][:, FEET_MASK].any()
    hips = skeleton.BODY_25.indices("left_hip", "right_hip")
    middle = skeleton.BODY_25.index("mid_hip")
    known = batch.visible[:, middle] & whole
    assert known.mean() > 0.8
    np.testing.assert_allclose(
        batch.keypoints.xy[known, middle],
        batch.keypoints.xy[known][:, list(hips)].mean(axis=1),
        atol=1e-5,
    )
    # The hips of the detector are not those of the body.
    shift = (batch.keypoints.xy - batch.target_2d[:, :25])[known, middle]
    assert abs(np.median(shift[:, 1])) > 0.01


@pytest.mark.slow
def test_forms_mix_at_their_rates_and_leave_the_others_as_they_were(body):
    detector = load_detector_errors()
    mixed = pairs_of(body, detector, movenet_rate=0.3, annotator_rate=0.3)
    whole = {
        rate: pairs_of(body, detector, **{rate: 1.0})
        for rate in ("movenet_rate", "annotator_rate")
    }
    plain = pairs_of(body, None)
    shares = [
        np.mean(np.all(mixed.keypoints.xy == other.keypoints.xy, axis=(1, 2)))
        for other in (*whole.values(), plain)
    ]
    assert sum(shares) > 0.95
    np.testing.assert_allclose(shares, [0.3, 0.3, 0.4], atol=0.1)


def test_a_measured_form_needs_its_detector_and_rates_are_shares(body):
    with pytest.raises(ValueError, match="needs a measured detector"):
        pairs_of(body, None, movenet_rate=0.5)
    with pytest.raises(InputError, match="more than 1"):
        KeypointPairSettings(movenet_rate=0.7, annotator_rate=0.7)
