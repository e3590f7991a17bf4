"""Files of the official layout become models and encoders, or one clear line."""

import collections
import json
import lzma
import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from prohmr_jax.body import pose_body, shape_body
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.files.body_hash import BodyIdentity, body_hash
from prohmr_jax.geometry import cameras
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.prohmr import decode, encode, prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.parity.bodies import golden_body
from prohmr_jax.parity.golden import GoldenDirectory
from prohmr_jax.parity.recipe import recipe_tensor
from prohmr_jax.weights.conversion import convert_checkpoint
from prohmr_jax.weights.headers import trained_body
from prohmr_jax.weights.official_body import body_of_checkpoint
from prohmr_jax.weights.official_models import (
    is_dropped,
    prohmr_from_official,
    prohmr_to_official,
    resnet_from_torchvision,
)
from prohmr_jax.weights.starting_weights import load_starting_encoder
from prohmr_jax.weights.weight_files import load_weights
from tests.support.files_torch import (
    like_lightning,
    named,
    tensor,
    write_legacy,
    write_zip,
)
from tests.support.paths import GOLDENS, ROOT

TABLES = GOLDENS / "param_tables.json.xz"
TOOL = ROOT / "tools" / "convert_checkpoint.py"
SMALL = ModelSpec(
    encoder="resnet18",
    context_features=512,
    flow_layers=1,
    flow_blocks=1,
    flow_hidden=8,
    head_hidden=6,
)


def run_tool(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(TOOL.parents[1])}
    return subprocess.run(
        [sys.executable, TOOL, *arguments],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip


def assert_same(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def tensors(state):
    return collections.OrderedDict((name, tensor(a)) for name, a in state.items())


@pytest.fixture(scope="module")
def small():
    """Official name -> array of a small model, with buffers that are dropped."""

    def init(key):
        discriminator = Discriminator().init(key, jnp.zeros((23, 3, 3)), jnp.zeros(10))
        return init_variables(build_model(SMALL), key), discriminator["params"]

    rng = np.random.default_rng(0)
    trees = jax.tree.map(
        lambda s: rng.normal(size=s.shape).astype(np.float32),
        jax.eval_shape(init, jax.random.key(0)),
    )
    return {
        "initialized": np.array(True),
        **prohmr_to_official(*trees),
        "backbone.bn1.num_batches_tracked": np.array(5),
        "smpl.parents": np.arange(24),
        "smpl.v_template": np.zeros((10, 3), np.float32),
    }


@pytest.fixture(scope="module")
def resnet18(small):
    """The same encoder, as torchvision has it, with a classifier."""
    prefix = "backbone."
    actual = {
        n.removeprefix(prefix): a for n, a in small.items() if n.startswith(prefix)
    }
    actual |= {"fc.weight": np.ones((7, 512), np.float32), "fc.bias": np.ones(7)}
    # The library that writes safetensors takes the memory as it lies.
    return {name: np.asarray(a, order="C") for name, a in actual.items()}


def test_a_small_model(tmp_path, small):
    # A name that would clear a terminal, were it printed as it is.
    odd = {"more": named("evil", "a\x1b[2J\udc80")}
    write_zip(tmp_path / "a.pt", {**like_lightning(tensors(small)), **odd}, protocol=4)
    report = str(convert_checkpoint(tmp_path / "a.pt", tmp_path / "w"))
    spec, variables = load_weights(tmp_path / "w")
    expected_spec, expected, _ = prohmr_from_official(small)
    assert spec == expected_spec
    assert_same(variables, expected)
    weights = len([name for name in small if not is_dropped(name)])
    assert f"mapped   {weights} tensors to a ProHMR on resnet18" in report
    assert "dropped  2: buffers that restate the layout" in report
    assert "dropped  2: the body" in report
    assert "'yacs.config.CfgNode'" in report
    assert r"'evil.a\x1b[2J\udc80'" in report


def official_body(body):
    """The buffers that the official model keeps of a body."""
    buffers = {
        "v_template": body.v_template,
        "shapedirs": body.shapedirs,
        "posedirs": body.posedirs.reshape(-1, body.posedirs.shape[-1]).T,
        "lbs_weights": body.weights,
        "J_regressor": body.joint_regressor,
        "joint_regressor_extra": body.extra_regressor,
        "vertex_joint_selector.extra_joints_idxs": body.landmark_vertices.astype(int),
        "faces_tensor": body.faces.astype(int),
    }
    return {f"smpl.{name}": array for name, array in buffers.items()}


def test_a_conversion_names_the_body_of_the_checkpoint(tmp_path, small):
    body = read_body_arrays("open")
    write_zip(tmp_path / "a.pt", tensors({**small, **official_body(body)}))
    conversion = convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    identity = trained_body(tmp_path / "w")
    assert identity.hash == body_hash(body)
    assert identity.num_vertices == len(body.v_template)
    assert f"trained on {identity}" in str(conversion)


def test_a_checkpoint_without_its_body_is_of_neutral_smpl(tmp_path, small):
    write_zip(tmp_path / "a.pt", tensors(small))
    convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    assert trained_body(tmp_path / "w") == BodyIdentity("neutral SMPL", "", 6890)
    half = {
        n: a.astype(np.float16) for n, a in official_body(read_body_arrays()).items()
    }
    assert body_of_checkpoint(half).hash == ""
    assert body_of_checkpoint({**half, "smpl.posedirs": np.zeros((2, 2))}).hash == ""


@pytest.mark.parametrize("prefix", ["module.", "model.", "module._orig_mod."])
def test_prefixes_of_wrappers_make_no_difference(prefix, tmp_path, small):
    wrapped = {prefix + name: a for name, a in small.items()}
    write_zip(tmp_path / "a.pt", {"state_dict": tensors(wrapped)})
    conversion = convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    assert set(conversion.state.arrays) == set(small)
    _, variables = load_weights(tmp_path / "w")
    _, expected, _ = prohmr_from_official(small)
    assert_same(variables, expected)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "old names"])
