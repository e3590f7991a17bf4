"""Linear readings of the context: what they cost, and whom they teach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.readout import Reading, Readout
from prohmr_jax.models.spec import init_variables
from prohmr_jax.skeleton import PELVIS_44
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.image_model import encoder_input, labels_of
from prohmr_jax.training.objective import (
    Examples,
    Objective,
    ObjectiveOfModel,
    draw,
    objective_value,
)
from prohmr_jax.training.readout_loss import readout_loss
from tests.support.image_training import WEIGHTS, random_images, tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(dropout_rate=0.0).clone(readout=Readout())


@pytest.fixture(scope="module")
def images():
    return random_images(np.random.default_rng(0), 6)


def test_the_truth_costs_nothing_and_the_rest_is_weighted_by_what_is_known(rng, images):
    labels = labels_of(images)
    root = labels.smpl.global_orient[:, None]
    truth = Reading(
        labels.keypoints_2d.xy,
        labels.keypoints_3d.xyz + 2.0,  # any origin
        np.concatenate([root, labels.smpl.body_pose], axis=1),
    )
    np.testing.assert_allclose(readout_loss(truth, labels), 0.0, atol=1e-4)

    off = jax.tree.map(lambda a: a + rng.normal(size=a.shape).astype(np.float32), truth)
    actual = readout_loss(off, labels)
    for n in range(len(actual)):
        error_2d = off.joints_2d[n] - truth.joints_2d[n]
        error_3d = off.joints[n] - truth.joints[n]
        error_3d = error_3d - error_3d[PELVIS_44]
        squares = np.sum((off.rotmats[n] - truth.rotmats[n]) ** 2, axis=(1, 2))
        expected = 0.1 * labels.mode_confidence_2d[n] @ np.abs(error_2d).sum(axis=1)
        expected += 0.04 * labels.keypoints_3d.confidence[n] @ np.abs(error_3d).sum(1)
        expected += labels.has_pose[n] * (0.3 * squares[0] + 0.05 * squares[1:].sum())
        np.testing.assert_allclose(actual[n], expected, rtol=1e-4)


def gradients(model, images, body, weights):
    """The gradient as a function of the share; compiled once for all shares."""
    objective = Objective(weights)
    variables = init_variables(model, jax.random.key(0))
    # From zero, a linear layer hands nothing on.
    variables["params"]["readout"] = jax.tree.map(
        lambda a: jnp.full(a.shape, 0.01), variables["params"]["readout"]
    )

    def loss(params, share):
        draws = draw(jax.random.key(3), len(images.has_pose), objective)
        examples = Examples(encoder_input(images), labels_of(images), body)
        task = ObjectiveOfModel(model, objective)
        given = {**variables, "params": params}
        return objective_value(task, given, examples, draws, encoder_share=share)[0]

    gradient = jax.jit(jax.grad(loss))
    return lambda share: gradient(variables["params"], share)


def test_alone_it_teaches_the_encoder_and_nothing_else(model, images, tiny_body):
    weights = WEIGHTS.replace(readout=1.0)
    gradient = gradients(model, images, tiny_body, weights)
    alone, shared = gradient(0.0), gradient(1.0)
    only = gradients(model, images, tiny_body, LossTerms(readout=1.0))(1.0)
    for part in ("flow", "head", "readout"):
        both = map(jax.tree.leaves, (alone[part], shared[part]))
        for a, b in zip(*both, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())
    norm = lambda tree: np.sqrt(sum(np.sum(a**2) for a in jax.tree.leaves(tree)))  # noqa: E731
    difference = lambda a, b: norm(jax.tree.map(np.subtract, a, b)) / norm(b)  # noqa: E731
    assert norm(only["encoder"]) > 0
    assert difference(alone["encoder"], only["encoder"]) < 1e-4
    assert difference(shared["encoder"], only["encoder"]) > 1e-3


def test_a_model_without_it_is_the_papers(model):
    bare = init_variables(tiny_model(), jax.random.key(0))["params"]
    with_it = init_variables(model, jax.random.key(0))["params"]
    assert set(with_it) - set(bare) == {"readout"}
    assert ProHMR.readout is None


@pytest.mark.slow
def test_an_encoder_alone_learns_as_it_would_beside_the_rest(model, images, tiny_body):
    variables = init_variables(model, jax.random.key(0))
    variables["params"]["readout"] = jax.tree.map(
        lambda a: jnp.full(a.shape, 0.01), variables["params"]["readout"]
    )
    alone = Objective(LossTerms(readout=2.0))
    beside = Objective(LossTerms(readout=2.0, betas_mode=1e-30))
    assert alone.readout_alone
    assert not beside.readout_alone
    assert not Objective(LossTerms(nll=1.0)).readout_alone

    def value(params, objective):
        draws = draw(jax.random.key(3), len(images.has_pose), objective)
        given = {**variables, "params": params}
        examples = Examples(encoder_input(images), labels_of(images), tiny_body)
        task = ObjectiveOfModel(model, objective)
        return objective_value(task, given, examples, draws)

    actual = [
        jax.value_and_grad(value, has_aux=True)(variables["params"], objective)
        for objective in (alone, beside)
    ]
    (loss, aux), gradient = actual[0]
    (whole_loss, whole), whole_gradient = actual[1]
    np.testing.assert_allclose(loss, whole_loss, rtol=1e-6)
    np.testing.assert_allclose(aux.terms.readout, whole.terms.readout, rtol=1e-6)
    for part in ("encoder", "readout"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
            gradient[part],
            whole_gradient[part],
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        aux.batch_stats["encoder"],
        whole.batch_stats["encoder"],
    )
    assert aux.predicted_bodies is None
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["flow"]))
