"""The jitted call behind the demo: compiled once, for every kind of device."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.files.body_files import read_body_arrays, write_body
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.files.detections import Detection
from prohmr_jax.inference import reconstruction
from prohmr_jax.inference.person_keys import person_key, tree_sha256
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.structs import Box, Keypoints2D
from prohmr_jax.weights.weight_files import load_weights, save_weights
from tests.support.demo_cases import person, write_weights


def keypoints(seed: int) -> Keypoints2D:
    values = np.reshape(person(seed), (25, 3)).astype(np.float32)
    return Keypoints2D(values[:, :2], values[:, 2])


def detection(seed: int, **other) -> Detection:
    return Detection(keypoints(seed), 0, "OpenPose", **other)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture(scope="module")
def reconstructor(weights):
    return load_reconstructor(
        weights, "open", seed=3, num_hypotheses=5, num_meshes=4, focal_length_px=0.0
    )


def test_compiles_once_for_all_people(reconstructor, monkeypatch):
    traced = chex.assert_max_traces(reconstruction.reconstruct.__wrapped__, n=1)
    once = jax.jit(traced, static_argnames=("num_hypotheses", "num_meshes"))
    monkeypatch.setattr(reconstruction, "reconstruct", once)
    source = {"source": "a.json", "photo": ""}
    for seed, size in enumerate([(0, 0), (640, 480), (100, 900)]):
        result, meshes = reconstructor(
            detection(seed), None, size, person_index=seed, **source
        )
        assert meshes.shape == (4, reconstructor.body.num_vertices, 3)
        np.testing.assert_array_equal(meshes[0], result.vertices)
        assert result.provenance.person_index == seed


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_lowers_for_accelerators(reconstructor, platform):
    exported = jax.export.export(reconstruction.reconstruct, platforms=[platform])(
        reconstructor.model,
        reconstructor.body,
        jax.tree.map(jnp.asarray, keypoints(0)),
        jnp.zeros(2),
        jnp.zeros(2),
        jax.random.key(0),
        num_hypotheses=5,
        num_meshes=4,
    )
    assert exported.platforms == (platform,)
    assert exported.mlir_module()


def test_keys_are_of_seed_and_person():
    same = person_key(0, detection(1)), person_key(0, detection(1))
    others = person_key(0, detection(2)), person_key(1, detection(1))
    data = [jax.random.key_data(key).tolist() for key in (*same, *others)]
    assert data[0] == data[1]
    assert len({str(entry) for entry in data}) == 3


def test_fingerprints_are_of_the_values(weights, reconstructor):
    _, variables = load_weights(weights)
    again = jax.tree.map(jnp.asarray, variables)
    assert tree_sha256(again) == reconstructor.provenance.weights_sha256
    means = again["mean_params"]["head"]
    means["camera"] = jnp.nextafter(means["camera"], jnp.inf)
    assert tree_sha256(again) != reconstructor.provenance.weights_sha256


def test_another_body_than_that_of_training_is_warned_of(tmp_path, weights, caplog):
    spec, variables = load_weights(weights)
    _, body = read_identified_body("open")
    arrays = read_body_arrays("open")
    taller = dataclasses.replace(arrays, v_template=1.1 * arrays.v_template)
    write_body(tmp_path / "taller.npz", taller)
    save_weights(tmp_path / "w.npz", spec, variables, body=body)
    sizes = {"seed": 3, "num_hypotheses": 5, "num_meshes": 4, "focal_length_px": 0.0}
    load_reconstructor(tmp_path / "w.npz", "open", **sizes)
    assert not caplog.records
    load_reconstructor(tmp_path / "w.npz", tmp_path / "taller.npz", **sizes)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "trained on the body 'open'" in record.getMessage()
    assert "the body 'taller.npz'" in record.getMessage()


@pytest.fixture(scope="module")
def image_reconstructor(tmp_path_factory):
    """Of a model that looks at crops of 32 pixels."""
    path = tmp_path_factory.mktemp("image_weights") / "w.npz"
    spec = ModelSpec(
        encoder="resnet18", input_size=32, context_features=512, flow_layers=1,
        flow_blocks=1, flow_hidden=8, head_hidden=8,
    )  # fmt: skip
    save_weights(path, spec, init_variables(build_model(spec), jax.random.key(0)))
    return load_reconstructor(
        path, "open", seed=3, num_hypotheses=4, num_meshes=2, focal_length_px=0.0
    )


def test_image_model_looks_at_the_box_and_nowhere_else(image_reconstructor, rng):
    photo = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    box = Box(np.array([70.0, 60.0], np.float32), np.float32(50.0))
    nobody = Keypoints2D(np.zeros((25, 2), np.float32), np.zeros(25, np.float32))
    person = Detection(nobody, 0, "plain boxes", box=box)
    run = lambda photo: image_reconstructor(  # noqa: E731
        person, photo, (160, 120), source="a.json", person_index=0, photo="a.jpg"
    )[0]
    result = run(photo)
    assert result.joints.shape == (4, 44, 3)
    np.testing.assert_array_equal(result.box_center_px, box.center)
    assert np.isnan(result.reprojection_error(0.1))
    outside = photo.copy()
    outside[:, 110:] = 0
    np.testing.assert_array_equal(run(outside).joints, result.joints)
    inside = photo.copy()
    inside[50:70, 60:80] = 0
    assert np.abs(run(inside).joints - result.joints).max() > 1e-4
