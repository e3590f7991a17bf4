"""Training as a whole, at tiny size: learning, resuming, devices, bad steps."""

import shutil
import subprocess
import sys

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prohmr_jax.benchmarks.devices import devices_environment
from prohmr_jax.errors import InputError
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.modes.train_keypoints import lifting_inputs, lifting_optimizer
from prohmr_jax.modes.train_keypoints import run as train
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthetic.keypoint_pairs import KeypointPairSettings
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.keypoint_model import PairMaker, make_loss_function
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.train_state import LossAux, create_train_state, make_train_step
from prohmr_jax.weights.weight_files import load_weights, save_weights
from tests.support.keypoint_training import TINY, tiny_config


@pytest.mark.slow
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    train(tiny_config(), tmp_path / "whole")
    # Killed after step 2: what remains is the state saved there.
    half = tmp_path / "half"
    shutil.copytree(tmp_path / "whole", half)
    shutil.rmtree(half / "states" / "4")
    (half / "weights.npz").unlink()
    train(tiny_config(), half)
    _, whole = load_weights(tmp_path / "whole")
    _, resumed = load_weights(half)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_training_goes_on_from_the_weights_of_the_config(tmp_path):
    first = train(tiny_config(), tmp_path / "first")
    config = tiny_config(num_steps=2)
    config.weights = str(first)
    config.learning_rate = config.weight_decay = 0.0
    second = train(config, tmp_path / "second")
    (_, before), (_, after) = map(load_weights, (first, second))
    # Half precision on disk, and steps of length 0.
    jax.tree.map(np.testing.assert_array_equal, after["params"], before["params"])
    # A run that is resumed goes on from its own state, and reads no weights.
    config.weights, config.num_steps = str(tmp_path / "none.npz"), 3
    train(config, tmp_path / "second")


def test_weights_of_other_sizes_are_refused_in_one_line(tmp_path):
    other = ModelSpec(**{**TINY, "encoder_width": 24}, flow_batch_norm=False)
    variables = init_variables(build_model(other), jax.random.key(0))
    save_weights(tmp_path / "other.npz", other, variables)
    config = tiny_config()
    config.weights = str(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"other\.npz: its model has other sizes"):
        train(config, tmp_path / "run")


@pytest.mark.slow
def test_energy_scores_count_from_two_samples_on():
    config = tiny_config()
    model = build_model(ModelSpec(**config.model))
    maker = PairMaker(4, 0.0, KeypointPairSettings())
    weights = LossTerms(energy_3d=1.0, energy_2d=1.0)
    variables = init_variables(model, jax.random.key(0))
    state = create_train_state(variables, optax.sgd(1.0))
    inputs = lifting_inputs(config)
    for samples in (1, 3):
        objective = Objective(weights, num_hypotheses=1 + samples)
        loss_function = jax.jit(make_loss_function(model, maker, objective))
        loss, aux = loss_function(state.params, state, jax.random.key(1), inputs)
        energy = float(aux.terms.energy_3d), float(aux.terms.energy_2d)
        assert float(loss) == pytest.approx(sum(energy))
        assert all(energy) == (samples > 1)


def test_objective_falls():
    config = tiny_config()
    model = build_model(ModelSpec(**config.model))
    maker = PairMaker(16, 0.0, KeypointPairSettings(**config.synthesis))
    objective = Objective(weights=LossTerms(**config.loss_weights))
    loss_function = make_loss_function(model, maker, objective)
    config = config.copy_and_resolve_references()
    config.num_steps = 60
    optimizer = lifting_optimizer(config)
    state = create_train_state(init_variables(model, jax.random.key(0)), optimizer)
    step = jax.jit(make_train_step(loss_function, optimizer, 0, 0.99))
    inputs = lifting_inputs(config)
    losses = []
    for _ in range(60):
        state, metrics = step(state, inputs)
        losses.append(float(metrics.loss))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    assert step._cache_size() == 1  # nothing was compiled again


@pytest.mark.slow
def test_a_step_trains_on_measured_detections():
    config = tiny_config()
    config.synthesis.movenet_rate, config.synthesis.annotator_rate = 0.5, 0.2
    model = build_model(ModelSpec(**config.model))
    maker = PairMaker(8, 0.0, KeypointPairSettings(**config.synthesis))
    objective = Objective(weights=LossTerms(**config.loss_weights))
    optimizer = optax.sgd(1e-3)
    state = create_train_state(init_variables(model, jax.random.key(0)), optimizer)
    loss_function = make_loss_function(model, maker, objective)
    step = jax.jit(make_train_step(loss_function, optimizer, 0, 0.99))
    state, metrics = step(state, lifting_inputs(config))
    assert np.isfinite(float(metrics.loss))
    assert int(state.skipped) == 0


