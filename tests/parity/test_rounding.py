"""Rounding excuses what it can explain, and no error however small it is."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.models import conditioner, skeleton_lifter
from prohmr_jax.models.layers import BatchNorm
from prohmr_jax.models.lifter_spec import build_lifter
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.gradients import gradient_norms
from prohmr_jax.parity.lifting import check_proskeleton, value_and_gradients
from prohmr_jax.parity.report import FAIL, OK, Report
from prohmr_jax.parity.rounding import (
    DRAWS,
    FACTOR,
    LARGEST,
    MOST_DRAWS,
    RoundingBounds,
    bound_rounding,
    changed,
)
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.training.lifter_objective import (
    OFFICIAL_WEIGHTS,
    LiftingDraws,
    LiftingTask,
)
from prohmr_jax.weights.official_lifter import lifter_to_official
from tests.support.lifting_cases import (
    SMALL_LIFTER,
    official_lifter,
    random_variables,
)
from tests.support.paths import GOLDENS

ROWS = 5


def test_numbers_change_by_one_unit_in_the_last_place_at_most():
    values = np.float32([0.0, 1.0, -3.5, 1e-30, 2.0**-126, 1e30])
    tree = {
        "x": np.tile(values, (50, 1)),
        "n": np.arange(3),
        "key": jax.random.key(3),
        "j": jnp.ones(4, bool),
    }
    first, second = changed(tree, 1), changed(tree, 2)
    moved = first["x"].view(np.int32) - tree["x"].view(np.int32)
    assert set(np.unique(moved[:, 1:])) == {-1, 0, 1}
    assert np.any(first["x"] != second["x"])
    assert first["x"].dtype == np.float32
    np.testing.assert_array_equal(first["x"][:, 0], 0.0)
    np.testing.assert_array_equal(first["n"], tree["n"])
    assert first["key"] is tree["key"]
    assert first["j"] is tree["j"]


@pytest.mark.parametrize(
    ("ours", "official", "spread", "holds"),
    [
        (1.0, 1.0 + 0.9 * FACTOR * 1e-3, 1e-3, True),
        (1.0, 1.0 - 0.9 * FACTOR * 1e-3, 1e-3, True),
        (1.0, 1.0 + 1.1 * FACTOR * 1e-3, 1e-3, False),
        # Our own float32 has to be near float64 too.
        (1.0 + 1.1 * FACTOR * 1e-3, 1.0, 1e-3, False),
        # However much rounding moves a norm, it excuses no more than `LARGEST`.
        (1.0, 1.0 + 0.9 * LARGEST, 1.0, True),
        (1.0, 1.0 + 1.1 * LARGEST, 1.0, False),
        (1.0, np.nan, 1e-3, False),
        (np.nan, 1.0, 1e-3, False),
    ],
)
def test_only_what_is_near_float64_is_excused(ours, official, spread, holds):
    bounds = RoundingBounds({"a": 1.0}, lambda seed: {"a": 1.0 - spread / (1 + seed)})
    excused, proof = bounds.verdict("a", ours, official)
    assert excused == holds
    assert "float64 1.000000e+00" in proof
    assert f"{spread:.1e} apart, which allows" in proof
    assert len(bounds.drawn) in (DRAWS, MOST_DRAWS)


def test_more_is_drawn_until_the_difference_is_explained():
    """As where a rectifier lies on the other side of zero in one of 20 draws."""
    bounds = RoundingBounds({"a": 1.0}, lambda seed: {"a": 1.0 + 2e-3 * (seed == 19)})
    excused, proof = bounds.verdict("a", 1.0, 1.002)
    assert excused
    assert len(bounds.drawn) == 20
    assert "of 20 changes" in proof
    assert bounds.verdict("a", 1.0, 1.003)[0]
    assert len(bounds.drawn) == 20
    assert not bounds.verdict("a", 1.0, 1.007)[0]
    assert len(bounds.drawn) == MOST_DRAWS


def test_a_norm_without_an_exact_one_is_not_excused():
    bounds = RoundingBounds({"a": 0.0}, lambda seed: {"a": 1e-9})
    assert not bounds.verdict("a", 1e-9, 1e-9)[0]
    assert not bounds.verdict("b", 1.0, 1.0)[0]


def test_bounds_are_those_of_float64_and_of_changes():
    """The sum of many numbers that cancel is all rounding in float32."""
    x = np.float32(np.random.default_rng(0).normal(size=1000)) * 1e4
    x -= x.mean()
    exact = np.sum(x, dtype=np.float64)

    @jax.jit
    def total(x):
        return jnp.sum(x)

    bounds = bound_rounding(lambda x, _: {"sum": float(total(x))}, x)
    np.testing.assert_allclose(bounds.exact["sum"], exact, rtol=1e-12)
    assert len({bounds.draw(seed)["sum"] for seed in range(4)}) == 4
    assert bounds.draw(1) == bounds.draw(1)
    assert not jax.config.jax_enable_x64


# A model whose batch norms amplify rounding.
SPEC = dataclasses.replace(
    SMALL_LIFTER, flow_layers=1, encoder_dropout=0.0, flow_dropout=0.0
)
# Factor of the contexts' differences between rows. The flow's first batch norm divides
# by them where all rows have the mode's latent, and amplifies rounding as much.
ALIKE = 2e-5


@pytest.fixture(scope="module")
def inputs():
    """Weights, and inputs of one step."""
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    variables = random_variables(SPEC)
    last = variables["params"]["encoder"]["fc_layers_2"]["fc_block_1"]
    last["scale"] = np.float32(ALIKE) * last["scale"]
    last["bias"] = np.abs(last["bias"])
    joints = (ROWS, SPEC.output_joints, 3)
    z = np.pad(draw(ROWS, 1, 3 * SPEC.output_joints), ((0, 0), (1, 0), (0, 0)))
    keypoints = Keypoints2D(
        draw(ROWS, SPEC.input_joints, 2), np.ones((ROWS, SPEC.input_joints), np.float32)
    )
    draws = LiftingDraws(z, draw(*joints), jax.random.key(0))
    return variables, (keypoints, draw(*joints), draws)


TASK = LiftingTask(build_lifter(SPEC))


def official(inputs, task=TASK, seed=1000):
    """Gradients and running averages of a step, rounded as no proof has seen."""
    (_, (aux, _)), gradients = value_and_gradients(task, *changed(inputs, seed))
    return (
        lifter_to_official({"params": gradients}),
        lifter_to_official({"batch_stats": aux.batch_stats}),
    )


def compared(inputs, gradients, averages):
    """Names of the rows that fail, and of those that a proof excuses."""
    variables, (keypoints, joints, draws) = inputs
    ones = np.ones((*joints.shape[:-1], 1), np.float32)
    prefix = "train/grad_norm/"
    norms = gradient_norms(gradients)
    entries = {
        **{f"sd/{name}": a for name, a in official_lifter(SPEC, variables).items()},
        "in/keypoints_2d": np.concatenate([keypoints.xy, ones[:, :1].repeat(
            SPEC.input_joints, 1)], -1),
        "in/keypoints_3d": np.concatenate([joints, ones], -1),
        "train/in/noise": draws.z[:, 1:],
        "train/in/pose_noise": draws.label_noise,
        **{prefix + name: np.float64(norms[name]) for name in gradients},
        **{f"train/after_sd/{name}": np.asarray(a) for name, a in averages.items()},
    }  # fmt: skip
    report = Report()
    case = GoldenFile(GoldenDirectory(GOLDENS), "proskeleton_made.npz", entries)
    check_proskeleton(case, report)
    failed = {row.what for row in report.rows if row.verdict == FAIL}
    proven = {r.what for r in report.rows if r.tolerance == "proof" and r.verdict == OK}
    return failed, proven


@pytest.mark.parametrize("seed", [1000, 1001, 1002])
def test_another_rounding_of_the_same_step_is_excused(inputs, seed):
    failed, proven = compared(inputs, *official(inputs, seed=seed))
    assert not failed
    assert proven


def weighted(**changes):
    return dataclasses.replace(TASK, weights=OFFICIAL_WEIGHTS.replace(**changes))


@pytest.mark.parametrize(
    "weights",
    [{"keypoints_3d_mode": 1.01}, {"nll": 0.0}],
    ids=["a factor of 1.01", "no likelihood"],
)
def test_a_wrong_objective_is_not_excused(inputs, weights):
    task = dataclasses.replace(TASK, weights=OFFICIAL_WEIGHTS.replace(**weights))
    failed, _ = compared(inputs, *official(inputs, task))
    assert [name for name in failed if "/grad_norm/" in name]


@pytest.mark.parametrize(
    ("wrong", "row"), [({"epsilon": 1e-4}, "grad_norm"), ({"momentum": 0.11}, "_mean")]
)
def test_a_wrong_batch_norm_is_not_excused(inputs, monkeypatch, wrong, row):
    """The official numbers are those of another norm than ours."""
    # A weight of a term that is always zero, so that the step is compiled anew.
    weights = OFFICIAL_WEIGHTS.replace(readout=1.0 + sum(wrong.values()))
    with monkeypatch.context() as patch:
        for module in (skeleton_lifter, conditioner):
            patch.setattr(module, "BatchNorm", functools.partial(BatchNorm, **wrong))
        numbers = official(inputs, dataclasses.replace(TASK, weights=weights))
    failed, _ = compared(inputs, *numbers)
    assert [name for name in failed if row in name]
