"""Fits to detections of the measured detector: its joints, and weights from scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.fitting.detector_terms import (
    error_scale,
    joints_as_detected,
    weighted_by_score,
)
from prohmr_jax.fitting.keypoints import crop_view, keypoint_problem
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointParams,
    decode_body,
    keypoint_objective,
)
from prohmr_jax.geometry import cameras
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.priors.detector_errors import detector_joints, load_detector_errors
from prohmr_jax.skeleton import BODY_25, COCO_17, JOINTS_44
from prohmr_jax.structs import Keypoints2D, WeakCamera
from tests.support.fitting_cases import CONTEXT, FLOW, flow_weights

PEOPLE = 2
COCO = np.array(COCO_17.positions_in(JOINTS_44))


@pytest.fixture(scope="module")
def detector():
    return load_detector_errors()


@pytest.fixture(scope="module")
def model(tiny_body, detector):
    return FittingModel(prepare_flow(FLOW, flow_weights()), tiny_body, detector)


@pytest.fixture(scope="module")
def case(model):
    """Contexts, weak cameras, and detections of bodies with latents of the flow."""
    rng = np.random.default_rng(0)
    context = rng.normal(size=(PEOPLE, CONTEXT)).astype(np.float32)
    weak = WeakCamera(np.full(PEOPLE, 0.7, np.float32), np.zeros((PEOPLE, 2), "f4"))
    z = (0.5 * rng.normal(size=(PEOPLE, 144))).astype(np.float32)
    betas = np.zeros((PEOPLE, 10), np.float32)
    projected = project_context(model.flow, context)
    smpl, body = jax.jit(decode_body)(model, z, betas, projected)
    joints = jax.jit(joints_as_detected)(model.detector, body, smpl.rotmats)
    xy = np.array(cameras.project(joints, cameras.crop_camera(weak)))
    detections = Keypoints2D(xy, np.full(xy.shape[:-1], 0.7, np.float32))
    return context, weak, z, betas, detections, (smpl, body, joints)


def test_the_joints_of_coco_are_those_of_the_detector(case, detector):
    smpl, body, joints = case[-1]
    moved = jax.jit(detector_joints)(detector, body, smpl.rotmats)
    np.testing.assert_allclose(joints[:, COCO], moved, atol=1e-6)
    others = np.setdiff1d(np.arange(len(JOINTS_44)), COCO)
    np.testing.assert_array_equal(joints[:, others], body.joints[:, others])


def test_better_scores_have_more_weight_and_repeated_joints_none(detector):
    scores = jnp.tile(jnp.linspace(0.12, 0.99, 30)[:, None], (1, 17))
    scale = np.asarray(error_scale(detector, scores))
    # From the worst to the best scores every error falls by more than a third.
    assert (scale[-1] < scale[0] / 1.5).all()
    confidence = jnp.tile(scores[:, :1], (1, len(JOINTS_44)))
    keypoints = Keypoints2D(jnp.zeros((30, len(JOINTS_44), 2)), confidence)
    weight = np.asarray(weighted_by_score(detector, keypoints).confidence)
    assert ((weight >= 0) & (weight <= 1)).all()
    assert (weight[-1, COCO] > weight[0, COCO]).all()
    assert not weight[:, list(BODY_25.indices("neck", "mid_hip"))].any()
    precision = weight[:, COCO] ** 2 * scale**2
    whole = weight[:, COCO] < 1
    np.testing.assert_allclose(precision[whole], precision[whole][0], rtol=1e-4)


def test_joints_with_scores_that_do_not_count_have_no_weight(detector):
    confidence = jnp.full((1, len(JOINTS_44)), 0.1)
    keypoints = Keypoints2D(jnp.zeros((1, len(JOINTS_44), 2)), confidence)
    assert not np.asarray(weighted_by_score(detector, keypoints).confidence).any()


def test_a_body_at_its_detections_has_no_data_term(model, case):
    context, weak, z, betas, detections, _ = case
    view = crop_view(detections, weak)
    start, data = keypoint_problem(model, context, betas, view)
    params = KeypointParams(z, betas, start.translation)
    objective = jax.jit(jax.vmap(keypoint_objective, in_axes=(None, 0, 0)))
    prior = 16.0 * np.sum(z**2, axis=-1)
    np.testing.assert_allclose(objective(model, params, data), prior, rtol=1e-3)
    # The body's own joints are elsewhere.
    plain = model.replace(detector=None)
    assert (objective(plain, params, data) > prior + 10.0).all()
