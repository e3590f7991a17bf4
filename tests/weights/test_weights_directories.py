"""Directories of weights alone: whole models, and encoders to start training from."""

import dataclasses
import json
import os
import subprocess
import sys
import zlib

import jax
import numpy as np
import optax
import pytest

from configs import prohmr_synthetic
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import IMAGE_ENCODER, KEYPOINT_WEIGHTS
from prohmr_jax.files.body_hash import BodyIdentity, read_identified_body
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.train_state import create_train_state
from prohmr_jax.weights.headers import trained_body, warn_of_other_body
from prohmr_jax.weights.starting_weights import (
    load_starting_discriminator,
    load_starting_encoder,
    load_starting_model,
)
from prohmr_jax.weights.weight_files import (
    load_weights,
    round_mantissa,
    save_encoder_file,
    save_encoder_weights,
    save_weights,
    save_weights_directory,
)
from tests.support.paths import ROOT

TINY = {
    "context_features": 8,
    "encoder_width": 16,
    "encoder_blocks": 1,
    "flow_layers": 1,
    "flow_blocks": 1,
    "flow_hidden": 8,
    "head_hidden": 8,
}


@pytest.fixture(scope="module")
def spec():
    return ModelSpec(**TINY)


@pytest.fixture(scope="module")
def variables(spec):
    rng = np.random.default_rng(3)
    shapes = jax.eval_shape(
        lambda: init_variables(build_model(spec), jax.random.key(0))
    )
    return jax.tree.map(lambda s: rng.normal(size=s.shape).astype(s.dtype), shapes)


def encoder_of(variables):
    return {c: tree["encoder"] for c, tree in variables.items() if "encoder" in tree}


def assert_same(result, expected):
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, result, expected)


def test_a_model_comes_back(tmp_path, spec, variables):
    save_weights_directory(tmp_path / "new" / "w", spec, variables, {"a": np.ones(2)})
    found_spec, actual = load_weights(tmp_path / "new" / "w")
    assert found_spec == spec
    assert_same(actual, variables)
    assert os.listdir(tmp_path / "new") == ["w"]


def save_training_state(path, spec, variables, body=None):
    checkpoints = StateCheckpoints(path, spec, body=body)
    checkpoints.save(create_train_state(variables, optax.sgd(1.0)))
    checkpoints.close()


FORMS = {
    "encoder": lambda path, spec, v: save_encoder_weights(
        path, spec.encoder, encoder_of(v)
    ),
    "encoder's file": lambda path, spec, v: save_encoder_file(
        path, spec.encoder, encoder_of(v), np.float32
    ),
    "model": lambda path, spec, v: save_weights_directory(path, spec, v, {}),
    "weights file": lambda path, spec, v: save_weights(path, spec, v, np.float32),
    "training directory": save_training_state,
}


@pytest.mark.parametrize("form", FORMS)
def test_training_starts_from_the_encoder_of_every_form(
    form, tmp_path, spec, variables
):
    FORMS[form](tmp_path / "w", spec, variables)
    fresh = jax.tree.map(np.zeros_like, variables)
    started = load_starting_encoder(tmp_path / "w", spec, fresh)
    assert_same(encoder_of(started), encoder_of(variables))
    for collection, tree in started.items():
        for part in set(tree) - {"encoder"}:
            assert_same(tree[part], fresh[collection][part])
    assert set(started) == set(variables)


@pytest.mark.parametrize("form", ["model", "weights file", "training directory"])
def test_training_goes_on_from_a_whole_model(form, tmp_path, spec, variables):
    kept = {"a": {"kernel": np.full((2, 3), 7.0, np.float32)}}
    if form == "model":
        save_weights_directory(tmp_path / "w", spec, variables, kept)
    else:
        FORMS[form](tmp_path / "w", spec, variables)
    fresh = jax.tree.map(np.zeros_like, (variables, kept))
    model = load_starting_model(tmp_path / "w", fresh[0])
    discriminator = load_starting_discriminator(tmp_path / "w", fresh[1])
    assert_same(model, variables)
    assert_same(discriminator, kept if form == "model" else fresh[1])


