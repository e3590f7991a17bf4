"""Training on photos: terms by loops, running averages, discriminator, devices."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prohmr_jax.benchmarks.devices import devices_environment
from prohmr_jax.body import body_joints
from prohmr_jax.models.prohmr import latents
from prohmr_jax.models.spec import init_variables
from prohmr_jax.structs import LossTerms
from prohmr_jax.training import losses
from prohmr_jax.training.adversarial import discriminator_term
from prohmr_jax.training.image_model import (
    encoder_input,
    labels_of,
    make_discriminator_training,
    make_loss_function,
    whitened,
)
from prohmr_jax.training.objective import (
    Examples,
    Objective,
    ObjectiveOfModel,
    draw,
    objective_value,
    without_mode,
)
from prohmr_jax.training.supervision import supervised_terms
from prohmr_jax.training.train_state import create_train_state, make_train_step
from tests.support.image_training import (
    WEIGHTS,
    discriminator_params,
    random_batch,
    random_images,
    tiny_model,
)

OBJECTIVE = Objective(WEIGHTS)


@pytest.fixture(scope="module")
def variables():
    return init_variables(tiny_model(), jax.random.key(0))


@pytest.fixture(scope="module")
def batch():
    return random_batch(np.random.default_rng(0), 6)


@pytest.fixture(scope="module")
def evaluate(tiny_body):
    """The objective of photos, compiled once for all tests."""
    model = tiny_model(dropout_rate=0.0)

    @jax.jit
    def value(variables, images, discriminator=None):
        draws = draw(jax.random.key(3), len(images.has_pose), OBJECTIVE)
        return objective_value(
            ObjectiveOfModel(model, OBJECTIVE),
            variables,
            Examples(encoder_input(images), labels_of(images), tiny_body),
            draws,
            discriminator_params=discriminator,
        )

    return value


def l1(predicted, target, confidence):
    return sum(
        confidence[j] * np.abs(predicted[j] - target[j]).sum()
        for j in range(len(target))
    )


def energy_of_two(samples, target, confidence):
    """The energy score of two samples of every joint, summed over joints."""
    total = 0.0
    for j in range(len(target)):
        first, second = (np.asarray(sample[j]) for sample in samples)
        to_target = [np.linalg.norm(x - target[j]) for x in (first, second)]
        apart = np.linalg.norm(first - second)
        total += confidence[j] * (np.mean(to_target) - 0.5 * apart)
    return total


def test_terms_are_sums_over_joints_and_means_over_people(
    variables, batch, tiny_body, rng
):
    images, model = batch.images, tiny_model()
    z = latents(jax.random.key(0), (6,), 3)
    hypotheses = jax.jit(model.apply)(variables, encoder_input(images), z)
    actual = jax.jit(supervised_terms)(hypotheses, tiny_body, labels_of(images))
    bodies = body_joints(tiny_body, hypotheses.smpl).joints
    h, camera, truth = jax.device_get((hypotheses, hypotheses.camera, images.smpl))
    expected = dict.fromkeys(LossTerms.__dataclass_fields__, 0.0)
    for i in range(6):
        samples_2d, samples_3d = [], []
        for k in range(3):
            kind, count = ("mode", 6) if k == 0 else ("exp", 12)
            joints = np.asarray(bodies[i, k], np.float64)
            depth = 2 * 5000 / (224 * camera.scale[i] + 1e-9)
            moved = joints + [*camera.xy[i], depth]
            xy = 5000 / 224 * moved[:, :2] / moved[:, 2:]
            two, three = images.keypoints_2d, images.keypoints_3d
            smpl = jax.tree.map(lambda a, i=i, k=k: a[i, k], h.smpl)
            parts = {
                "keypoints_2d": l1(xy, two.xy[i], two.confidence[i]),
                "keypoints_3d": l1(
                    joints - joints[39],
                    three.xyz[i] - three.xyz[i, 39],
                    three.confidence[i],
                ),
                "global_orient": images.has_pose[i]
                * np.sum((smpl.global_orient - truth.global_orient[i]) ** 2),
                "body_pose": images.has_pose[i]
                * np.sum((smpl.body_pose - truth.body_pose[i]) ** 2),
                "betas": images.has_betas[i]
                * np.sum((smpl.betas - truth.betas[i]) ** 2),
            }
            for name, value in parts.items():
                expected[f"{name}_{kind}"] += value / count
            if kind == "exp":
                samples_2d.append(xy)
                samples_3d.append(joints - joints[39])
            columns = np.asarray(h.pose_6d[i, k]).reshape(24, 2, 3)
            gram = np.einsum("rai,rbi->rab", columns, columns) - np.eye(2)
            expected["orthogonal"] += np.mean(gram**2) / count
        relative = three.xyz[i] - three.xyz[i, 39]
        energy_2d = energy_of_two(samples_2d, two.xy[i], two.confidence[i])
        energy_3d = energy_of_two(samples_3d, relative, three.confidence[i])
        expected["energy_2d"] += energy_2d / 6
        expected["energy_3d"] += energy_3d / 6
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(actual, name), value, rtol=1e-4), name


def test_one_sample_leaves_the_expectation_at_zero(variables, batch, tiny_body):
    z = jnp.zeros((6, 1, 144))
    images = batch.images
    hypotheses = tiny_model().apply(variables, encoder_input(images), z)
    actual = supervised_terms(hypotheses, tiny_body, labels_of(images))
    for name in LossTerms.__dataclass_fields__:
        if name.endswith("_exp"):
            assert float(getattr(actual, name)) == 0.0
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(actual))


def test_the_likelihood_is_of_labelled_poses_alone(variables, batch, evaluate, rng):
    images = batch.images
    other = random_images(rng, 6).smpl
    unknown = images.has_pose == 0
    swap = lambda a, b: np.where(  # noqa: E731
        unknown.reshape(-1, *[1] * (a.ndim - 1)), b, a
    )
    changed = images.replace(smpl=jax.tree.map(swap, images.smpl, other))
    _, before = evaluate(variables, images)
    _, after = evaluate(variables, changed)
    assert float(before.terms.nll) == pytest.approx(float(after.terms.nll), rel=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        before.batch_stats,
        after.batch_stats,
    )


def test_running_averages_follow_draws_mode_and_likelihood(variables, batch, evaluate):
    images = batch.images
    _, aux = evaluate(variables, images)
    model = tiny_model(dropout_rate=0.0)
    draws = draw(jax.random.key(3), 6, OBJECTIVE)
    stats = variables["batch_stats"]

    def apply(stats, method):
        given = {**variables, "batch_stats": stats}
        result, updated = model.apply(given, method=method, mutable=["batch_stats"])
        return result, updated["batch_stats"]

    labels = labels_of(images)
    known = np.flatnonzero(images.has_pose)
    noisy = (labels.pose_6d + 0.005 * draws.label_noise)[known].reshape(-1, 144)
    context, stats = apply(stats, lambda m: m.encode(encoder_input(images), True))
    for z in (draws.z[:, 1:], draws.z[:, :1]):
        _, stats = apply(stats, lambda m, z=z: m.flow.sample(z, context[:, None], True))
    (log_prob, _), stats = apply(
        stats, lambda m: m.flow.log_prob(noisy, context[known], True)
    )
    assert float(aux.terms.nll) == pytest.approx(-float(np.mean(log_prob)), rel=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        aux.batch_stats,
        stats,
    )


def test_a_batch_without_labelled_poses_has_no_likelihood(variables, batch, evaluate):
    images = batch.images.replace(has_pose=np.zeros(6, np.float32))
    gradient = jax.grad(
        lambda params: evaluate({**variables, "params": params}, images)[0]
    )(variables["params"])
    _, aux = evaluate(variables, images)
    assert float(aux.terms.nll) == 0.0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    # The pass that nothing counted in left no trace in the running averages.
    name = "layers_2"
    block = aux.batch_stats["flow"][name]["transform_net"]["blocks_0"]
    mean = np.asarray(block["batch_norm_layers_0"]["mean"])
    assert np.abs(mean).max() > 0


def test_actnorms_whiten_the_labelled_poses(variables, batch):
    images = random_images(np.random.default_rng(1), 12)
    actual = whitened(tiny_model(), variables, images)
    model = tiny_model(dropout_rate=0.0)

    def first(module):
        actnorm = module.flow.layers[0]
        flat = labels_of(images).pose_6d.reshape(12, -1)
        return actnorm.forward(flat, None)[0]

    known = np.asarray(model.apply(actual, method=first))[images.has_pose > 0]
    np.testing.assert_allclose(known.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(known.std(0, ddof=1), 1.0, atol=1e-3)
    none = images.replace(has_pose=np.zeros(12, np.float32))
    same = whitened(tiny_model(), variables, none)
    jax.tree.map(np.testing.assert_array_equal, same, variables)


def make_step(optimizer, objective=OBJECTIVE, adversarial=True, **options):
    """A step on photos and its first state."""
    discriminator, params = None, None
    if adversarial:
        discriminator = make_discriminator_training(objective, optimizer)
        params = discriminator_params()
    state = create_train_state(
        init_variables(tiny_model(), jax.random.key(0)), optimizer,
        discriminator=discriminator, discriminator_params=params,
        **options,
    )  # fmt: skip
    loss_function = make_loss_function(tiny_model(), objective)
    step = make_train_step(
        loss_function, optimizer, 0, 0.9, discriminator=discriminator
    )
    return jax.jit(step), state


@pytest.fixture(scope="module")
def step_taken(batch, tiny_body):
    """State before and after a step of gradient descent, its metrics, the step."""
    step, state = make_step(optax.sgd(1.0), averaged=False)
    return (state, *step(state, (batch, tiny_body)), step)


def test_the_discriminator_learns_from_bodies_predicted_before_the_step(
    step_taken, batch, tiny_body
):
    state, after, metrics, _ = step_taken
    key = jax.random.fold_in(jax.random.key(0), state.step)
    loss_function = make_loss_function(tiny_model(), OBJECTIVE)
    _, aux = jax.jit(loss_function)(state.params, state, key, (batch, tiny_body))

    def loss(params):
        return discriminator_term(params, aux.predicted_bodies, batch.mocap)

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.discriminator_params)
    np.testing.assert_allclose(metrics.discriminator_loss, value, rtol=1e-5)
    jax.tree.map(
        lambda new, old, g: np.testing.assert_allclose(
            old - new, WEIGHTS.adversarial * g, atol=1e-6
        ),
        after.discriminator_params,
        state.discriminator_params,
        gradient,
    )
    assert after.average_params is None
    assert after.variables["params"] is after.params


def test_adversarial_losses_by_their_definition(rng):
    predicted, real = rng.normal(size=(3, 2, 25)), rng.normal(size=(6, 25))
    expected = ((predicted**2).sum() + ((real - 1) ** 2).sum()) / 6
    result = losses.discriminator_loss(predicted, real)
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    expected = [[((row - 1) ** 2).sum() for row in rows] for rows in predicted]
    np.testing.assert_allclose(losses.generator_loss(predicted), expected, rtol=1e-5)


def test_captured_bodies_that_are_no_numbers_change_nobody(
    step_taken, batch, tiny_body
):
    state, _, _, step = step_taken
    mocap = batch.mocap.replace(betas=np.full_like(batch.mocap.betas, np.nan))
    after, _ = step(state, (batch.replace(mocap=mocap), tiny_body))
    assert int(after.skipped) == 1
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)
    jax.tree.map(
        np.testing.assert_array_equal,
        after.discriminator_params,
        state.discriminator_params,
    )


@pytest.mark.slow
def test_the_objective_falls_with_gradients_accumulated_over_steps(batch, tiny_body):
    optimizer = optax.MultiSteps(optax.adam(3e-3), 2).gradient_transformation()
    step, state = make_step(optimizer)
    inputs = batch, tiny_body
    first, metrics = step(state, inputs)
    for name in ("params", "discriminator_params"):
        jax.tree.map(
            np.testing.assert_array_equal, getattr(first, name), getattr(state, name)
        )
    actual, state = [float(metrics.loss)], first
    for _ in range(40):
        state, metrics = step(state, inputs)
        actual.append(float(metrics.loss))
    assert np.mean(actual[-5:]) < 0.7 * np.mean(actual[:3])
    assert step._cache_size() == 1  # nothing was compiled again


def test_the_ablation_is_a_matter_of_weights():
    weights = without_mode(WEIGHTS)
    for name in LossTerms.__dataclass_fields__:
        kept = 0.0 if name.endswith("_mode") else getattr(WEIGHTS, name)
        assert getattr(weights, name) == kept


@pytest.mark.slow
def test_one_and_eight_devices_take_the_same_step(tmp_path, pytestconfig):
    actual = {}
    for count in (1, 8):
        file = tmp_path / f"{count}.npz"
        # Little is computed here: it pays not to optimise.
        devices = devices_environment(count, "--xla_backend_optimization_level=0")
        subprocess.run(
            [sys.executable, "-m", "tests.programs.image_training_step", file],
            env={**os.environ, **devices, "JAX_PLATFORMS": "cpu"},
            cwd=pytestconfig.rootpath,
            check=True,
        )
        with np.load(file) as arrays:
            actual[count] = dict(arrays)
        assert actual[count].pop("devices") == count
    largest = max(np.abs(v).max() for n, v in actual[1].items() if n[:6] == "params")
    for name, value in actual[8].items():
        expected = actual[1][name]
        if "loss" in name or name.startswith("terms"):
            np.testing.assert_allclose(value, expected, rtol=1e-5, err_msg=name)
        else:
            scale = np.abs(expected).max() + 1e-3 * largest
            np.testing.assert_allclose(
                value, expected, rtol=0, atol=1e-4 * scale, err_msg=name
            )
