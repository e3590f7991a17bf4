"""Where fits of people in crops start, for models of photos and of keypoints."""

import jax
import numpy as np
import pytest

from prohmr_jax.evaluation.fit_methods import FittedModels, crop_starts
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import box_from_keypoints
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.skeleton import BODY_25, JOINTS_44
from prohmr_jax.structs import Keypoints2D
from tests.support.keypoint_training import REGRESSOR, TINY

PEOPLE = 3


@pytest.fixture(scope="module")
def models(tiny_body):
    parts = []
    for spec in (ModelSpec(**TINY, flow_batch_norm=False), REGRESSOR):
        module = build_model(spec)
        parts.append(prepare(module, init_variables(module, jax.random.key(0))))
    return FittedModels(*parts, tiny_body, None, None, None)


def test_views_show_what_was_predicted_and_seen(models):
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 400, (PEOPLE, 44, 2)).astype(np.float32)
    keypoints = Keypoints2D(xy, rng.uniform(0.3, 1.0, (PEOPLE, 44)).astype(np.float32))
    rows = np.array(BODY_25.positions_in(JOINTS_44))
    seen = jax.tree.map(lambda a: a[:, rows], keypoints)
    starts = crop_starts(models, seen, keypoints, 0.25)
    box = box_from_keypoints(seen)
    size = np.asarray(box.size)[:, None, None]
    expected = 224 * (xy - np.asarray(box.center)[:, None]) / size + 112
    for prediction, view in (
        (starts.prohmr, starts.prohmr_view),
        (starts.regression, starts.regression_view),
    ):
        np.testing.assert_allclose(view.keypoints.xy, expected, rtol=1e-4, atol=1e-2)
        weights = np.square(view.keypoints.confidence)
        np.testing.assert_allclose(weights, 0.25 * keypoints.confidence**2, rtol=1e-5)
        joints = prediction.body.joints[:, 0]
        projected = cameras.project(joints, view.camera)
        shown = 224 * prediction.joints_2d[:, 0] + 112
        np.testing.assert_allclose(projected, shown, rtol=1e-3, atol=1e-2)
        assert view.image_side == pytest.approx(224)
    np.testing.assert_allclose(starts.box.center, 112)
    np.testing.assert_allclose(starts.box.size, 224)
    without = crop_starts(models.replace(regression=None), seen, keypoints)
    assert without.regression is None