def test_a_whole_model_of_other_sizes_is_refused(tmp_path, spec, variables):
    save_weights_directory(tmp_path / "w", spec, variables, {"a": np.zeros(3)})
    other = build_model(dataclasses.replace(spec, head_hidden=9))
    other = init_variables(other, jax.random.key(0))
    with pytest.raises(InputError, match="w: its model has other sizes"):
        load_starting_model(tmp_path / "w", other)
    with pytest.raises(InputError, match="w: its discriminator has other sizes"):
        load_starting_discriminator(tmp_path / "w", {"a": np.zeros(4)})


def test_another_encoder_is_refused(tmp_path, spec, variables):
    encoder = encoder_of(variables)
    save_encoder_weights(tmp_path / "a", "resnet18", encoder)
    with pytest.raises(InputError, match="a: holds the encoder 'resnet18', not 'key"):
        load_starting_encoder(tmp_path / "a", spec, variables)
    save_encoder_weights(tmp_path / "b", spec.encoder, {"params": {"x": np.ones(2)}})
    with pytest.raises(InputError, match="b: holds a 'keypoints' of other sizes"):
        load_starting_encoder(tmp_path / "b", spec, variables)


def test_an_encoder_is_no_model(tmp_path, spec, variables):
    save_encoder_weights(tmp_path / "a", spec.encoder, encoder_of(variables))
    with pytest.raises(InputError, match="holds an encoder only"):
        load_weights(tmp_path / "a")
    with pytest.raises(InputError, match="holds an encoder only"):
        StateCheckpoints(tmp_path / "a", spec)
    save_encoder_file(tmp_path / "b.npz", spec.encoder, encoder_of(variables))
    with pytest.raises(InputError, match="b.npz: holds an encoder only"):
        load_weights(tmp_path / "b.npz")


BODY = BodyIdentity("mine.npz", "0123456789abcdef", 7)
OTHER_BODY = BodyIdentity("theirs.npz", "fedcba9876543210", 7)
WITH_BODY = {
    "model": lambda path, spec, v, body: save_weights_directory(
        path, spec, v, {}, body
    ),
    "weights file": lambda path, spec, v, body: save_weights(path, spec, v, body=body),
    "training directory": lambda path, spec, v, body: save_training_state(
        path, spec, v, body
    ),
}


@pytest.mark.parametrize("form", WITH_BODY)
def test_weights_of_every_form_name_the_body_of_their_training(
    form, tmp_path, spec, variables, caplog
):
    WITH_BODY[form](tmp_path / "w", spec, variables, BODY)
    assert trained_body(tmp_path / "w") == BODY
    assert not warn_of_other_body(tmp_path / "w", BODY)
    load_starting_model(tmp_path / "w", variables, BODY)
    assert not caplog.records
    assert warn_of_other_body(tmp_path / "w", OTHER_BODY)
    load_starting_model(tmp_path / "w", variables, OTHER_BODY)
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert str(BODY) in record.getMessage()
        assert str(OTHER_BODY) in record.getMessage()


@pytest.mark.parametrize("form", WITH_BODY)
def test_weights_that_name_no_body_give_no_warning(
    form, tmp_path, spec, variables, caplog
):
    WITH_BODY[form](tmp_path / "w", spec, variables, None)
    assert trained_body(tmp_path / "w") is None
    assert not warn_of_other_body(tmp_path / "w", BODY)
    assert not caplog.records


def test_a_training_is_not_resumed_with_another_body(tmp_path, spec):
    StateCheckpoints(tmp_path, spec, body=BODY).close()
    StateCheckpoints(tmp_path, spec, body=BODY).close()
    with pytest.raises(InputError, match="a training on the body 'mine.npz'"):
        StateCheckpoints(tmp_path, spec, body=OTHER_BODY)


def test_a_damaged_body_of_weights_is_refused(tmp_path, spec, variables):
    save_weights_directory(tmp_path / "w", spec, variables, {}, BODY)
    file = tmp_path / "w" / "model.json"
    whole = json.loads(file.read_text())
    for body in ("mine", {"name": "mine"}, {**whole["body"], "num_vertices": "7"}):
        file.write_text(json.dumps({**whole, "body": body}))
        with pytest.raises(InputError, match="w: does not describe the body"):
            trained_body(tmp_path / "w")


