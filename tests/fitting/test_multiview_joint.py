"""Joint fits of several views: against sums of single views, and known worlds."""

import chex
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.body import body_joints
from prohmr_jax.fitting import multiview_joint as joint
from prohmr_jax.fitting.keypoints import View, keypoint_problem
from prohmr_jax.fitting.objectives import (
    FittingModel,
    ViewsData,
    bind_keypoints,
    bind_multiview,
    decode_body,
)
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, geodesic_angle
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.solver.problem import Settings
from prohmr_jax.structs import Camera, Keypoints2D
from tests.support.fitting_cases import CONTEXT, FLOW, JOINTS, flow_weights

GROUPS, VIEWS = 2, 3
QUICK = Settings(max_steps=200)
VALID = np.array([[1, 1, 1], [1, 0, 1]], np.float32)


@pytest.fixture(scope="module")
def model(tiny_body):
    return FittingModel(prepare_flow(FLOW, flow_weights()), tiny_body)


@pytest.fixture(scope="module")
def scene(model):
    """Bodies near the first view's modes, in a world of known cameras."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    context = draw(GROUPS, 1, CONTEXT) + 0.02 * draw(GROUPS, VIEWS, CONTEXT)
    projected = project_context(model.flow, context[:, 0])
    smpl, _ = decode_body(model, 0.05 * draw(GROUPS, 144), 0 * draw(GROUPS, 10),
                          projected)  # fmt: skip
    heading = np.linspace(-0.2, 0.2, VIEWS)[:, None] * np.array([0.0, 1.0, 0.0])
    rotation = np.broadcast_to(axis_angle_to_rotmat(heading), (GROUPS, VIEWS, 3, 3))
    extrinsics = Extrinsics(
        rotation, np.float32([0, 0, 10]) + 0.2 * draw(GROUPS, VIEWS, 3)
    )
    place = np.array([[0.1, 0.2, 0.5], [-0.3, 0.0, -0.8]], np.float32)
    body = body_joints(model.body, smpl)
    shift = place - body.kinematic_joints[:, 0]
    joints = body.joints + shift[:, None]
    in_camera = np.einsum("gnij,gkj->gnki", rotation, joints)
    in_camera += extrinsics.translation[:, :, None]
    lens = Camera(
        translation=np.zeros((GROUPS, VIEWS, 3)),
        focal_length=np.full((GROUPS, VIEWS, 2), 900.0),
        center=np.full((GROUPS, VIEWS, 2), 320.0),
    )
    xy = cameras.project(jnp.asarray(in_camera), lens)
    # About where it is, and one metre nearer.
    pelvis = np.einsum("gnij,gj->gni", rotation, place) + extrinsics.translation
    start = pelvis - body.kinematic_joints[:, None, 0] - np.float32([0, 0, 1])
    start += 0.05 * draw(GROUPS, VIEWS, 3)
    view = View(
        Keypoints2D(xy, np.ones((GROUPS, VIEWS, JOINTS), np.float32)),
        lens.replace(translation=start),
        np.full((GROUPS, VIEWS), 640.0, np.float32),
    )
    betas = 0.1 * draw(GROUPS, VIEWS, 10)
    return context, betas, view, extrinsics, smpl, joints


def garbled(valid, tree):
    """The same with NaN in padded views."""
    pad = lambda a: np.where(  # noqa: E731
        valid.reshape(valid.shape + (1,) * (np.ndim(a) - 2)) > 0, a, np.nan
    ).astype(np.float32)
    return jax.tree.map(pad, tree)


def test_objective_is_that_of_single_views_and_of_agreement(rng, model, scene):
    context, betas, view, _, _, _ = scene
    start, data = joint.joint_problem(model, context, betas, view, VALID)
    np.testing.assert_allclose(start.betas[0], betas[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(start.betas[1], betas[1, [0, 2]].mean(0), rtol=1e-5)
    z = (0.5 * rng.normal(size=start.z.shape) * VALID[..., None]).astype(np.float32)
    params = start.replace(z=z)
    ours = jax.jit(jax.vmap(joint.bind_joint(model)))(params, data)
    for group, seen in ((0, [0, 1, 2]), (1, [0, 2])):
        pick = lambda tree, g=group, s=seen: jax.tree.map(  # noqa: E731
            lambda a: np.asarray(a)[g][s], tree
        )
        shape = np.tile(start.betas[group], (len(seen), 1))
        alone, known = keypoint_problem(model, pick(context), shape, pick(view))
        alone = alone.replace(z=z[group, seen])
        single = jax.jit(jax.vmap(bind_keypoints(model)))(alone, known)
        repeated = 36.0 * (len(seen) - 1) * np.sum(start.betas[group] ** 2)
        views = jax.tree.map(lambda a, g=group: a[g], data)
        fused = bind_multiview(model.flow)(
            z[group], ViewsData(views.views.context, views.valid)
        )
        agreement = fused - np.sum(z[group] ** 2)
        expected = np.sum(single) - repeated + agreement
        np.testing.assert_allclose(ours[group], expected, rtol=1e-5)


def test_the_world_is_found_where_cameras_are_known(model, scene):
    context, betas, view, extrinsics, smpl, joints = scene
    fit = joint.fit_calibrated(model, context, betas, view, extrinsics, settings=QUICK)
    start, data = joint.joint_problem(model, context, betas, view, None, extrinsics)
    smpl_before, before = joint.world_body(model, start, data)
    error = lambda body: np.linalg.norm(body.joints - joints, axis=-1).mean()  # noqa: E731
    assert error(fit.body) < 0.15
    assert error(fit.body) < 0.3 * error(before)
    angle = lambda s: np.rad2deg(geodesic_angle(s.global_orient, smpl.global_orient))  # noqa: E731
    assert np.all(angle(fit.smpl) < 0.3 * angle(smpl_before))
    # One of the two reaches the truth; rounding leads the other to a minimum beside it.
    assert np.min(angle(fit.smpl)) < 2.0
    assert np.all(np.isfinite(fit.minimum.loss))


def test_unknown_cameras_share_body_and_shape_only(model, scene):
    context, betas, view, _, _, _ = scene
    fit = joint.fit_uncalibrated(model, context, betas, view, VALID, settings=QUICK)
    pose = np.asarray(fit.smpl.body_pose)
    apart = geodesic_angle(pose[:, 0], pose[:, 2])
    assert np.rad2deg(apart).max() < 1.0
    np.testing.assert_array_equal(fit.smpl.betas[:, 0], fit.smpl.betas[:, 2])
    xy = cameras.project(fit.body.joints, fit.camera)
    residual = np.linalg.norm(xy - view.keypoints.xy, axis=-1)
    assert np.median(residual[VALID > 0]) < 2.0


@pytest.mark.parametrize("known", [False, True])
def test_padded_views_change_nothing(model, scene, known):
    context, betas, view, extrinsics, _, _ = scene
    extrinsics = extrinsics if known else None
    problem = (context, betas, view, extrinsics)

    def solve(context, betas, view, extrinsics):
        if known:
            return joint.fit_calibrated(
                model, context, betas, view, extrinsics, VALID, settings=QUICK
            ).minimum
        return joint.fit_uncalibrated(
            model, context, betas, view, VALID, settings=QUICK
        ).minimum

    padded = solve(*problem)
    chex.assert_trees_all_equal(solve(*garbled(VALID, problem)), padded)
    np.testing.assert_array_equal(padded.params.z[VALID == 0], 0.0)


def test_lowers_for_accelerators(model, scene):
    context, betas, view, extrinsics, _, _ = scene
    arguments = (model, context, betas, view, extrinsics)
    platforms = ["tpu", "cuda"]
    for fit in (
        lambda *a: joint.fit_calibrated(*a),
        lambda m, c, b, v, _: joint.fit_uncalibrated(m, c, b, v),
    ):
        exported = jax.export.export(jax.jit(fit), platforms=platforms)(*arguments)
        assert set(exported.platforms) == set(platforms)
