"""MoveNet: equal to the published graphs, batched, differentiable, lowered."""

import importlib.util
import os
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.images import read_image
from prohmr_jax.models.movenet.backbone import DepthwiseConv
from prohmr_jax.models.movenet.decoding import decode_people, decode_single
from prohmr_jax.models.movenet.network import doubled, multipose, thunder
from prohmr_jax.weights import movenet_files
from tests.support.paths import ROOT

GOLDEN = Path(__file__).with_name("movenet_astronaut.npz")
ASTRONAUT = ROOT / "prohmr_jax" / "assets" / "demo" / "astronaut.jpg"


@pytest.fixture(scope="module")
def thunder_model():
    return movenet_files.load_thunder()


@pytest.fixture(scope="module")
def multipose_model():
    return movenet_files.load_multipose()


def apply_thunder(model, images):
    """[B, 17, 3] as the graph has it, and the features."""
    network, variables = model
    images = jnp.asarray(images)

    @jax.jit
    def run(variables, images):
        output = network.apply(variables, images)
        return decode_single(output.heads), output.backbone.features

    keypoints, features = run(variables, images)
    return as_graph(keypoints, images.shape[1:3]), np.asarray(features)


def apply_multipose(model, images):
    """[B, 6, 56] as the graph has it."""
    network, variables = model
    images = jnp.asarray(images)
    run = jax.jit(lambda v, x: decode_people(network.apply(v, x).heads))
    people = run(variables, images)
    sides = images.shape[1:3]
    corners = np.asarray(people.box).reshape(-1, 6, 2, 2)
    box = ((corners + 0.5) / np.array(sides[::-1]))[..., ::-1].reshape(-1, 6, 4)
    joints = as_graph(people.keypoints, sides).reshape(-1, 6, 51)
    return np.concatenate([joints, box, np.asarray(people.score)[..., None]], axis=-1)


def as_graph(keypoints, sides):
    """(y, x, score) in units of the picture's sides."""
    yx = (np.asarray(keypoints.xy)[..., ::-1] + 0.5) / np.array(sides)
    return np.concatenate([yx, np.asarray(keypoints.confidence)[..., None]], axis=-1)


def test_keypoints_of_a_shipped_photo_are_those_of_the_graphs(
    thunder_model, multipose_model
):
    golden = np.load(GOLDEN)
    image = read_image(ASTRONAUT)[: 8 * 32, 3 * 32 : 11 * 32]
    single, features = apply_thunder(thunder_model, image[None])
    np.testing.assert_allclose(single[0], golden["thunder"], atol=1e-4)
    scale = np.abs(golden["features"]).max()
    sample = features[0, ::3, ::3, ::40]
    np.testing.assert_allclose(sample, golden["features"], atol=1e-3 * scale)
    people = apply_multipose(multipose_model, image[None, :, :224])
    np.testing.assert_allclose(people[0], golden["multipose"], atol=1e-4)
    assert people[0, 0, -1] > 0.2
    assert np.all(people[0, 0, :51].reshape(17, 3)[:5, 2] > 0.3)  # the face


@pytest.mark.parametrize("name", ["pexels", "astronaut"])
def test_outputs_are_those_of_the_full_goldens(
    shared_goldens, thunder_model, multipose_model, name
):
    path = shared_goldens / "detector" / f"{name}.npz"
    if not path.is_file():
        pytest.skip("needs the detector's goldens")
    golden = np.load(path)
    single, features = apply_thunder(thunder_model, golden["thunder_input"][None])
    np.testing.assert_allclose(single[0], golden["thunder_output"], atol=1e-3)
    scale = np.abs(golden["thunder_features"]).max()
    np.testing.assert_allclose(
        features[0], golden["thunder_features"], atol=1e-3 * scale
    )
    people = apply_multipose(multipose_model, golden["multipose_input"][None])
    np.testing.assert_allclose(people[0], golden["multipose_output"], atol=1e-3)


