"""Fits of a tiny model: objectives against float64 loops, laws, and small fits."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.body import body_joints
from prohmr_jax.fitting import keypoints as fitting
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointParams,
    ViewsData,
    bind_keypoints,
    bind_multiview,
    decode_body,
    gmof,
)
from prohmr_jax.geometry import cameras
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Reason, Settings
from prohmr_jax.structs import Box, Keypoints2D, SmplParams, WeakCamera
from tests.support.fitting_cases import (
    CONTEXT,
    FLOW,
    JOINTS,
    flow_weights,
    trained_rotmats,
)

PEOPLE = 3
QUICK = Settings(max_steps=150)


@pytest.fixture(scope="module")
def model(tiny_body):
    return FittingModel(prepare_flow(FLOW, flow_weights()), tiny_body)


@pytest.fixture
def people(rng):
    """Contexts, betas, and weak cameras of crops."""
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    weak = WeakCamera(0.7 + 0.05 * draw(PEOPLE), 0.05 * draw(PEOPLE, 2))
    return draw(PEOPLE, CONTEXT), 0.3 * draw(PEOPLE, 10), weak


def targets(rng, model, context, weak, spread=0.5):
    """Latents, and where their bodies' joints appear in the crop."""
    z = (spread * rng.normal(size=(len(context), 144))).astype(np.float32)
    betas = np.zeros((len(context), 10), np.float32)
    _, body = decode_body(model, z, betas, project_context(model.flow, context))
    xy = np.array(cameras.project(body.joints, cameras.crop_camera(weak)))
    return z, Keypoints2D(xy, np.ones(xy.shape[:-1], np.float32))


def reprojection_px(fit, view):
    placed = cameras.project(fit.body.joints, fit.camera)
    return np.linalg.norm(placed - view.keypoints.xy, axis=-1)


def reference_objective(joints, params, keypoints, camera, side):
    """Eq. 11 of one person, joint by joint, float64."""
    joints, translation = np.float64(joints), np.float64(params.translation)
    total = 0.0
    for joint, xy, confidence in zip(
        joints, keypoints.xy, np.float64(keypoints.confidence), strict=True
    ):
        x, y, z = joint + translation
        for axis, value in enumerate((x, y)):
            pixel = camera.focal_length[axis] * value / z + camera.center[axis]
            squared = (pixel - np.float64(xy[axis])) ** 2
            robust = 100.0**2 * squared / (100.0**2 + squared)
            total += (1000.0 / side) ** 2 * confidence**2 * robust
    total += 16.0 * sum(np.float64(v) ** 2 for v in params.z)
    return total + 36.0 * sum(np.float64(v) ** 2 for v in params.betas)


@pytest.mark.parametrize("use_hips", [False, True])
@pytest.mark.parametrize("frame", ["crop", "image"])
def test_keypoint_objective_is_the_sum_over_joints(rng, model, people, frame, use_hips):
    context, betas, weak = people
    confidence = rng.uniform(size=(PEOPLE, JOINTS)).astype(np.float32)
    xy = rng.normal(size=(PEOPLE, JOINTS, 2)).astype(np.float32) * 0.3
    size = np.array([[640, 480], [300, 900], [50, 40]], np.float32)
    if frame == "crop":
        view = fitting.crop_view(Keypoints2D(xy, confidence), weak)
        side = [224.0] * PEOPLE
    else:
        box = Box(size / 3, size[:, 0] / 2)
        keypoints = Keypoints2D(xy * size[:, None], confidence)
        view = fitting.image_view(keypoints, weak, box, size, 800.0)
        side = size.max(axis=1)
    start, data = fitting.keypoint_problem(model, context, betas, view, use_hips)
    np.testing.assert_array_equal(start.z, 0.0)
    params = start.replace(z=rng.normal(size=(PEOPLE, 144)).astype(np.float32))
    ours = jax.jit(jax.vmap(bind_keypoints(model)))(params, data)
    rotmats = trained_rotmats(params.z, context)
    smpl = SmplParams.from_rotmats(rotmats, betas)
    joints = body_joints(model.body, smpl).joints
    if not use_hips:
        for name in ("mid_hip", "left_hip", "right_hip", "left_hip_extra",
                     "right_hip_extra", "pelvis_mpii"):  # fmt: skip
            confidence[:, skeleton.JOINTS_44.index(name)] = 0.0
    for i, loss in enumerate(ours):
        one = jax.tree.map(lambda a, i=i: np.float64(a[i]), (params, view))
        keypoints = Keypoints2D(one[1].keypoints.xy, confidence[i])
        expected = reference_objective(
            joints[i], one[0], keypoints, one[1].camera, side[i]
        )
        np.testing.assert_allclose(loss, expected, rtol=2e-5)