def test_step_with_a_bad_gradient_changes_nothing_but_its_count():
    def loss_function(params, state, key, inputs):
        return jnp.sum(params["w"] * inputs), LossAux(LossTerms(), {})

    optimizer = optax.adam(0.1)
    state = create_train_state({"params": {"w": jnp.ones(3)}}, optimizer)
    step = jax.jit(make_train_step(loss_function, optimizer, 0, 0.9))
    after, _ = step(state, jnp.array([1.0, jnp.nan, 1.0]))
    np.testing.assert_array_equal(after.params["w"], state.params["w"])
    np.testing.assert_array_equal(after.average_params["w"], np.ones(3))
    assert int(after.skipped) == 1
    assert int(after.step) == 1
    good, _ = step(after, jnp.ones(3))
    assert int(good.skipped) == 1
    assert (np.asarray(good.params["w"]) < 1.0).all()


DEVICES_SCRIPT = """
import jax, numpy as np, sys
sys.path.insert(0, {root!r})
from configs.prohmr_keypoints import get_config
from tests.support.keypoint_training import TINY
from prohmr_jax.training.keypoint_model import *
from prohmr_jax.training.objective import Objective
from prohmr_jax.structs import LossTerms
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.synthetic.keypoint_pairs import KeypointPairSettings
from prohmr_jax.modes.train_keypoints import AXIS, lifting_inputs, lifting_optimizer
from prohmr_jax.training.train_state import create_train_state, make_train_step
from flax import jax_utils
config = get_config(); config.model.update(TINY)
devices = jax.device_count()
model = build_model(ModelSpec(**config.model), AXIS)
maker = PairMaker(8 // devices, 0.0, KeypointPairSettings())
loss = make_loss_function(
    model, maker, Objective(LossTerms(**config.loss_weights)), AXIS
)
optimizer = lifting_optimizer(config)
state = create_train_state(
    init_variables(build_model(ModelSpec(**config.model)), jax.random.key(0)), optimizer
)
step = jax.pmap(make_train_step(loss, optimizer, 0, 0.9, AXIS), axis_name=AXIS)
inputs = jax_utils.replicate(lifting_inputs(config))
_, metrics = step(jax_utils.replicate(state), inputs)
print(devices, float(metrics.loss[0]), float(metrics.gradient_norm[0]))
"""


@pytest.mark.slow
def test_one_and_four_devices_take_the_same_step(pytestconfig):
    actual = {}
    for count in (1, 4):
        script = DEVICES_SCRIPT.format(root=str(pytestconfig.rootpath))
        result = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": "", "JAX_PLATFORMS": "cpu", **devices_environment(count)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        devices, loss, norm = result.stdout.split()[-3:]
        assert int(devices) == count
        actual[count] = float(loss), float(norm)
    np.testing.assert_allclose(actual[1][0], actual[4][0], rtol=1e-5)
    np.testing.assert_allclose(actual[1][1], actual[4][1], rtol=1e-4)


@pytest.fixture(scope="module")
def spec():
    return ModelSpec(**TINY, flow_affine=True, flow_batch_norm=False)


def test_weights_file_brings_the_model_back(tmp_path, spec):
    variables = init_variables(build_model(spec), jax.random.key(0))
    save_weights(tmp_path / "w.npz", spec, variables, dtype=np.float32)
    found_spec, actual = load_weights(tmp_path / "w.npz")
    assert found_spec == spec
    assert jax.tree.structure(actual) == jax.tree.structure(variables)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(variables), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fault", ["missing", "truncated", "other", "no header"])
def test_bad_weights_files_are_named(tmp_path, spec, fault):
    path = tmp_path / "w.npz"
    variables = init_variables(build_model(spec), jax.random.key(0))
    if fault == "other":
        other = ModelSpec(**{**TINY, "encoder_width": 24}, flow_batch_norm=False)
        save_weights(path, other, variables)
    elif fault != "missing":
        save_weights(path, spec, variables)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    if fault == "no header":
        np.savez(path, x=np.zeros(3))
    with pytest.raises(InputError, match=r"w\.npz: "):
        load_weights(path)


def test_training_directory_of_another_model_is_refused(tmp_path, spec):
    StateCheckpoints(tmp_path, spec).close()
    with pytest.raises(InputError, match="another model"):
        StateCheckpoints(tmp_path, ModelSpec(**TINY))


def test_directory_without_states_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model\.json"):
        load_weights(tmp_path)


def test_batch_that_devices_cannot_share_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 3)
    with pytest.raises(InputError, match="8 people on 3 devices"):
        train(tiny_config(), tmp_path)


def test_step_lowers_for_accelerators():
    config = tiny_config()
    model = build_model(ModelSpec(**config.model))
    maker = PairMaker(4, 0.0, KeypointPairSettings())
    loss_function = make_loss_function(
        model, maker, Objective(LossTerms(**config.loss_weights))
    )
    optimizer = lifting_optimizer(config)
    state = jax.eval_shape(
        lambda: create_train_state(init_variables(model, jax.random.key(0)), optimizer)
    )
    inputs = jax.eval_shape(lambda: lifting_inputs(config))
    step = jax.jit(make_train_step(loss_function, optimizer, 0, 0.9))
    exported = jax.export.export(step, platforms=["tpu", "cuda"])(state, inputs)
    assert set(exported.platforms) == {"tpu", "cuda"}