def test_a_resnet_of_torchvision(form, tmp_path, resnet18):
    path = tmp_path / "resnet18"
    if form == "safetensors":
        safetensors.numpy.save_file(resnet18, path)
    elif form == "old names":  # those of 2017 do not count batches
        kept = {n: a for n, a in resnet18.items() if not n.endswith("_tracked")}
        write_legacy(path, tensors(kept))
    else:
        {"zip": write_zip, "legacy": write_legacy}[form](path, tensors(resnet18))
    report = str(convert_checkpoint(path, tmp_path / "w"))
    assert "tensors to a resnet18, to start training from" in report
    assert "dropped  2: the classifier of ImageNet" in report
    _, expected = resnet_from_torchvision(resnet18)
    shapes = jax.eval_shape(
        lambda: init_variables(build_model(SMALL), jax.random.key(0))
    )
    fresh = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), shapes)
    started = load_starting_encoder(tmp_path / "w", SMALL, fresh)
    assert_same({c: started[c]["encoder"] for c in expected}, expected)


def test_halves_are_widened(tmp_path, resnet18):
    halves = {name: a.astype(np.float16) for name, a in resnet18.items()}
    halves["bn1.num_batches_tracked"] = np.array(3)
    safetensors.numpy.save_file(halves, tmp_path / "a")
    convert_checkpoint(tmp_path / "a", tmp_path / "w")
    kernel = halves["conv1.weight"].astype(np.float32).transpose(2, 3, 1, 0)
    variables = {"params": {"encoder": {}}, "batch_stats": {"encoder": {}}}
    with pytest.raises(InputError, match="of other sizes"):
        load_starting_encoder(tmp_path / "w", SMALL, variables)
    shapes = jax.eval_shape(
        lambda: init_variables(build_model(SMALL), jax.random.key(0))
    )
    started = load_starting_encoder(tmp_path / "w", SMALL, shapes)
    actual = started["params"]["encoder"]["conv1"]["kernel"]
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, kernel)