def test_multiview_objective_is_the_sum_over_pairs(rng, model):
    views = 4
    context = rng.normal(size=(views, CONTEXT)).astype(np.float32)
    z = rng.normal(size=(views, 144)).astype(np.float32)
    data = ViewsData(project_context(model.flow, context), np.ones(views, np.float32))
    ours = jax.jit(bind_multiview(model.flow))(z, data)
    body_pose = np.float64(trained_rotmats(z, context))[:, 1:]
    # The squared distances to the mean are those of all pairs, over their number.
    pairs = sum(np.sum((a - b) ** 2) for a in body_pose for b in body_pose)
    expected = 300.0**2 * pairs / (2 * views) + np.sum(np.float64(z) ** 2)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_gmof_is_square_near_zero_and_bounded_far_away():
    x = np.array([-1e3, -2.0, 0.0, 0.5, 50.0, 1e6])
    expected = [1e4 * v * v / (1e4 + v * v) for v in x]
    np.testing.assert_allclose(gmof(x), expected, rtol=1e-6)
    assert np.all(gmof(x) <= 1e4)


def test_a_fit_finds_the_projection_of_a_known_latent(rng, model, people):
    context, _, weak = people
    _, keypoints = targets(rng, model, context, weak)
    view = fitting.crop_view(keypoints, weak)
    betas = np.zeros((PEOPLE, 10), np.float32)
    start, data = fitting.keypoint_problem(model, context, betas, view, True)
    _, body = decode_body(model, start.z, betas, data.context)
    before = np.linalg.norm(
        cameras.project(body.joints, view.camera) - view.keypoints.xy, axis=-1
    )
    fit = fitting.fit_keypoints(model, context, betas, view, True, QUICK)
    after = reprojection_px(fit, view)
    assert np.all(before.mean(axis=1) > 4.0)
    assert np.all(after.mean(axis=1) < 0.35 * before.mean(axis=1))
    losses = jax.vmap(bind_keypoints(model))(start, data)
    assert np.all(fit.minimum.loss < 0.3 * losses)
    assert Reason.NON_FINITE not in fit.minimum.reason


def test_the_true_focal_length_moves_the_body_in_depth(rng, model, people):
    context, betas, weak = people
    _, keypoints = targets(rng, model, context, weak)
    size = np.full((PEOPLE, 2), 448.0, np.float32)
    box = Box(size / 2, np.full(PEOPLE, 224.0, np.float32))
    in_image = keypoints.replace(xy=cameras.crop_to_image(keypoints.xy, box))
    depths = {}
    for focal in (5000.0, 1250.0):
        view = fitting.image_view(in_image, weak, box, size, focal)
        fit = fitting.fit_keypoints(model, context, betas, view, settings=QUICK)
        assert np.all(np.median(reprojection_px(fit, view), axis=1) < 20.0)
        depths[focal] = fit.camera.translation[:, 2]
    np.testing.assert_allclose(depths[5000.0] / depths[1250.0], 4.0, rtol=0.1)


def test_joints_without_confidence_are_not_read(rng, model, people):
    context, betas, weak = people
    _, keypoints = targets(rng, model, context, weak)
    keypoints.confidence[:, 20:] = 0.0
    fit = functools.partial(fitting.fit_keypoints, model, context, betas)
    seen = fit(fitting.crop_view(keypoints, weak), settings=QUICK)
    keypoints.xy[:, 20:] = np.nan
    chex.assert_trees_all_equal(
        fit(fitting.crop_view(keypoints, weak), settings=QUICK), seen
    )


def test_without_any_keypoint_the_mode_of_mean_shape_remains(model, people):
    context, betas, weak = people
    nothing = Keypoints2D(np.zeros((PEOPLE, 25, 2)), np.zeros((PEOPLE, 25)))
    view = fitting.crop_view(fitting.body_25_as_44(nothing), weak)
    fit = fitting.fit_keypoints(model, context, betas, view, settings=QUICK)
    np.testing.assert_allclose(fit.z, 0.0, atol=1e-4)
    np.testing.assert_allclose(fit.smpl.betas, 0.0, atol=1e-4)
    np.testing.assert_array_equal(fit.camera.translation, view.camera.translation)
    assert np.all(np.isfinite(fit.body.joints))


def test_body_25_is_the_first_part_of_44(rng):
    given = Keypoints2D(rng.normal(size=(2, 25, 2)), rng.uniform(size=(2, 25)))
    wide = fitting.body_25_as_44(given)
    assert wide.xy.shape == (2, JOINTS, 2)
    np.testing.assert_allclose(wide.xy[:, :25], given.xy, rtol=1e-6)
    np.testing.assert_allclose(wide.confidence[:, :25], given.confidence, rtol=1e-6)
    np.testing.assert_array_equal(wide.confidence[:, 25:], 0.0)


def test_a_person_is_fitted_alike_in_any_company_and_in_slots(rng, model, people):
    context, betas, weak = people
    _, keypoints = targets(rng, model, context, weak)
    view = fitting.crop_view(keypoints, weak)
    fit = functools.partial(fitting.fit_keypoints, model, settings=QUICK)
    together = fit(context, betas, view)
    order = np.array([2, 0, 1])
    turned = fit(*jax.tree.map(lambda a: np.asarray(a)[order], (context, betas, view)))
    chex.assert_trees_all_equal(
        turned, jax.tree.map(lambda a: np.asarray(a)[order], together)
    )
    slots = fit(context, betas, view, slots=2)
    np.testing.assert_allclose(slots.minimum.loss, together.minimum.loss, rtol=1e-2)


