"""What steps cost: counts by hand and by published numbers, bytes between devices."""

import jax
import numpy as np
import optax
import pytest

from prohmr_jax.benchmarks.devices import StepPlan, forced_devices, measure_costs
from prohmr_jax.benchmarks.input_pipeline import batches_of, write_photos
from prohmr_jax.benchmarks.step_costs import (
    collective_sizes,
    resnet_multiply_adds,
    step_flops,
)
from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.training.image_model import make_training
from prohmr_jax.training.loop import AXIS
from prohmr_jax.training.objective import Objective
from tests.support.image_training import WEIGHTS, random_batch, tiny_model


@pytest.mark.parametrize(
    ("name", "billions"),
    # As torchvision lists them (GFLOPS of the weights' pages, at 224 px).
    [("resnet18", 1.81), ("resnet34", 3.66), ("resnet50", 4.09), ("resnet101", 7.80),
     ("resnet152", 11.51)],
)  # fmt: skip
def test_encoders_cost_what_is_published(name, billions):
    wide = 2048 if name in ("resnet50", "resnet101", "resnet152") else 512
    spec = ModelSpec(encoder=name, context_features=wide)
    classifier = 1000 * wide
    counted = resnet_multiply_adds(build_model(spec).encoder, 224) + classifier
    assert counted / 1e9 == pytest.approx(billions, abs=0.006)


def test_collectives_are_read_off_a_module():
    module = """
  %a = (f32[64]{0}, f32[1]{0}) all-reduce(%x, %y), channel_id=1, to_apply=%add
  ROOT %b = bf16[3,5]{1,0} all-gather-start(%z), dimensions={0}
  %c = f32[] all-reduce(%w), to_apply=%add
  %d = pred[7]{0} collective-permute(%v), source_target_pairs={{0,1}}
  %done = bf16[3,5]{1,0} all-gather-done(%b)
  %e = f32[9]{0} fusion(%a), calls=%all-reduce(
    """
    assert collective_sizes(module) == [65 * 4, 15 * 2, 4, 7]


@pytest.fixture(scope="module")
def costs_of_two_devices():
    """The costs of a tiny step that was compiled for two devices."""
    batch = random_batch(np.random.default_rng(0), 4)
    plan = StepPlan(tiny_model(AXIS), Objective(WEIGHTS), "open", batch)
    with forced_devices(2) as process:
        return process.submit(measure_costs, plan).result()


@pytest.mark.slow
def test_devices_exchange_gradients_statistics_and_scalars_alone(costs_of_two_devices):
    costs, least = costs_of_two_devices
    assert least.gradients <= costs.exchanged_bytes <= least.total


@pytest.mark.slow
def test_sending_anything_twice_is_found_out(costs_of_two_devices):
    _, least = costs_of_two_devices
    smallest = min(least.gradients, least.statistics)
    assert least.total < least.gradients + least.statistics + smallest


def test_a_step_computes_its_linear_layers_once():
    spec = ModelSpec(
        encoder="resnet18", context_features=512, flow_layers=1, flow_hidden=256
    )
    people, side, samples = 2, 96, 2
    model, optimizer = build_model(spec), optax.adam(1e-4)
    shapes = jax.eval_shape(lambda: init_variables(model, jax.random.key(0)))
    variables = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), shapes)
    state, step = make_training(
        model, variables, Objective(WEIGHTS), (optimizer, optimizer), seed=0
    )
    batch = random_batch(np.random.default_rng(0), people, samples)
    photos = np.zeros((people, side, side, 3), np.uint8)
    batch = batch.replace(images=batch.images.replace(image=photos))
    lowered = jax.jit(step).lower(state, (batch, read_body("open")))
    compiled = lowered.cost_analysis()["flops"]
    # What hangs over the edges of images is no work, which at this size is a tenth.
    # Encoding each sample, or for each pass of the flow, would give 1.7 and more.
    assert 0.85 < compiled / step_flops(model, people, side, samples) < 1.05


def test_the_pipeline_reads_what_is_cut_from_the_portrait(tmp_path):
    source = write_photos(tmp_path / "photos", 3)
    batch = next(batches_of(source, 2, 32))
    assert batch.images.image.shape == (2, 32, 32, 3)
    # A picture, and not the black beyond it.
    assert batch.images.image.std() > 10
