"""Everything that is compiled for photos can be compiled for TPU and CUDA."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prohmr_jax.bulk_fitting.initialization import PersonArrays, initial_fit
from prohmr_jax.evaluation import image_report
from prohmr_jax.evaluation.body_errors import mean_body
from prohmr_jax.evaluation.image_errors import measure
from prohmr_jax.inference.predict import predict
from prohmr_jax.inference.reconstruction import reconstruct
from prohmr_jax.models.image_input import normalize
from prohmr_jax.models.prohmr import encode, prepare
from prohmr_jax.models.spec import init_variables
from prohmr_jax.structs import Crop
from prohmr_jax.training.adversarial import init_discriminator
from prohmr_jax.training.image_model import make_training, whitened
from prohmr_jax.training.loop import AXIS, over_devices
from prohmr_jax.training.objective import Objective
from tests.support.image_training import WEIGHTS, random_batch, tiny_model

PLATFORMS = ("tpu", "cuda")
PEOPLE = 2


@pytest.fixture(scope="module")
def trained():
    """Weights of a tiny model; shapes are all that matters."""
    shapes = jax.eval_shape(lambda: init_variables(tiny_model(), jax.random.key(0)))
    return jax.tree.map(lambda a: np.full(a.shape, 0.1, a.dtype), shapes)


@pytest.fixture(scope="module")
def prepared(trained):
    return prepare(tiny_model(), trained)


@pytest.fixture(scope="module")
def batch():
    return random_batch(np.random.default_rng(0), PEOPLE)


def assert_lowers(function, *arguments, **keywords):
    exported = jax.export.export(jax.jit(function), platforms=PLATFORMS)(
        *arguments, **keywords
    )
    assert exported.platforms == PLATFORMS


def test_training_over_devices(trained, batch, tiny_body):
    model = tiny_model(AXIS)
    model = model.clone(encoder=model.encoder.clone(dtype="bfloat16"))
    optimizer = optax.adamw(1e-4)
    state, step = make_training(
        model, trained, Objective(WEIGHTS), (optimizer, optimizer),
        seed=0, average_decay=0.9, axis_name=AXIS,
    )  # fmt: skip
    arguments = jax.tree.map(lambda a: a[None], (state, (batch, tiny_body)))
    assert_lowers(over_devices(step), *arguments)


def test_what_comes_before_training(trained, batch):
    assert_lowers(lambda v: whitened(tiny_model(), v, batch.images), trained)
    assert_lowers(lambda: init_variables(tiny_model(), jax.random.key(0)))
    assert_lowers(lambda: init_discriminator(jax.random.key(0), 10))


def test_evaluation(prepared, batch, tiny_body):
    baseline = mean_body(tiny_body, jnp.broadcast_to(jnp.eye(3), (23, 3, 3)))
    key = jax.random.key(0)
    assert_lowers(
        functools.partial(measure, num_samples=2),
        prepared, tiny_body, baseline, batch.images, key,
    )  # fmt: skip
    assert_lowers(
        functools.partial(image_report.placed_meshes, num_hypotheses=3),
        prepared, tiny_body, batch.images, key,
    )  # fmt: skip


def test_inference(prepared, batch, tiny_body):
    images, key = batch.images, jax.random.key(0)
    crops = Crop(images.image, images.box)
    assert_lowers(lambda m, image: encode(m, normalize(image)), prepared, images.image)
    for with_vertices in (False, True):
        assert_lowers(
            lambda *given, kept=with_vertices: predict(*given, 3, kept),
            prepared, tiny_body, crops, key,
        )  # fmt: skip
    one = jax.tree.map(lambda a: a[0], crops)
    assert_lowers(
        functools.partial(reconstruct, num_hypotheses=3, num_meshes=2),
        prepared, tiny_body, one, jnp.zeros(2), jnp.zeros(2), key,
    )  # fmt: skip


@pytest.mark.parametrize("frame", ["crop", "image"])
def test_initial_fits(prepared, batch, tiny_body, frame):
    images, pair = batch.images, np.zeros((PEOPLE, 2), np.float32)
    people = PersonArrays(
        encoder_input=Crop(images.image, images.box),
        keypoints=images.keypoints_2d,
        image_size=pair,
        focal_length=pair,
        principal_point=pair,
        detection_hash=np.zeros(PEOPLE, np.uint32),
    )
    assert_lowers(
        functools.partial(initial_fit, num_hypotheses=3, frame=frame),
        prepared, tiny_body, jax.random.key(0), people,
    )  # fmt: skip
