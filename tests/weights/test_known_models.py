"""Checkpoints of other models are named; wrappers' prefixes make no difference."""

import collections

import numpy as np
import pytest
import safetensors.numpy

from prohmr_jax.errors import InputError
from prohmr_jax.weights.conversion import convert_checkpoint
from prohmr_jax.weights.known_models import known_model, without_wrappers
from prohmr_jax.weights.weight_files import load_weights
from tests.support.files_torch import named, tensor, write_legacy, write_zip

HMR = ("fc1.weight", "decpose.weight", "decshape.weight", "deccam.weight", "init_pose")
RESNET = ("conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight")
VIT = ("pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight")


def under(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names)


# Some names of each model, as its public code gives them.
MODELS = {
    "SPIN": RESNET + HMR,
    "HMR 2.0": (*under("backbone.", VIT), "smpl_head.decpose.weight",
                "smpl_head.transformer.to_token_embedding.weight"),
    "PARE": (*under("model.backbone.", RESNET),
             "model.head.keypoint_deconv_layers.0.weight",
             "model.head.smpl_deconv_layers.0.weight"),
    "PyMAF": (*under("feature_extractor.", RESNET), "maf_extractor.0.conv0.weight",
              *under("regressor.0.", HMR)),
    "CLIFF": (*under("module.encoder.", RESNET), *under("module.", HMR)),
    "VIBE": ("encoder.gru.weight_ih_l0", *under("regressor.", HMR)),
    "HybrIK": ("preact.conv1.weight", "deconv_layers.0.weight", "decphi.weight"),
    "ROMP": ("module.backbone.stage2.0.branches.0.weight",
             "module.final_layers.1.0.weight"),
    "METRO": ("trans_encoder.0.bert.pooler.dense.weight", "upsampling.weight"),
    "WHAM": ("motion_encoder.embed_layer.weight", "trajectory_decoder.fc.weight"),
    "VPoser": ("encoder_net.1.weight", "decoder_net.0.weight"),
    "R-CNN": (*under("backbone.body.", RESNET), "roi_heads.box_head.fc6.weight"),
    "MMPose": (*under("backbone.", VIT), "keypoint_head.final_layer.weight"),
    "HRNet": ("conv1.weight", "stage2.0.branches.0.0.conv1.weight"),
    "transformer": VIT,
    "torchvision or timm": ("features.0.weight", "classifier.0.weight"),
}  # fmt: skip


def state_of(names) -> dict[str, np.ndarray]:
    return {name: np.ones(3, np.float32) for name in names}


def tensors(names) -> dict:
    return collections.OrderedDict((n, tensor(a)) for n, a in state_of(names).items())


@pytest.mark.parametrize("prefix", ["", "module.", "module.model.", "_orig_mod."])
@pytest.mark.parametrize("name", MODELS)
def test_models_are_told_by_names(name, prefix):
    assert name in known_model(under(prefix, MODELS[name]))


def test_ours_and_unknown_ones_are_none_of_them():
    prohmr = (*under("backbone.", RESNET), "flow.flow.a", "flow.fc_head.init_cam")
    for names in (prohmr, RESNET, (*RESNET, "fc.weight"), ("a.weight",), ()):
        assert known_model(names) is None


@pytest.mark.parametrize("name", ["SPIN", "HMR 2.0", "CLIFF"])
def test_a_checkpoint_of_another_model_is_refused_under_its_name(name, tmp_path):
    """SPIN and CLIFF keep their weights in "model", Lightning in "state_dict"."""
    key = "state_dict" if name == "HMR 2.0" else "model"
    checkpoint = {"epoch": 3, key: tensors(MODELS[name]), "optimizer": {"a": 1}}
    for write in (write_zip, write_legacy):
        write(tmp_path / "a.pt", checkpoint)
        for use in (
            lambda path: convert_checkpoint(path, tmp_path / "w"),
            load_weights,
        ):
            with pytest.raises(InputError, match="holds weights of ") as caught:
                use(tmp_path / "a.pt")
            assert name in caught.value.what
            assert "\n" not in str(caught.value)


def test_a_module_that_was_pickled_whole_is_named(tmp_path):
    write_zip(
        tmp_path / "a.pt", {"model": named("ultralytics.nn.tasks", "PoseModel")()}
    )
    with pytest.raises(InputError, match="ultralytics.nn.tasks.PoseModel"):
        convert_checkpoint(tmp_path / "a.pt", tmp_path / "w")


def test_a_checkpoint_that_is_not_converted_says_what_to_do(tmp_path):
    write_zip(tmp_path / "a.pt", tensors(("backbone.conv1.weight", "flow.flow.a")))
    safetensors.numpy.save_file(state_of(RESNET), tmp_path / "b")
    for name in ("a.pt", "b"):
        with pytest.raises(
            InputError, match="convert it with tools/convert_checkpoint"
        ):
            load_weights(tmp_path / name)


def test_prefixes_are_taken_off_anywhere():
    state = state_of(("module.backbone._orig_mod.conv1.weight", "module.flow.a"))
    assert list(without_wrappers(state)) == ["backbone.conv1.weight", "flow.a"]
    # Where not all names have it, a part called "model" is a part of the model.
    assert list(without_wrappers(state_of(("model.a", "b")))) == ["model.a", "b"]
    with pytest.raises(ValueError, match="differ in nothing but"):
        without_wrappers(state_of(("module.a", "a")))