@pytest.fixture(scope="module")
def oracle():
    """Runs a published graph node by node."""
    shared = Path(os.environ.get("PROHMR_SHARED", ROOT.parent / "shared"))
    models = Path(
        os.environ.get("PROHMR_HUMAN_MODELS", ROOT.parent / "npm/package/models")
    )
    script = shared / "reference" / "tfjs_graph.py"
    if not (script.is_file() and models.is_dir()):
        pytest.skip("needs tfjs_graph.py and the npm package (PROHMR_HUMAN_MODELS)")
    spec = importlib.util.spec_from_file_location("tfjs_graph", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(name, image):
        graph, arrays = module.load(str(models / f"movenet-{name}.json"))
        key = graph["signature"]["inputs"]
        feed = next(iter(key.values()))["name"].split(":")[0]
        run_graph = jax.jit(lambda x: module.run(graph, arrays, {feed: x})[0])
        return np.asarray(run_graph(jnp.asarray(image, jnp.int32)[None]))[0]

    return run


def smooth_noise(rng, height, width):
    """A picture of colourful blobs, with something at every scale."""
    image = np.zeros((height, width, 3))
    for cells in (2, 5, 11):
        coarse = rng.normal(size=(cells, cells, 3))
        image += np.asarray(jax.image.resize(coarse, image.shape, "cubic"))
    return np.clip(128 + 60 * image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sides", [(64, 96), (160, 128), (96, 224)])
def test_multipose_equals_the_graph_on_random_pictures(
    oracle, multipose_model, rng, sides
):
    image = smooth_noise(rng, *sides)
    people = apply_multipose(multipose_model, image[None])[0]
    np.testing.assert_allclose(people, oracle("multipose", image), atol=1e-3)


def test_thunder_equals_the_graph_on_random_pictures(oracle, thunder_model, rng):
    for _ in range(2):
        image = smooth_noise(rng, 256, 256)
        single, _ = apply_thunder(thunder_model, image[None])
        np.testing.assert_allclose(single[0], oracle("thunder", image)[0], atol=1e-3)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sides", [(6, 8), (7, 5), (1, 2)])
def test_shifted_products_are_a_grouped_convolution(rng, stride, sides):
    x = rng.normal(size=(2, *sides, 4)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 4)).astype(np.float32)
    layer = DepthwiseConv(stride, use_bias=False)

    def shifted(x, kernel):
        return layer.apply({"params": {"kernel": kernel}}, x)

    def grouped(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel[:, :, None], (stride, stride), "SAME", feature_group_count=4,
            dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest",
        )  # fmt: skip

    out, pull = jax.vjp(shifted, x, kernel)
    expected, pull_expected = jax.vjp(grouped, x, kernel)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    direction = rng.normal(size=out.shape).astype(np.float32)
    for mine, theirs in zip(pull(direction), pull_expected(direction), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_doubling_interpolates_between_centres():
    row = jnp.asarray([0.0, 4.0, 8.0])[None, None, :, None]
    expected = [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]
    np.testing.assert_allclose(doubled(row)[0, 0, :, 0], expected, atol=1e-6)
    np.testing.assert_allclose(doubled(row)[0, 1, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("several", [False, True])
def test_a_batch_is_its_images_one_by_one(multipose_model, thunder_model, rng, several):
    network, variables = multipose_model if several else thunder_model
    decode = decode_people if several else decode_single
    images = np.stack([smooth_noise(rng, 64, 32) for _ in range(2)])

    @jax.jit
    def run(variables, images):
        def alone(image):
            output = network.apply(variables, image[None])
            return jax.tree.map(lambda a: a[0], (output, decode(output.heads)))

        output = network.apply(variables, images)
        return (output, decode(output.heads)), jax.vmap(alone)(images)

    batch, mapped = run(variables, images)
    for one, other in zip(jax.tree.leaves(batch), jax.tree.leaves(mapped), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3 * np.abs(one).max())


def test_features_have_the_gradient_of_finite_differences(thunder_model, rng):
    network, variables = thunder_model
    image = smooth_noise(rng, 32, 32).astype(np.float32)[None]
    probe = rng.normal(size=(1, 8, 8, 24)).astype(np.float32)

    @jax.jit
    def value_and_gradient(variables, image):
        def value(image):
            output = network.apply(variables, image)
            assert output.backbone.features.shape == (1, 1, 1, 1280)
            assert output.pyramid.stride_16.shape == (1, 2, 2, 32)
            assert output.pyramid.stride_8.shape == (1, 4, 4, 24)
            features = jnp.mean(output.backbone.features)
            return jnp.vdot(output.pyramid.stride_4, probe) + features

        return jax.value_and_grad(value)(image)

    gradient = np.asarray(value_and_gradient(variables, image)[1])
    # Along the signs of the gradient the value changes most.
    step = 0.01 * np.sign(gradient)
    after, before = (
        float(value_and_gradient(variables, image + sign * step)[0]) for sign in (1, -1)
    )
    slope = 2 * np.sum(gradient * step)
    assert after - before == pytest.approx(slope, rel=0.03)


@pytest.mark.parametrize("network", [thunder(), multipose()])
def test_both_networks_lower_for_accelerators(network):
    decode = decode_people if network.has_boxes else decode_single
    variables = jax.eval_shape(network.init, jax.random.key(0), network.example_input())
    images = jax.ShapeDtypeStruct((2, 64, 96, 3), jnp.uint8)
    function = jax.jit(lambda v, x: decode(network.apply(v, x).heads))
    platforms = ("tpu", "cuda")
    exported = jax.export.export(function, platforms=platforms)(variables, images)
    assert exported.platforms == platforms
    assert exported.out_avals[0].shape[0] == 2


def test_sides_that_do_not_fit_are_refused(multipose_model):
    network, variables = multipose_model
    with pytest.raises(ValueError, match="multiples of 32"):
        network.apply(variables, jnp.zeros((1, 64, 40, 3)))


def test_the_shipped_files_are_small_and_float16():
    files = movenet_files.THUNDER_FILE, movenet_files.MULTIPOSE_FILE
    assert sum(path.stat().st_size for path in files) < 22e6
    for path in files:
        with np.load(path) as archive:
            assert {archive[name].dtype for name in archive} == {np.dtype(np.float16)}
        assert (path.parent / "LICENSE-Apache-2.0.txt").is_file()


def test_weights_of_another_network_are_refused():
    with pytest.raises(InputError) as error:
        movenet_files.load_weights(thunder(), movenet_files.MULTIPOSE_FILE)
    assert str(error.value).startswith(str(movenet_files.MULTIPOSE_FILE))
    assert "\n" not in str(error.value)