BN = "layer4.1.bn2."
FAULTS = {
    "missing": (
        lambda s: [s.pop(f"{BN}{leaf}") for leaf in
                   ("weight", "bias", "running_mean", "running_var")],
        f"has no entry .*{BN}bias.* and 1 more",
    ),
    "unknown": (
        lambda s: s.update({"head.a": np.ones(2), "head.b": np.ones(2)}),
        "unknown entry '(backbone.)?head.a', '(backbone.)?head.b'",
    ),
    "both": (
        lambda s: (s.pop(f"{BN}bias"), s.update({"a": np.ones(2)})),
        "has no entry '.*bn2.bias'; unknown entry '(backbone.)?a'",
    ),
    "shape": (
        lambda s: s.update({"conv1.weight": np.ones((64, 3, 5, 5), np.float32)}),
        r"conv1.weight' has shape \(64, 3, 5, 5\), not \(64, 3, 7, 7\)",
    ),
    "integers": (
        lambda s: s.update({f"{BN}bias": np.ones(512, np.int64)}),
        "bn2.bias' is of type int64",
    ),
    "not a number": (
        lambda s: s.update({f"{BN}bias": np.full(512, np.nan, np.float32)}),
        "bn2.bias' holds values that are not finite",
    ),
    "other blocks": (
        lambda s: s.update({"layer4.2.bn2.bias": np.ones(512, np.float32)}),
        "no known ResNet has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("whole", [False, True])
def test_faults_are_named(name, whole, tmp_path, small, resnet18):
    change, words = FAULTS[name]
    encoder = dict(resnet18)
    if whole:
        encoder = {n: a for n, a in encoder.items() if not n.startswith("fc.")}
    change(encoder)
    state = encoder
    if whole:
        rest = {n: a for n, a in small.items() if not n.startswith("backbone.")}
        state = {**rest, **{f"backbone.{n}": a for n, a in encoder.items()}}
    write_zip(tmp_path / "a.pt", {"state_dict": tensors(state)})
    with pytest.raises(InputError, match=words) as caught:
        convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")
    assert str(caught.value).startswith(f"{tmp_path / 'a.pt'}: ")
    assert not (tmp_path / "w").exists()


def test_sizes_that_clash_are_of_the_file(tmp_path, small):
    name = "flow.fc_head.layers.0.weight"
    state = {**small, name: np.ones((6, 100), np.float32)}
    write_zip(tmp_path / "a.pt", tensors(state))
    with pytest.raises(InputError, match=r"a\.pt: .*100"):
        convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")


def test_the_tool_says_what_is_wrong(tmp_path):
    safetensors.numpy.save_file({"a.weight": np.ones(3)}, tmp_path / "a")
    done = run_tool(tmp_path / "a", tmp_path / "w")
    assert done.returncode == 2
    fault = f"{tmp_path / 'a'}: is neither a ProHMR nor a ResNet: it has 'a.weight'\n"
    assert done.stderr == fault
    done = run_tool(tmp_path / "b", tmp_path / "w")
    assert done.returncode == 2
    assert "cannot be read: No such file" in done.stderr
    assert not (tmp_path / "w").exists()


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """The official checkpoint in layout and size, converted as a user does it."""
    directory = tmp_path_factory.mktemp("official")
    table = json.loads(lzma.decompress(TABLES.read_bytes()))["ProHMR"]
    recipe = GoldenDirectory(TABLES.parent)

    def value(name, entry):
        leaf, shape = name.rpartition(".")[2], tuple(entry["shape"])
        if leaf == "init_cam":
            return np.reshape(np.float32([0.9, 0.1, -0.1]), shape)
        if leaf == "init_betas" or name.startswith("smpl.") or is_dropped(name):
            return np.zeros(shape, entry["dtype"])
        return recipe_tensor(recipe.seed, recipe.pose_sigma, name, shape)

    state = {name: value(name, entry) for name, entry in table.items()}
    checkpoint = like_lightning(tensors(state))
    moments = {i: {"exp_avg": tensor(state[n])} for i, n in enumerate(list(state)[:50])}
    checkpoint["optimizer_states"] = [{"state": moments}]
    write_zip(directory / "checkpoint.pt", checkpoint)
    done = run_tool(directory / "checkpoint.pt", directory / "weights")
    yield table, state, directory / "weights", done
    shutil.rmtree(directory)


def test_every_official_entry_is_mapped_or_dropped_by_a_rule(full_size):
    table, state, weights, done = full_size
    assert done.returncode == 0, done.stderr
    assert f"read     {len(table)} tensors, 233.5 MB" in done.stdout
    assert "mapped   469 tensors to a ProHMR on resnet50" in done.stdout
    assert "dropped  95: buffers that restate the layout" in done.stdout
    assert "dropped  10: the body" in done.stdout
    spec, variables = load_weights(weights)
    assert spec == ModelSpec(
        encoder="resnet50",
        mean_betas=(0.0,) * 10,
        mean_camera=tuple(map(float, np.float32([0.9, 0.1, -0.1]))),
    )
    back = prohmr_to_official(variables)
    kept = {
        n for n in table if not is_dropped(n) and not n.startswith("discriminator.")
    }
    assert set(back) == kept
    for name, array in back.items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


def test_the_converted_file_reproduces_the_official_forward_pass(
    full_size, shared_goldens
):
    goldens = GoldenDirectory(shared_goldens)
    case, synthetic = goldens.open("prohmr_forward.npz"), goldens.open("smpl_synth.npz")
    spec, variables = load_weights(full_size[2])
    # The recipe has no rule for the head's means: they are those of the golden body.
    variables["mean_params"]["head"] = {
        "betas": synthetic.input("mean_shape"), "camera": synthetic.input("mean_cam"),
    }  # fmt: skip
    image = case.input("in/img_int8").transpose(0, 2, 3, 1) / np.float32(32)
    z = np.pad(case.input("in/noise"), ((0, 0), (1, 0), (0, 0)))
    model, body = prepare(build_model(spec), variables), golden_body(goldens)

    @jax.jit
    def forward(model, body, image, z):
        context = encode(model, image)
        actual = decode(model, context, z)
        posed = pose_body(
            shape_body(body, actual.smpl.betas),
            actual.smpl.global_orient,
            actual.smpl.body_pose,
        )
        camera = jax.tree.map(lambda a: a[:, None], cameras.crop_camera(actual.camera))
        return context, actual, posed, cameras.project(posed.joints, camera)

    context, actual, posed, joints_2d = forward(model, body, image, z)
    subset = case.input("vertex_subset")
    for name, ours in {
        "conditioning_feats": context,
        "pred_pose_6d": actual.pose_6d.reshape(*z.shape),
        "log_prob": actual.log_prob,
        "pred_smpl_params/global_orient": actual.smpl.global_orient[..., None, :, :],
        "pred_smpl_params/body_pose": actual.smpl.body_pose,
        "pred_smpl_params/betas": actual.smpl.betas,
        "pred_keypoints_3d": posed.joints,
        "pred_vertices": posed.vertices[..., subset, :],
        "pred_keypoints_2d": joints_2d,
    }.items():
        golden = case.golden(f"out/{name}")
        limit = 1e-4 * np.abs(golden).max()
        np.testing.assert_allclose(ours, golden, rtol=0, atol=limit, err_msg=name)
