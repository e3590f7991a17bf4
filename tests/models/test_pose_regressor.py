"""The deterministic twin: one answer, trained and predicted by what ProHMR is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.regression_keypoints import get_config
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import POSE_FEATURES, decode, encode, prepare
from prohmr_jax.models.spec import build_model, init_variables
from prohmr_jax.modes.train_keypoints import run as train
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.weight_files import load_weights
from tests.support.keypoint_training import REGRESSOR, tiny_config


@pytest.fixture(scope="module")
def twin():
    model = build_model(REGRESSOR)
    return prepare(model, init_variables(model, jax.random.key(0)))


def test_it_starts_close_to_the_rest_pose(twin):
    context = encode(twin, twin.module.encoder.example_input())
    hypotheses = decode(twin, context, jnp.zeros((1, 1, POSE_FEATURES)))
    rest = np.broadcast_to(np.eye(3), (1, 1, 23, 3, 3))
    np.testing.assert_allclose(hypotheses.smpl.body_pose, rest, atol=0.05)


def test_all_hypotheses_are_its_one_answer(rng, twin, tiny_body):
    keypoints = Keypoints2D(rng.normal(size=(2, 25, 2)), np.ones((2, 25)))
    prediction = predict(twin, tiny_body, keypoints, jax.random.key(0), 3)
    joints = np.asarray(prediction.body.joints)
    assert np.ptp(joints, axis=1).max() < 1e-5
    assert np.abs(joints[0] - joints[1]).max() > 1e-4
    np.testing.assert_array_equal(prediction.hypotheses.log_prob, 0.0)


@pytest.mark.slow
def test_the_same_procedure_trains_it(tmp_path):
    config = get_config()
    config.update(tiny_config().to_dict() | {"loss_weights": config.loss_weights})
    config.update(num_samples=0)
    config.model.deterministic = True
    weights = train(config.lock(), tmp_path)
    spec, variables = load_weights(weights)
    assert spec.deterministic
    assert "flow" not in variables["params"]
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(variables))
