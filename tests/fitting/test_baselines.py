"""SMPLify and EFT: objectives against float64 loops, priors, and small fits."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prohmr_jax import skeleton
from prohmr_jax.body import body_joints
from prohmr_jax.fitting.eft import EftData, Regressor, best_of_steps, fit_eft
from prohmr_jax.fitting.keypoints import View, image_view
from prohmr_jax.fitting.smplify import (
    BodyParams,
    GaussianMixture,
    GenericFlow,
    TorsoParams,
    Weights,
    backward_bending,
    fit_smplify,
    smplify_objective,
    torso_objective,
)
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, geodesic_angle
from prohmr_jax.models.spec import build_model, init_variables
from prohmr_jax.priors.gaussian_mixture import load_pose_prior, sample_axis_angle
from prohmr_jax.priors.pose_flow import load_pose_flow
from prohmr_jax.solver.problem import Reason, Settings
from prohmr_jax.structs import (
    Box,
    Camera,
    Keypoints2D,
    SmplParams,
    WeakCamera,
)
from tests.support.fitting_cases import JOINTS
from tests.support.keypoint_training import REGRESSOR

PEOPLE = 2
QUICK = Settings(max_steps=80)


@pytest.fixture(scope="module")
def priors():
    return {
        "mixture": GaussianMixture(load_pose_prior()),
        "flow": GenericFlow(load_pose_flow()),
    }


@pytest.fixture(scope="module")
def people(tiny_body):
    """Bodies of plausible poses, what a camera sees of them, and worse starts."""
    drawn = sample_axis_angle(load_pose_prior(), jax.random.key(0), (PEOPLE,))
    body_pose = axis_angle_to_rotmat(drawn[:, 1:])
    turn = axis_angle_to_rotmat(np.float32([[0.3, 0.5, 0.1], [3.0, 0.2, 0.0]]))
    truth = SmplParams(turn, body_pose, jnp.zeros((PEOPLE, 10)))
    place = np.float32([[0.1, 0.0, 7.0], [-0.2, 0.1, 9.0]])
    camera = Camera(place, jnp.full((PEOPLE, 2), 400.0), jnp.full((PEOPLE, 2), 112.0))
    xy = cameras.project(body_joints(tiny_body, truth).joints, camera)
    keypoints = Keypoints2D(xy, jnp.ones((PEOPLE, JOINTS)))
    shifted = camera.replace(translation=place + np.float32([0.1, -0.1, 0.5]))
    off = axis_angle_to_rotmat(np.float32([0.0, 0.3, 0.0]))
    start = truth.replace(global_orient=turn @ off)
    return truth, start, View(keypoints, shifted, jnp.full(PEOPLE, 224.0))


def test_elbows_and_knees_bend_one_way():
    names = skeleton.SMPL_24.names[1:]
    straight = 4.0  # exp(0)^2 of each
    forwards = np.zeros((4, 23, 3), np.float32)
    for pose, (joint, axis, sign) in zip(forwards, (
        ("left_elbow", 1, -1), ("right_elbow", 1, 1),
        ("left_knee", 0, 1), ("right_knee", 0, 1),
    ), strict=True):  # fmt: skip
        pose[names.index(joint), axis] = sign * 1.5
    energy = jax.jit(lambda pose: backward_bending(axis_angle_to_rotmat(pose)))
    assert np.all(energy(forwards) < straight)
    np.testing.assert_allclose(energy(-forwards), 3.0 + np.exp(3.0), rtol=1e-5)
    # In the poses that people take they bend so.
    drawn = sample_axis_angle(load_pose_prior(), jax.random.key(1), (100,))
    assert np.median(energy(drawn[:, 1:])) < straight


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_a_prior_writes_poses_down_and_reads_them(priors, people, name):
    prior, body_pose = priors[name], people[0].body_pose
    written = jax.jit(prior.encode)(body_pose)
    np.testing.assert_allclose(jax.jit(prior.rotmats)(written), body_pose, atol=2e-3)
    # Poses of people, and what no person does.
    likely = jax.jit(prior.energy)(written)
    twisted = prior.encode(axis_angle_to_rotmat(jnp.full((23, 3), 1.5)))
    assert np.all(likely < prior.energy(twisted))


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_objective_is_the_sum_of_its_terms(rng, tiny_body, priors, people, name):
    prior, (truth, _, view) = priors[name], people
    written = prior.encode(truth.body_pose)
    orient = 0.3 * rng.normal(size=(PEOPLE, 3)).astype(np.float32)
    betas = rng.normal(size=(PEOPLE, 10)).astype(np.float32)
    params = BodyParams(TorsoParams(orient, view.camera.translation), written, betas)
    weights = Weights(pose=2.0, angle=3.0, shape=5.0)
    ours = jax.jit(jax.vmap(
        lambda p, v: smplify_objective(tiny_body, prior, weights, p, v)
    ))(params, view)  # fmt: skip
    rotmats = prior.rotmats(written)
    smpl = SmplParams(axis_angle_to_rotmat(orient), rotmats, betas)
    xy = cameras.project(body_joints(tiny_body, smpl).joints, view.camera)
    squared = np.float64(xy - view.keypoints.xy) ** 2
    data = np.sum(1e4 * squared / (1e4 + squared), axis=(1, 2))
    prior_terms = (
        2.0 * np.float64(prior.energy(written))
        + 3.0 * np.float64(backward_bending(rotmats))
        + 5.0 * np.sum(np.float64(betas) ** 2, axis=1)
    )
    expected = (1000.0 / 224.0) ** 2 * (data + prior_terms)
    np.testing.assert_allclose(ours, expected, rtol=2e-5)


def test_the_first_stage_looks_at_the_torso_alone(tiny_body, people):
    truth, start, view = people
    params = TorsoParams(jnp.zeros((PEOPLE, 3)), view.camera.translation)
    loss = jax.vmap(lambda p, *d: torso_objective(tiny_body, p, d))
    torso = [
        i for i, name in enumerate(skeleton.JOINTS_44.names)
        if "shoulder" in name or "hip" in name
    ]  # fmt: skip
    whole = loss(params, start, view)
    others = np.setdiff1d(np.arange(JOINTS), torso)
    moved = view.keypoints.replace(xy=view.keypoints.xy.at[:, others].add(50.0))
    np.testing.assert_array_equal(
        loss(params, start, view.replace(keypoints=moved)), whole
    )
    moved = view.keypoints.replace(xy=view.keypoints.xy.at[:, torso[0]].add(50.0))
    assert np.all(loss(params, start, view.replace(keypoints=moved)) != whole)


def test_smplify_finds_camera_and_orientation(tiny_body, priors, people):
    truth, start, view = people
    fit = fit_smplify(tiny_body, priors["mixture"], start, view, settings=QUICK)
    off = lambda smpl: geodesic_angle(smpl.global_orient, truth.global_orient)  # noqa: E731
    assert np.all(off(fit.smpl) < 0.5 * off(start))
    xy = cameras.project(fit.body.joints, fit.camera)
    error = np.linalg.norm(xy - view.keypoints.xy, axis=-1)
    assert np.all(np.median(error, axis=1) < 5.0)
    for minimum in (fit.torso, fit.minimum):
        assert Reason.NON_FINITE not in minimum.reason


@pytest.fixture(scope="module")
def tuned(tiny_body):
    model = build_model(REGRESSOR)
    regressor = Regressor(model, init_variables(model, jax.random.key(0)), tiny_body)
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    inputs = Keypoints2D(0.2 * draw(3, 25, 2), np.ones((3, 25), np.float32))
    box = Box(np.full((3, 2), 300.0, np.float32), np.full(3, 200.0, np.float32))
    weak = WeakCamera(np.full(3, 0.7, np.float32), np.zeros((3, 2), np.float32))
    keypoints = Keypoints2D(
        300.0 + 40.0 * draw(3, JOINTS, 2), np.ones((3, JOINTS), np.float32)
    )
    view = image_view(keypoints, weak, box, np.full((3, 2), 600.0, np.float32), 900.0)
    return regressor, EftData(inputs, box, view)


def test_eft_lowers_the_reprojection_and_keeps_the_weights(tuned):
    regressor, data = tuned
    before = jax.tree.map(np.array, regressor.variables)
    start = fit_eft(regressor, data, steps=0)
    fit = fit_eft(regressor, data, learning_rate=3e-3)
    assert np.all(fit.loss < 0.9 * start.loss)
    jax.tree.map(np.testing.assert_array_equal, regressor.variables, before)
    # The first answer is the regressor's own.
    one = jax.tree.map(lambda a: a[0], data)
    smpl, _, camera = regressor.predict(regressor.variables["params"], one)
    np.testing.assert_allclose(start.smpl.body_pose[0], smpl.body_pose, atol=1e-5)
    np.testing.assert_allclose(
        start.camera.translation[0], camera.translation, rtol=1e-5
    )


@pytest.mark.slow
def test_eft_tunes_each_person_alone(tuned):
    regressor, data = tuned
    together = fit_eft(regressor, data)
    turned = jax.tree.map(lambda a: a[np.array([2, 0, 1])], data)
    again = fit_eft(regressor, turned)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(np.asarray(a)[[2, 0, 1]], b)
    few = fit_eft(regressor, data, at_once=2)
    np.testing.assert_allclose(few.loss, together.loss, rtol=1e-4)


def test_steps_keep_the_lowest_loss():
    # Adam overshoots the minimum at 1 and comes back; the closest point is kept.
    objective = lambda x: jnp.sum((x - 1.0) ** 2)  # noqa: E731
    losses = [
        float(best_of_steps(objective, jnp.zeros(2), optax.adam(0.6), steps)[1])
        for steps in range(8)
    ]
    assert losses[0] == 2.0
    assert losses == sorted(losses, reverse=True)
    assert losses[3] == losses[4] < losses[1]
    x, loss = best_of_steps(objective, jnp.zeros(2), optax.adam(0.6), 7)
    np.testing.assert_allclose(objective(x), loss, rtol=1e-6)


def test_steps_end_where_nothing_is_finite():
    edge = lambda x: jnp.sum(jnp.where(x > 0.5, jnp.nan, -x))  # noqa: E731
    x, loss = best_of_steps(edge, jnp.zeros(1), optax.adam(0.2), 9)
    assert 0.3 < x[0] < 0.5
    np.testing.assert_allclose(loss, -x[0])
    x, loss = best_of_steps(edge, jnp.ones(1), optax.adam(0.2), 9)
    assert x[0] == 1.0
    assert np.isinf(loss)


def test_baselines_lower_for_accelerators(tiny_body, priors, people, tuned):
    _, start, view = people
    platforms = ["tpu", "cuda"]
    for prior in priors.values():
        fit = jax.jit(lambda b, p, s, v: fit_smplify(b, p, s, v))
        exported = jax.export.export(fit, platforms=platforms)(
            tiny_body, prior, start, view
        )
        assert set(exported.platforms) == set(platforms)
    exported = jax.export.export(
        jax.jit(lambda r, d: fit_eft(r, d)), platforms=platforms
    )(*tuned)
    assert set(exported.platforms) == set(platforms)
