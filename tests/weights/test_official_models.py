"""Official state dicts: every name has its place, and values come back unchanged."""

import json
import lzma

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.weights.official_models import (
    is_dropped,
    official_shapes,
    prohmr_from_official,
    prohmr_to_official,
    resnet_from_torchvision,
)
from tests.support.paths import GOLDENS

TABLES = GOLDENS / "param_tables.json.xz"
SMALL = ModelSpec(
    encoder="resnet18",
    context_features=512,
    flow_layers=2,
    flow_blocks=1,
    flow_hidden=8,
    head_hidden=6,
)


@pytest.fixture(scope="module")
def official_table():
    return json.loads(lzma.decompress(TABLES.read_bytes()))["ProHMR"]


@pytest.fixture(scope="module")
def small():
    """Variables and discriminator of a small model, every leaf of its own values."""

    def init(key):
        discriminator = Discriminator().init(key, jnp.zeros((23, 3, 3)), jnp.zeros(10))
        return init_variables(build_model(SMALL), key), discriminator["params"]

    leaves, structure = jax.tree.flatten(jax.eval_shape(init, jax.random.key(0)))
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(structure, drawn)


def test_every_official_name_and_shape_is_ours(official_table):
    spec = ModelSpec(encoder="resnet50")
    weights = {name: tuple(entry["shape"]) for name, entry in official_table.items()
               if not is_dropped(name)}  # fmt: skip
    assert official_shapes(spec) == weights
    dropped = {name for name in official_table if is_dropped(name)}
    assert {name for name in dropped if name.startswith("smpl.")}
    kinds = {official_table[name]["kind"] for name in dropped}
    assert kinds == {"buffer"}, "no parameter may be dropped"


def test_the_whole_official_model_is_recognised(official_table):
    state = {
        name: np.broadcast_to(np.float32(0.5), entry["shape"])
        for name, entry in official_table.items()
    }
    spec, variables, discriminator = prohmr_from_official(state)
    assert spec == ModelSpec(
        encoder="resnet50", mean_betas=(0.5,) * 10, mean_camera=(0.5,) * 3
    )
    expected = jax.eval_shape(
        lambda: init_variables(build_model(spec), jax.random.key(0))
    )
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, expected)
    assert sum(leaf.size for leaf in jax.tree.leaves(discriminator)) == sum(
        entry["n"] for name, entry in official_table.items()
        if name.startswith("discriminator.")
    )  # fmt: skip


def test_values_come_back_and_the_spec_with_them(small):
    variables, discriminator = small
    state = prohmr_to_official(variables, discriminator)
    assert {name: value.shape for name, value in state.items()} == official_shapes(
        SMALL
    )
    extra = {"initialized": np.array(True), "smpl.parents": np.zeros(24)}
    spec, actual, found_discriminator = prohmr_from_official({**state, **extra})
    mean = variables["mean_params"]["head"]
    assert spec.mean_camera == tuple(mean["camera"].tolist())
    assert spec.mean_betas == tuple(mean["betas"].tolist())
    for ours, theirs in (actual, variables), (found_discriminator, discriminator):
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_layouts_are_those_of_torch(small):
    variables, discriminator = small
    state = prohmr_to_official(variables, discriminator)
    params = variables["params"]
    conv = params["encoder"]["layer2_0"]["conv1"]["kernel"]
    np.testing.assert_array_equal(
        state["backbone.layer2.0.conv1.weight"][5, 3, 2, 1], conv[2, 1, 3, 5]
    )
    net = params["flow"]["layers_2"]["transform_net"]
    np.testing.assert_array_equal(
        state["flow.flow._transform._transforms.2.transform_net.initial_layer.weight"],
        np.concatenate(
            [net["initial_layer"]["kernel"], net["context_layer"]["kernel"]]
        ).T,
    )
    np.testing.assert_array_equal(
        state["discriminator.pose_out.7.weight"], discriminator["joint_out_kernel"][7:8]
    )
    assert state["discriminator.D_conv1.weight"].shape == (32, 9, 1, 1)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: s.pop("backbone.conv1.weight"), "no entry 'backbone.conv1.weight'"),
        (lambda s: s.pop("discriminator.pose_out.3.bias"), "pose_out.3.bias"),
        (lambda s: s.pop("flow.fc_head.init_cam"), "no entry 'flow.fc_head.init_cam'"),
        (lambda s: s.update(surprise=np.zeros(2)), "unknown entry 'surprise'"),
        (
            lambda s: s.update({"flow.flow._transform.x": np.zeros(2)}),
            "unknown entry 'flow.flow._transform.x'",
        ),
        (
            lambda s: s.update({"backbone.bn1.bias": np.zeros(3)}),
            r"'backbone.bn1.bias' has shape \(3,\), not \(64,\)",
        ),
        (
            lambda s: s.update({"flow.fc_head.layers.0.weight": np.zeros(3)}),
            "'flow.fc_head.layers.0.weight' has shape",
        ),
    ],
)
def test_what_does_not_fit_is_named(small, change, fault):
    state = prohmr_to_official(*small)
    change(state)
    with pytest.raises(ValueError, match=fault):
        prohmr_from_official(state)


def test_a_resnet_of_torchvision_loses_its_classifier(small):
    encoder = {c: tree["encoder"] for c, tree in small[0].items() if "encoder" in tree}
    named = prohmr_to_official({c: {"encoder": t} for c, t in encoder.items()})
    state = {name.removeprefix("backbone."): value for name, value in named.items()}
    state |= {"fc.weight": np.zeros((1000, 512)), "fc.bias": np.zeros(1000)}
    state["bn1.num_batches_tracked"] = np.array(3)
    name, variables = resnet_from_torchvision(state)
    assert name == "resnet18"
    jax.tree.map(np.testing.assert_array_equal, variables, encoder)
    del state["layer4.1.bn2.running_var"]
    with pytest.raises(ValueError, match=r"no entry 'layer4.1.bn2.running_var'"):
        resnet_from_torchvision(state)
    with pytest.raises(ValueError, match="no known ResNet"):
        resnet_from_torchvision({"conv1.weight": np.zeros((64, 3, 7, 7))})
