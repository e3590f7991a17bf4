"""Simulated detections: exact without errors, and as the model says with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from prohmr_jax.body import body_joints
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.detected_keypoints import as_body25
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.priors.detector_errors import (
    GROUP_MASKS_17,
    NORMAL_GRID,
    PARTS,
    STATES,
    both_sides,
    detector_joints,
    person_size,
)
from prohmr_jax.skeleton import BODY_25, COCO_17, JOINTS_44, SMPL_MIRROR
from prohmr_jax.structs import Camera, Keypoints2D, SmplParams
from prohmr_jax.synthetic.simulated_detector import (
    behind_body,
    coco_as_body25,
    detect_as_measured,
    events,
)

COCO_IN_44 = np.array(COCO_17.positions_in(JOINTS_44))
SCORES = 0.2, 0.8
P, S, N = len(PARTS), len(STATES), 2


def exact_parts():
    """A detector without errors, whose scores are 0.2 or 0.8."""
    scores = np.where(NORMAL_GRID < 0, *SCORES)
    return {
        "offset": np.zeros((P, 2, 3)),
        "swap_rate": np.zeros((6, 4, 3)),
        "swap_correlation": np.array(0.0),
        "score_quantiles": np.tile(scores, (S, P, 1)),
        "score_cholesky": np.eye(17),
        "score_edges": np.full((S, P, N - 1), 0.5),
        "bias": np.zeros((S, P, N, 2)),
        "ellipse": np.tile(np.eye(2), (S, P, N, 1, 1)),
        "radius_quantiles": np.zeros((S, P, N, len(NORMAL_GRID))),
        "radius_cholesky": np.eye(17),
    }


@pytest.fixture(scope="module")
def person():
    """A posed body that faces the camera, with its rotations and camera."""
    body = jax.tree.map(jnp.asarray, read_body("open"))
    pose = 0.2 * jax.random.normal(jax.random.key(0), (24, 3))
    rotmats = axis_angle_to_rotmat(pose.at[0].set(jnp.array([jnp.pi, 0.0, 0.0])))
    camera = Camera(jnp.array([0.1, 0.2, 4.0]), 500.0 * jnp.ones(2), jnp.zeros(2))
    joints = body_joints(body, SmplParams.from_rotmats(rotmats, jnp.zeros(10)))
    return joints, rotmats, camera


def turned_about(rotmats):
    """The same person seen from behind."""
    half_turn = jnp.diag(jnp.array([-1.0, 1.0, -1.0]))
    return rotmats.at[0].set(half_turn @ rotmats[0])


def detect(parts, person, count=1, hidden=False, key=0, sharpness=0.0):
    keys = jax.random.split(jax.random.key(key), count)
    body, rotmats, camera = person
    mask = jnp.full(17, hidden)

    def one(k):
        errors = both_sides(parts)
        return detect_as_measured(k, errors, body, rotmats, camera, mask, sharpness)

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(keys))


def true_xy(person):
    body, _, camera = person
    return np.asarray(cameras.project(body.joints, camera))


def test_a_detector_without_errors_gives_the_joints_of_the_body(person):
    detections = detect(exact_parts(), person)
    np.testing.assert_allclose(detections.xy[0], true_xy(person)[COCO_IN_44], atol=1e-3)
    assert (detections.confidence >= SCORES[0] - 1e-6).all()


def test_offsets_are_bone_lengths_in_frames_of_bones():
    body = jax.tree.map(jnp.asarray, read_body("open"))
    rest = jnp.tile(jnp.eye(3), (24, 1, 1))
    joints = body_joints(body, SmplParams.from_rotmats(rest, jnp.zeros(10)))
    parts = exact_parts()
    parts["offset"][PARTS.index("hip"), 0] = [0.1, 0.2, 0.3]
    moved = detector_joints(both_sides(parts), joints, rest)
    step = np.asarray(moved - joints.joints[COCO_IN_44])
    thigh = np.linalg.norm(
        joints.joints[BODY_25.index("left_hip")]
        - joints.joints[BODY_25.index("left_knee")]
    )
    left, right = COCO_17.indices("left_hip", "right_hip")
    np.testing.assert_allclose(step[left], thigh * np.array([0.1, 0.2, 0.3]), atol=1e-5)
    others = np.delete(step, [left, right], axis=0)
    np.testing.assert_allclose(others, 0.0, atol=1e-6)


def test_offsets_turn_with_the_body_and_are_mirror_images():
    body = jax.tree.map(jnp.asarray, read_body("open"))
    rng = np.random.default_rng(0)
    parts = exact_parts()
    parts["offset"] = rng.normal(size=(P, 2, 3))
    parts["offset"][PARTS.index("nose"), :, 0] = 0.0
    errors = both_sides(parts)
    rotmats = axis_angle_to_rotmat(0.4 * jnp.asarray(rng.normal(size=(24, 3))))

    def offsets(rotations):
        params = SmplParams.from_rotmats(rotations, jnp.zeros(10))
        posed = body_joints(body, params)
        moved = detector_joints(errors, posed, rotations)
        return moved - posed.joints[COCO_IN_44]

    turn = axis_angle_to_rotmat(jnp.array([0.3, -1.0, 0.5]))
    turned = offsets(rotmats.at[0].set(turn @ rotmats[0]))
    np.testing.assert_allclose(turned, offsets(rotmats) @ turn.T, atol=2e-4)

    flip = jnp.diag(jnp.array([-1.0, 1.0, 1.0]))
    mirrored = flip @ rotmats[np.array(SMPL_MIRROR)] @ flip
    expected = offsets(rotmats)[np.array(COCO_17.mirror)] * jnp.array([-1.0, 1, 1])
    # The open body is symmetric to within a fraction of a millimetre.
    np.testing.assert_allclose(offsets(mirrored), expected, atol=3e-3)


def test_errors_have_the_covariance_of_their_score_and_are_mirrored(person):
    parts = exact_parts()
    factor = np.array([[[0.01, 0.0], [0.004, 0.02]], [[0.001, 0.0], [0.0, 0.002]]])
    parts["ellipse"][:] = factor
    # These are the distances of Gaussian errors.
    probability = scipy.stats.norm.cdf(NORMAL_GRID)
    parts["radius_quantiles"][:] = scipy.stats.rayleigh.ppf(probability)
    parts["bias"][:, :, 0] = [0.03, -0.01]
    detections = detect(parts, person, 4000)
    xy = true_xy(person)
    size = float(person_size(jnp.asarray(xy[:25])))
    error = (detections.xy - xy[COCO_IN_44]) / size
    for name, side in (("left_knee", 1.0), ("right_knee", -1.0)):
        joint = COCO_17.index(name)
        low = detections.confidence[:, joint] < 0.5
        assert 0.4 < low.mean() < 0.5
        flip = np.array([side, 1.0])
        np.testing.assert_allclose(
            error[low, joint].mean(axis=0), [0.03 * side, -0.01], atol=2e-3
        )
        for chosen, stored in ((low, factor[0]), (~low, factor[1])):
            covariance = np.cov((error[chosen, joint] * flip).T)
            np.testing.assert_allclose(
                covariance, stored @ stored.T, atol=0.1 * np.max(stored) ** 2
            )


def test_gross_errors_have_their_rate_and_come_together(person):
    parts = exact_parts()
    # The normal variable is above 1.125 with a probability of 0.13.
    parts["radius_quantiles"][:] = np.where(NORMAL_GRID > 1.2, 0.5, 0.0)
    separate = detect(parts, person, 1000)
    correlation = 0.8 + 0.2 * np.eye(17)
    parts["radius_cholesky"] = np.linalg.cholesky(correlation)
    together = detect(parts, person, 1000)
    true = true_xy(person)[COCO_IN_44]
    count = [
        np.sum(np.linalg.norm(recovered.xy - true, axis=-1) > 10.0, axis=1)
        for recovered in (separate, together)
    ]
    for gross in count:
        assert 0.10 < gross.mean() / 17 < 0.17
    assert count[1].std() > 2 * count[0].std()


def test_sides_are_exchanged_at_the_rate_of_the_view(person):
    parts = exact_parts()
    parts["swap_rate"][-1, :, 2] = 0.3
    body, rotmats, camera = person
    half_turn = jnp.diag(jnp.array([-1.0, 1.0, -1.0]))
    behind = (
        body.replace(joints=body.joints @ half_turn.T),
        turned_about(rotmats),
        camera,
    )
    for view, rate in ((person, 0.0), (behind, 0.3)):
        detections = detect(parts, view, 1000)
        xy = true_xy(view)[COCO_IN_44]
        crossed = xy[np.array(COCO_17.mirror)]
        legs_mask = GROUP_MASKS_17[2]
        near = lambda a: np.abs(detections.xy - a)[:, legs_mask].max((1, 2)) < 1e-2  # noqa: E731, B023
        assert abs(near(crossed).mean() - rate) < 0.05
        assert abs(near(xy).mean() - (1 - rate)) < 0.05
        rest = ~legs_mask
        assert np.abs(detections.xy - xy)[:, rest].max() < 1e-2


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_events_happen_at_their_rates_and_together(correlation):
    rate = jnp.array([0.1, 0.5, 0.3])
    happened = np.asarray(
        events(jax.random.key(0), jnp.broadcast_to(rate, (20_000, 3)), correlation)
    )
    np.testing.assert_allclose(happened.mean(axis=0), rate, atol=0.01)
    both = np.mean(happened[:, 1] & happened[:, 2])
    quantiles = scipy.stats.norm.ppf([0.5, 0.3])
    pair = scipy.stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    assert abs(both - pair.cdf(quantiles)) < 0.01


def test_joints_out_of_sight_have_the_scores_of_that_state(person):
    parts = exact_parts()
    parts["score_quantiles"][STATES.index("out of sight")] = 0.05
    assert (detect(parts, person, 20, hidden=True).confidence < 0.06).all()
    assert (detect(parts, person, 20).confidence > 0.06).all()


def test_sharper_pictures_have_better_scores(person):
    usual = detect(exact_parts(), person, 200)
    sharp = detect(exact_parts(), person, 200, sharpness=6.0)
    assert usual.confidence.mean() < 0.6
    assert (sharp.confidence > SCORES[1] - 1e-6).all()


def test_the_far_side_is_behind_the_body_and_the_near_one_is_not(person):
    body, _, _ = person
    joints = body.joints[:25] + jnp.array([0.0, 0.0, 4.0])
    chest = (joints[BODY_25.index("neck")] + joints[BODY_25.index("mid_hip")]) / 2
    points = jnp.stack([chest * (1 + 0.3 / 4), chest * (1 - 0.3 / 4)])
    assert behind_body(joints, points).tolist() == [True, False]


def test_coco_becomes_body_25_as_in_files():
    rng = np.random.default_rng(1)
    xy, confidence = rng.normal(size=(3, 17, 2)), rng.uniform(size=(3, 17))
    expected = as_body25(Keypoints2D(xy, confidence), COCO_17.names)
    given = coco_as_body25(Keypoints2D(jnp.asarray(xy), jnp.asarray(confidence)))
    np.testing.assert_allclose(given.xy, expected.xy, atol=1e-6)
    np.testing.assert_allclose(given.confidence, expected.confidence, atol=1e-6)
