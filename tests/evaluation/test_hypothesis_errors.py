"""Errors of many hypotheses in chunks, against loops over people and hypotheses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import skeleton
from prohmr_jax.evaluation.body_errors import mean_body
from prohmr_jax.evaluation.hypothesis_errors import People, hypothesis_errors
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.structs import Keypoints2D, Keypoints3D
from tests.support.joint_loops import loop_errors
from tests.support.keypoint_training import TINY

LIST = skeleton.EVAL_H36M_14
HYPOTHESES = 6


@pytest.fixture(scope="module")
def model():
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True, flow_dropout=0.0)
    module = build_model(spec)
    return prepare(module, init_variables(module, jax.random.key(0)))


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    return People(
        Keypoints2D(rng.normal(size=(3, 25, 2)).astype("f4"), np.ones((3, 25), "f4")),
        Keypoints3D(rng.normal(size=(3, 44, 3)).astype("f4"), np.ones((3, 44), "f4")),
    )


@pytest.fixture(scope="module")
def baseline(tiny_body):
    return mean_body(tiny_body, jnp.broadcast_to(jnp.eye(3), (23, 3, 3)))


def test_every_error_is_that_of_a_loop(model, people, tiny_body, baseline):
    keys = jax.random.split(jax.random.key(1), 3)
    measured = hypothesis_errors(
        model, tiny_body, baseline, people, keys,
        joint_set=LIST, num_hypotheses=HYPOTHESES, chunk=3, keep_joints=True,
    )  # fmt: skip
    assert measured.joints.shape == (3, HYPOTHESES, len(LIST), 3)
    one = jax.jit(predict, static_argnames="num_hypotheses")
    predicted = one(model, tiny_body, people.encoder_input, keys, num_hypotheses=1)
    mode = predicted.body.joints[:, 0]
    for person in range(3):
        truth = people.truth.xyz[person]
        of_mode = loop_errors(mode[person], truth, LIST)
        of_mean = loop_errors(baseline.joints, truth, LIST)
        # Joints that were kept are relative to the pelvis already.
        pelvis = truth[skeleton.PELVIS_44]
        true = truth[list(LIST.positions_in(skeleton.JOINTS_44))] - pelvis
        every = [loop_errors(joints, true) for joints in measured.joints[person]]
        least = np.min(every, axis=0)
        for errors, expected in (
            (measured.mode, of_mode),
            (measured.mean_pose, of_mean),
            (measured.best, least),
        ):
            actual = errors.pa_mpjpe[person], errors.mpjpe[person]
            np.testing.assert_allclose(actual, expected, rtol=1e-4)
        np.testing.assert_allclose(every[0], of_mode, rtol=1e-4)
        assert len({tuple(errors) for errors in every}) == HYPOTHESES


def test_a_chunk_divides_the_hypotheses(model, people, tiny_body, baseline):
    with pytest.raises(ValueError, match="4 does not divide 6"):
        hypothesis_errors(
            model, tiny_body, baseline, people, jax.random.split(jax.random.key(1), 3),
            joint_set=LIST, num_hypotheses=HYPOTHESES, chunk=4,
        )  # fmt: skip
