"""The jitted call behind the demo: compiled once, for every kind of device."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from demo_cases import person, write_weights

from prohmr_jax import reconstruction
from prohmr_jax.checkpoint import load_weights
from prohmr_jax.reconstruction import fingerprint, load_reconstructor, person_key
from prohmr_jax.structs import Keypoints2D


def keypoints(seed: int) -> Keypoints2D:
    values = np.reshape(person(seed), (25, 3)).astype(np.float32)
    return Keypoints2D(values[:, :2], values[:, 2])


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
            keypoints(seed), size, person_index=seed, **source
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
    same = person_key(0, keypoints(1)), person_key(0, keypoints(1))
    others = person_key(0, keypoints(2)), person_key(1, keypoints(1))
    data = [jax.random.key_data(key).tolist() for key in (*same, *others)]
    assert data[0] == data[1]
    assert len({str(entry) for entry in data}) == 3


def test_fingerprints_are_of_the_values(weights, reconstructor):
    _, variables = load_weights(weights)
    again = jax.tree.map(jnp.asarray, variables)
    assert fingerprint(again) == reconstructor.made_by.weights_sha256
    means = again["mean_params"]["head"]
    means["camera"] = jnp.nextafter(means["camera"], jnp.inf)
    assert fingerprint(again) != reconstructor.made_by.weights_sha256
