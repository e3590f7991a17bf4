"""ResNets: known sizes, convolutions and pooling by loops, devices, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.models import image_input
from prohmr_jax.models.resnet import RESNETS, Conv, ResNet, max_pool, resnet
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables

# Parameters of torchvision's, less those of the classifier.
PARAMETERS = {
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
}


def size(tree):
    return sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", RESNETS)
def test_sizes_are_those_of_torchvision(name):
    module = resnet(name, "float32")
    init = lambda: module.init(jax.random.key(0), module.example_input())  # noqa: E731
    variables = jax.eval_shape(init)
    assert size(variables["params"]) == PARAMETERS[name]
    images = jnp.zeros((2, 64, 96, 3))
    out = jax.eval_shape(module.apply, variables, images)
    assert out.shape == (2, module.features)
    assert module.features == (2048 if module.bottleneck else 512)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
@pytest.mark.parametrize("side", [1, 2, 3, 7, 8])
def test_convolution_agrees_with_loops(rng, kernel, stride, side):
    x = rng.normal(size=(2, side, side, 3)).astype(np.float32)
    module = Conv(5, kernel, stride, "float32")
    variables = module.init(jax.random.key(0), x)
    weight = np.asarray(variables["params"]["kernel"], np.float64)
    pad = kernel // 2
    padded = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    count = -(-side // stride)
    expected = np.zeros((2, count, count, 5))
    for row in range(count):
        for column in range(count):
            top, left = row * stride, column * stride
            window = padded[:, top : top + kernel, left : left + kernel]
            expected[:, row, column] = np.einsum("bhwc,hwcd->bd", window, weight)
    np.testing.assert_allclose(module.apply(variables, x), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 8), (8, 5), (1, 1)])
def test_max_pool_agrees_with_a_window_reduction(rng, shape):
    x = rng.normal(size=(2, *shape, 3)).astype(np.float32)
    weight = rng.normal(size=max_pool(x).shape)

    def reduced(x):
        return jax.lax.reduce_window(
            x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1),
            ((0, 0), (1, 1), (1, 1), (0, 0)),
        )  # fmt: skip

    np.testing.assert_array_equal(max_pool(x), reduced(x))
    gradients = [jax.grad(lambda x, f=f: jnp.sum(f(x) * weight))(x)
                 for f in (max_pool, reduced)]  # fmt: skip
    np.testing.assert_allclose(*gradients, atol=1e-6)


@pytest.fixture(scope="module")
def tiny():
    module = ResNet(bottleneck=True, stages=(1, 1), width=4)
    return module, jax.jit(module.init)(jax.random.key(0), module.example_input())


def images_of(rng, count=4):
    return jnp.asarray(rng.normal(size=(count, 18, 22, 3)), jnp.float32)


def test_half_precision_keeps_weights_statistics_and_output_in_float32(rng, tiny):
    module, variables = tiny
    half = module.clone(dtype="bfloat16")
    apply = jax.jit(
        lambda images: half.apply(variables, images, True, mutable=["batch_stats"])
    )
    images = images_of(rng)
    features, updates = apply(images)
    assert {leaf.dtype for leaf in jax.tree.leaves((features, updates))} == {
        jnp.dtype(jnp.float32)
    }
    exact, _ = module.apply(variables, images, True, mutable=["batch_stats"])
    np.testing.assert_allclose(features, exact, atol=0.03 * np.abs(exact).max())


def test_devices_share_the_statistics(rng, tiny):
    module, variables = tiny
    images = images_of(rng)
    alone = lambda x: module.apply(variables, x, True, mutable=["batch_stats"])  # noqa: E731
    shared = module.clone(axis_name="data")
    apply = lambda x: shared.apply(variables, x, True, mutable=["batch_stats"])  # noqa: E731
    expected, stats = jax.jit(alone)(images)
    features, updates = jax.jit(jax.vmap(apply, axis_name="data"))(
        images.reshape(2, 2, *images.shape[1:])
    )
    np.testing.assert_allclose(features.reshape(expected.shape), expected, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-5), updates, stats
    )


def test_a_whole_model_is_built_of_its_spec():
    spec = ModelSpec(encoder="resnet18", context_features=512, mean_betas=(0.1,) * 10)
    model = build_model(spec)
    variables = jax.eval_shape(lambda: init_variables(model, jax.random.key(0)))
    assert size(variables["params"]["encoder"]) == PARAMETERS["resnet18"]
    assert "encoder" in variables["batch_stats"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"encoder": "resnet50", "context_features": 512}, "resnet50 gives 2048"),
        ({"encoder": "resnet51"}, "is none of keypoints, resnet18"),
        ({"encoder": "resnet50", "encoder_dtype": "float16"}, "neither float32"),
    ],
)
def test_specs_that_fit_nothing_are_named(fields, fault):
    with pytest.raises(InputError, match=fault):
        build_model(ModelSpec(**fields))


def test_pixels_are_scaled_clipped_and_centred(rng):
    image = rng.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    scale = np.array([[0.8, 1.0, 1.2], [1.1, 0.9, 1.0]], np.float32)
    levels = np.clip(image * scale[:, None, None].astype(float), 0, 255) / 255
    expected = (levels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(image_input.normalize(image, scale), expected, atol=1e-5)
    plain = image_input.normalize(image)
    np.testing.assert_array_equal(plain, image_input.normalize(image, np.ones((2, 3))))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_encoder_lowers_for_accelerators(dtype):
    module = resnet("resnet18", dtype)
    init = lambda: module.init(jax.random.key(0), module.example_input())  # noqa: E731
    variables = jax.eval_shape(init)
    encode = jax.jit(lambda v, image: module.apply(v, image_input.normalize(image)))
    image = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.uint8)
    exported = jax.export.export(encode, platforms=["tpu", "cuda"])(variables, image)
    assert set(exported.platforms) == {"tpu", "cuda"}