def test_views_come_to_agree(rng, model):
    context = rng.normal(size=(2, 4, CONTEXT)).astype(np.float32)
    betas = rng.normal(size=(2, 4, 10)).astype(np.float32)
    fusion = fuse_views(model, context, betas)

    def spread(body_pose):
        return np.sum(np.var(body_pose, axis=1), axis=(1, 2, 3))

    modes = trained_rotmats(np.zeros((8, 144), np.float32), context.reshape(8, -1))
    before = spread(np.reshape(modes, (2, 4, 24, 3, 3))[:, :, 1:])
    assert np.all(spread(fusion.smpl.body_pose) < 1e-3 * before)
    mean = betas.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        fusion.smpl.betas, np.broadcast_to(mean, betas.shape), atol=1e-6
    )
    assert fusion.body.joints.shape == (2, 4, JOINTS, 3)


def test_padded_views_do_not_count(rng, model):
    context = rng.normal(size=(2, 4, CONTEXT)).astype(np.float32)
    betas = rng.normal(size=(2, 4, 10)).astype(np.float32)
    valid = np.array([[1, 1, 1, 0], [1, 0, 1, 0]], np.float32)
    padded = fuse_views(model, context, betas, valid)
    np.testing.assert_array_equal(padded.z[valid == 0], 0.0)
    mean = betas[0, :3].mean(axis=0)
    np.testing.assert_allclose(padded.smpl.betas[0, 0], mean, atol=1e-6)
    # The objective of the three views alone.
    data = ViewsData(project_context(model.flow, context[0, :3]), np.ones(3))
    alone = jax.jit(bind_multiview(model.flow))(padded.z[0, :3], data)
    np.testing.assert_allclose(padded.minimum.loss[0], alone, rtol=1e-4)
    context[valid == 0], betas[valid == 0] = 7.0, np.nan
    again = fuse_views(model, context, betas, valid)
    chex.assert_trees_all_equal(again.minimum, padded.minimum)


def test_no_mesh_and_no_gradient_of_weights_is_computed(model, people):
    context, betas, weak = people
    nothing = Keypoints2D(np.zeros((PEOPLE, JOINTS, 2)), np.zeros((PEOPLE, JOINTS)))
    start, data = fitting.keypoint_problem(
        model, context, betas, fitting.crop_view(nothing, weak)
    )
    one = jax.tree.map(lambda a: a[0], (start, data))
    gradient = lambda model, *one: jax.grad(bind_keypoints(model))(*one)  # noqa: E731
    shapes = set(computed(jax.make_jaxpr(gradient)(model, *one).jaxpr))
    sizes = {size for shape in shapes for size in shape}
    assert model.body.landmarks.template.shape[-1] in sizes
    assert model.body.num_vertices not in sizes
    assert model.flow.steps[0].blocks[0].first.shape not in shapes


def computed(jaxpr):
    """Shapes of everything that a function computes."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        for inner in equation.params.values():
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from computed(inner)


def test_compiles_once(rng, model, people, monkeypatch):
    context, betas, weak = people
    traced = chex.assert_max_traces(bind_keypoints(model).func, n=1)
    objective = jax.tree_util.Partial(traced, model)
    monkeypatch.setattr(fitting, "bind_keypoints", lambda _: objective)
    for _ in range(2):
        _, keypoints = targets(rng, model, context, weak)
        view = fitting.crop_view(keypoints, weak)
        fitting.fit_keypoints(model, context, betas, view, settings=QUICK)


def test_lowers_for_accelerators(model, people):
    context, betas, weak = people
    nothing = Keypoints2D(np.zeros((PEOPLE, JOINTS, 2)), np.zeros((PEOPLE, JOINTS)))
    view = fitting.crop_view(nothing, weak)

    def fit(model, context, betas, view):
        return fitting.fit_keypoints(model, context, betas, view)

    def fuse(model, context, betas):
        return fuse_views(model, context[None], betas[None])

    for function, arguments in ((fit, (view,)), (fuse, ())):
        exported = jax.export.export(jax.jit(function), platforms=["tpu", "cuda"])(
            model, context, betas, *arguments
        )
        assert exported.platforms == ("tpu", "cuda")


def test_parameters_that_explode_end_with_a_reason(model, people):
    context, betas, weak = people
    keypoints = Keypoints2D(np.zeros((PEOPLE, JOINTS, 2)), np.ones((PEOPLE, JOINTS)))
    view = fitting.crop_view(keypoints, weak)
    start, data = fitting.keypoint_problem(model, context, betas, view)
    bad = start.replace(betas=start.betas.at[0].set(jnp.nan))
    minimum = minimise_batch(bind_keypoints(model), bad, data, QUICK)
    assert minimum.reason[0] == Reason.NON_FINITE
    assert isinstance(minimum.params, KeypointParams)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(minimum.params))
