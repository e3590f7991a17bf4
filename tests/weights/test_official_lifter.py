"""The official model that lifts skeletons converts, loads, and is named by faults."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter
from prohmr_jax.parity.golden import GoldenDirectory
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.conversion import convert_checkpoint
from prohmr_jax.weights.official_lifter import (
    lifter_from_official,
    lifter_shapes,
    lifter_to_official,
)
from prohmr_jax.weights.weight_files import load_weights, save_weights
from tests.support.files_torch import like_lightning, tensor, write_zip
from tests.support.lifting_cases import (
    SMALL_LIFTER,
    official_lifter,
    random_variables,
)
from tests.support.paths import GOLDENS


def write(path, state):
    write_zip(path, like_lightning({name: tensor(a) for name, a in state.items()}))


def assert_same(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_every_official_name_and_shape_is_ours():
    table = GoldenDirectory(GOLDENS).open("param_tables.json")
    names = [key for key in table.keys("ProSkeleton/")]
    shapes = {
        key.removeprefix("ProSkeleton/"): tuple(table.golden(key)["shape"])
        for key in names
        if table.golden(key)["kind"] == "parameter"
        or key.endswith(("running_mean", "running_var"))
    }
    assert lifter_shapes(LifterSpec()) == shapes
    state = {
        key.removeprefix("ProSkeleton/"): np.broadcast_to(
            np.float32(0), table.golden(key)["shape"]
        )
        for key in names
    }
    spec, _ = lifter_from_official(state)
    assert spec == LifterSpec()


@pytest.mark.parametrize(
    "changes",
    [{}, {"context_features": 6}, {"encoder_blocks": 0}, {"encoder_blocks": 3},
     {"flow_batch_norm": False}, {"flow_layers": 1, "output_joints": 3}],
)  # fmt: skip
def test_sizes_are_read_off_the_weights(changes):
    spec = dataclasses.replace(SMALL_LIFTER, **changes)
    state = official_lifter(spec)
    actual, variables = lifter_from_official(state)
    assert actual == spec
    assert_same(variables, random_variables(spec))
    back = lifter_to_official(variables)
    for name, value in back.items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)


def test_a_checkpoint_becomes_a_directory_that_loads(tmp_path):
    state = official_lifter(SMALL_LIFTER)
    write(tmp_path / "a.pt", state)
    report = str(convert_checkpoint(tmp_path / "a.pt", tmp_path / "w"))
    assert f"mapped   {len(state) - 4} tensors to a ProHMR that lifts" in report
    assert "dropped  4: buffers that restate the layout" in report
    spec, variables = load_weights(tmp_path / "w", LifterSpec)
    assert spec == SMALL_LIFTER
    assert_same(variables, random_variables(SMALL_LIFTER))
    with pytest.raises(InputError, match="a lifter of skeletons, not a model of bod"):
        load_weights(tmp_path / "w")


def test_a_weights_file_holds_a_lifter_too(tmp_path):
    variables = random_variables(SMALL_LIFTER)
    save_weights(tmp_path / "w.npz", SMALL_LIFTER, variables, np.float32)
    spec, loaded = load_weights(tmp_path / "w.npz", LifterSpec)
    assert spec == SMALL_LIFTER
    assert_same(loaded, variables)
    with pytest.raises(InputError, match="a lifter of skeletons, not a model of bod"):
        load_weights(tmp_path / "w.npz")


FAULTS = {
    "missing": (
        lambda s: s.pop("backbone.fc_layers.1.fc_block.5.bias"),
        "has no entry 'backbone.fc_layers.1.fc_block.5.bias'",
    ),
    "unknown": (lambda s: s.update(more=np.ones(2)), "unknown entry 'more'"),
    "shape": (
        lambda s: s.update({"backbone.fc_layers.1.fc_block.5.bias": np.ones(9)}),
        r"fc_block.5.bias' has shape \(9,\), not \(6,\)",
    ),
    "no flow": (
        lambda s: [s.pop(n) for n in list(s) if n.startswith("flow.")],
        "has no entry 'flow.flow._transform",
    ),
    "no first layer": (
        lambda s: [s.pop(n) for n in list(s) if ".fc_layers.0." in n],
        "has no entry 'backbone.fc_layers.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name, tmp_path):
    change, words = FAULTS[name]
    state = official_lifter(SMALL_LIFTER)
    change(state)
    write(tmp_path / "a.pt", state)
    with pytest.raises(InputError, match=words):
        convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_the_header_of_a_lifter_is_checked(tmp_path):
    save_weights(tmp_path / "w.npz", SMALL_LIFTER, random_variables(SMALL_LIFTER))
    with np.load(tmp_path / "w.npz") as arrays:
        content = dict(arrays)
    header = json.loads(str(content["header"]))
    header["lifter"]["flow_layers"] = -1
    content["header"] = np.array(json.dumps(header))
    np.savez(tmp_path / "w.npz", **content)
    with pytest.raises(InputError, match="impossible flow_layers"):
        load_weights(tmp_path / "w.npz", LifterSpec)


def test_the_converted_golden_lifts_as_the_official_model(tmp_path, shared_goldens):
    case = GoldenDirectory(shared_goldens).open("proskeleton_small.npz")
    write(tmp_path / "a.pt", case.state("sd/"))
    convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    spec, variables = load_weights(tmp_path / "w", LifterSpec)
    two, noise = case.input("in/keypoints_2d"), case.input("in/noise")
    z = np.pad(noise, ((0, 0), (1, 0), (0, 0)))
    keypoints = Keypoints2D(two[..., :2], two[..., 2])
    actual = jax.jit(build_lifter(spec).apply)(variables, keypoints, z)
    expected = case.golden("eval/pred_keypoints_3d")
    error = np.max(np.abs(actual.joints - expected)) / np.max(np.abs(expected))
    assert error < 1e-5