def test_the_keypoint_weights_that_ship_name_the_open_body():
    assert trained_body(KEYPOINT_WEIGHTS) == read_identified_body("open")[1]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("{", "does not describe a model"),
        ("[]", "does not describe a model"),
        (json.dumps({"version": 7, "encoder": "resnet18"}), "format version 7, not 1"),
        (json.dumps({"version": 1}), "does not describe a model"),
    ],
)
def test_damaged_headers(header, words, tmp_path, spec, variables):
    (tmp_path / "model.json").write_text(header)
    with pytest.raises(InputError, match=words):
        load_starting_encoder(tmp_path, spec, variables)


def test_values_that_are_not_finite_are_refused(tmp_path, spec, variables):
    bad = jax.tree.map(lambda a: np.full_like(a, np.nan), variables)
    params = {"a": np.ones(3, np.float32)}
    save_weights_directory(tmp_path / "model", spec, bad, params)
    infinite = {"a": np.full(3, np.inf)}
    save_weights_directory(tmp_path / "discriminator", spec, variables, infinite)
    save_encoder_weights(tmp_path / "encoder", spec.encoder, encoder_of(bad))
    not_finite = {"match": "holds values that are not finite"}
    with pytest.raises(InputError, **not_finite):
        load_weights(tmp_path / "model")
    with pytest.raises(InputError, **not_finite):
        load_starting_model(tmp_path / "model", variables)
    with pytest.raises(InputError, **not_finite):
        load_starting_discriminator(tmp_path / "discriminator", params)
    with pytest.raises(InputError, **not_finite):
        load_starting_encoder(tmp_path / "encoder", spec, variables)


def test_the_tool_keeps_the_encoder_of_a_run(tmp_path, spec, variables):
    save_training_state(tmp_path / "run", spec, variables)
    tool = [sys.executable, "tools/keep_encoder.py"]
    root = ROOT
    out = tmp_path / "encoder.npz"
    subprocess.run([*tool, tmp_path / "run", out], cwd=root, check=True)
    fresh = jax.tree.map(np.zeros_like, variables)
    started = encoder_of(load_starting_encoder(out, spec, fresh))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6),
        started,
        encoder_of(variables),
    )
    failed = subprocess.run(
        [*tool, tmp_path / "none", out], cwd=root, capture_output=True, text=True
    )
    assert failed.returncode == 2
    assert "none: no such weights file" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_encoder_that_ships_is_that_of_the_default_run():
    config = prohmr_synthetic.get_config()
    assert config.encoder_weights == "shipped"
    spec = ModelSpec(**config.model)
    model = build_model(spec)
    shapes = jax.eval_shape(lambda: init_variables(model, jax.random.key(0)))
    started = encoder_of(load_starting_encoder(IMAGE_ENCODER, spec, shapes))
    for leaf in jax.tree.leaves(started):
        assert np.all(np.isfinite(leaf))
        assert np.any(leaf)
    variances = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(started["batch_stats"])
        if path[-1].key == "var"
    ]
    assert variances
    assert min(leaf.min() for leaf in variances) > 0


def test_damaged_and_missing_weights(tmp_path, spec, variables):
    save_encoder_weights(tmp_path / "a", spec.encoder, encoder_of(variables))
    for path in (tmp_path / "a" / "states").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="a: cannot be read: ") as caught:
        load_starting_encoder(tmp_path / "a", spec, variables)
    assert len(str(caught.value)) < 1000
    with pytest.raises(InputError, match="no such weights file"):
        load_starting_encoder(tmp_path / "b", spec, variables)


def test_nothing_is_overwritten(tmp_path, spec, variables):
    save_weights_directory(tmp_path / "a", spec, variables, {})
    (tmp_path / "file").write_text("x")
    for name in ("a", "file"):
        with pytest.raises(InputError, match=f"{name}: is there already"):
            save_encoder_weights(tmp_path / name, spec.encoder, encoder_of(variables))
    assert_same(load_weights(tmp_path / "a")[1], variables)


@pytest.mark.parametrize("bits", [4, 6, 9, 10])
def test_rounded_mantissas_are_near_and_compress(rng, bits):
    values = rng.normal(size=2000).astype(np.float16)
    rounded = round_mantissa(values, bits)
    error = np.abs(rounded.astype(np.float64) - values) / np.abs(values)
    assert error.max() <= 2.0 ** -(bits + 1)
    assert len(np.unique(rounded.view(np.uint16) & ((1 << (10 - bits)) - 1))) == 1
    if bits < 10:
        assert len(zlib.compress(rounded.tobytes())) < len(
            zlib.compress(values.tobytes())
        )
