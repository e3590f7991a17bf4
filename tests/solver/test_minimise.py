"""The optimiser against SciPy, alone, in batches and through slots."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from prohmr_jax.solver import slots as slots_module
from prohmr_jax.solver.minimise import minimise, minimise_batch
from prohmr_jax.solver.problem import Reason, Settings
from prohmr_jax.solver.slots import minimise_many

LBFGS = Settings()
LIMITED = Settings(memory=5)
solve = jax.jit(minimise, static_argnames=("objective", "settings"))


def rosenbrock(params, data):
    x = jnp.concatenate([params["a"], params["b"]])
    return data * jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def quadratic(params, data):
    """Its minimum is -sum(1 / data) / 2."""
    return jnp.sum(0.5 * data * params**2 - params)


def starts(rng, people):
    # Positive, since there is another minimum on the other side.
    x = np.abs(rng.normal(size=(people, 5))).astype(np.float32)
    return {"a": x[:, :2], "b": x[:, 2:]}, np.ones(people, np.float32)


def rows(tree, chosen):
    return jax.tree.map(lambda a: np.asarray(a)[chosen], tree)


def test_rosenbrock_as_well_and_as_fast_as_scipy(rng):
    initial, data = starts(rng, 6)
    minimum = minimise_batch(rosenbrock, initial, data, LBFGS)
    assert all(Reason(int(reason)).words == "converged" for reason in minimum.reason)
    np.testing.assert_allclose(minimum.params["a"], 1.0, atol=1e-3)
    np.testing.assert_allclose(minimum.params["b"], 1.0, atol=1e-3)
    theirs = [
        optimize.minimize(
            optimize.rosen,
            np.concatenate([a, b]),
            jac=optimize.rosen_der,
            method="L-BFGS-B",
        )  # fmt: skip
        for a, b in zip(initial["a"], initial["b"], strict=True)
    ]
    assert np.sum(minimum.evaluations) < 1.3 * sum(r.nfev for r in theirs)
    assert np.all(minimum.steps < minimum.evaluations)


@pytest.mark.parametrize("settings", [LBFGS, LIMITED], ids=["all", "limited"])
def test_a_quadratic_has_its_known_minimum(rng, settings):
    data = np.stack([np.linspace(1, 9, 7), np.linspace(0.5, 2, 7)]).astype(np.float32)
    initial = rng.normal(size=data.shape).astype(np.float32)
    minimum = minimise_batch(quadratic, initial, data, settings)
    np.testing.assert_allclose(minimum.loss, -0.5 * np.sum(1 / data, axis=1), rtol=1e-4)
    np.testing.assert_allclose(minimum.params, 1 / data, atol=0.02)
    assert all(Reason(int(reason)).words == "converged" for reason in minimum.reason)


def test_an_ill_conditioned_quadratic(rng):
    data = np.logspace(0, 4, 20, dtype=np.float32)
    minimum = solve(quadratic, rng.normal(size=20).astype(np.float32), data, LBFGS)
    np.testing.assert_allclose(minimum.loss, -0.5 * np.sum(1 / data), rtol=1e-5)
    assert minimum.evaluations < 200


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_the_scale_of_the_objective_does_not_matter_much(rng, scale):
    # A multiple has the same minimiser: curved valley, far from the start.
    initial, _ = starts(rng, 3)
    settings = Settings(gradient_tolerance=1e-9)
    data = np.full(3, scale, np.float32)
    minimum = minimise_batch(rosenbrock, initial, data, settings)
    np.testing.assert_allclose(minimum.params["b"], 1.0, atol=2e-3)


def test_every_evaluation_is_counted(rng):
    calls = []

    def counted(params, data):
        jax.debug.callback(lambda: calls.append(None))
        return rosenbrock(params, data)

    initial, data = rows(starts(rng, 2), 0)
    minimum = jax.block_until_ready(solve(counted, initial, data, LBFGS))
    jax.effects_barrier()
    assert len(calls) == minimum.evaluations


def test_the_loss_is_that_of_the_params_and_below_the_start(rng):
    initial, data = starts(rng, 4)
    for settings in (LBFGS, LIMITED):
        minimum = minimise_batch(rosenbrock, initial, data, settings)
        losses = jax.vmap(rosenbrock)(minimum.params, data)
        np.testing.assert_allclose(minimum.loss, losses, rtol=1e-4, atol=1e-7)
        start = jax.vmap(rosenbrock)(initial, data)
        np.testing.assert_allclose(minimum.start_loss, start, rtol=1e-5)
        assert np.all(minimum.loss < start)


def test_a_limit_of_steps_is_kept(rng):
    initial, data = starts(rng, 3)
    minimum = minimise_batch(rosenbrock, initial, data, Settings(max_steps=5))
    assert np.all(minimum.steps == 5)
    assert np.all(minimum.reason == Reason.STEP_LIMIT)


def test_a_minimum_stays_where_it_is():
    minimum = solve(quadratic, np.ones(3, np.float32), np.ones(3, np.float32), LBFGS)
    assert minimum.reason == Reason.GRADIENT_SMALL
    assert (minimum.steps, minimum.evaluations) == (0, 1)
    np.testing.assert_array_equal(minimum.params, 1.0)


@pytest.mark.parametrize("settings", [LBFGS, LIMITED], ids=["all", "limited"])
def test_starts_that_are_not_finite_end_and_harm_nobody(rng, settings):
    data = np.ones((4, 3), np.float32)
    initial = rng.normal(size=data.shape).astype(np.float32)
    good = minimise_batch(quadratic, initial, data, settings)
    initial[1, 0], initial[2, 1] = np.nan, np.inf
    data[3] = np.nan
    minimum = minimise_batch(quadratic, initial, data, settings)
    assert np.all(minimum.reason[1:] == Reason.NON_FINITE)
    assert np.all(np.isfinite(minimum.params))
    assert np.all(np.isinf(minimum.loss[1:]))
    np.testing.assert_array_equal(minimum.params[3], initial[3])
    chex.assert_trees_all_equal(rows(minimum, 0), rows(good, 0))


def test_steps_over_a_cliff_are_taken_back():
    # Finite only above zero; the minimum, at 1/100, is close to the edge.
    barrier = lambda x, _: jnp.sum(100.0 * x - jnp.log(x))  # noqa: E731
    minimum = solve(barrier, jnp.array([3.0]), (), LBFGS)
    np.testing.assert_allclose(minimum.params, 0.01, rtol=1e-2)
    assert Reason(int(minimum.reason)).words in ("converged", "no further progress")


def test_a_gradient_that_misleads_ends_without_progress():
    """Every step against the gradient raises the objective, as rounding can do."""

    def misleading(x, _):
        rises = jax.lax.stop_gradient(jnp.sum(jnp.abs(x)))
        return rises + jnp.sum(x - jax.lax.stop_gradient(x))

    minimum = solve(misleading, jnp.zeros(1), (), Settings(patience=1000))
    assert minimum.reason == Reason.NO_PROGRESS
    assert (minimum.loss, minimum.steps) == (0.0, 0)


def test_every_reason_has_words_and_keeps_its_number():
    assert [reason.words for reason in sorted(Reason)] == [
        "not ended", "converged", "converged", "step limit", "no finite value",
        "no further progress",
    ]  # fmt: skip


def test_nothing_finite_around_ends_with_the_last_finite_point():
    # Finite at the start alone.
    point = lambda x, _: jnp.where(x[0] == 2.0, x[0] + 1e-3 * x[0], jnp.nan)  # noqa: E731
    for settings in (LBFGS, LIMITED):
        minimum = solve(point, jnp.array([2.0]), (), settings)
        assert minimum.reason == Reason.NON_FINITE
        np.testing.assert_array_equal(minimum.params, 2.0)
        assert np.isfinite(minimum.loss)


def test_a_person_does_not_depend_on_order_or_neighbours(rng):
    initial, data = starts(rng, 8)
    minimum = minimise_batch(rosenbrock, initial, data, LBFGS)
    order = rng.permutation(8)
    shuffled = minimise_batch(rosenbrock, *rows((initial, data), order), LBFGS)
    chex.assert_trees_all_equal(rows(shuffled, np.argsort(order)), rows(minimum, ...))
    for leaf in jax.tree.leaves(initial):
        leaf[1:] = 100.0 * rng.normal(size=leaf[1:].shape)
    among_others = minimise_batch(rosenbrock, initial, data, LBFGS)
    chex.assert_trees_all_equal(rows(among_others, 0), rows(minimum, 0))


@pytest.mark.parametrize("people", [1, 3, 11])
def test_slots_give_what_a_person_gets_alone(rng, people):
    initial, data = starts(rng, people)
    settings, slots = Settings(max_steps=60), 3
    solved = minimise_many(rosenbrock, initial, data, settings, slots, check_every=7)
    assert np.all(solved.minimum.reason != Reason.RUNNING)
    for person in range(people):
        one = rows((initial, data), slice(person, person + 1))
        alone = minimise_many(rosenbrock, *one, settings, slots, check_every=7)
        chex.assert_trees_all_equal(
            rows(alone.minimum, 0), rows(solved.minimum, person)
        )
    assert 0.2 < solved.useful <= 1.0


def test_slots_do_not_wait_for_the_slowest(rng):
    # All but one person start at the minimum.
    people, slots, check_every = 24, 4, 2
    initial = {"a": np.ones((people, 2), np.float32), "b": np.ones((people, 3))}
    initial["b"][0] = 5.0
    data = np.ones(people, np.float32)
    solved = minimise_many(rosenbrock, initial, data, LBFGS, slots, check_every)
    evaluations = solved.minimum.evaluations
    assert evaluations[0] > 20 * np.max(evaluations[1:])
    rounds = -(-people // slots)
    longest = evaluations[0] + check_every * rounds
    assert solved.useful >= np.sum(evaluations) / (slots * longest)


def test_work_of_empty_slots_is_not_called_useful(rng):
    initial, data = starts(rng, 1)
    solved = minimise_many(rosenbrock, initial, data, LBFGS, slots=4, check_every=5)
    np.testing.assert_allclose(solved.useful, 0.25)


def test_people_are_asked_for_as_there_is_room(rng):
    initial, data = starts(rng, 9)
    asked = []

    def waiting():
        for number, one in enumerate(slots_module.rows((initial, data))):
            asked.append(number)
            yield one

    slots = slots_module.Slots(rosenbrock, LBFGS, number=2)
    met = []
    for number, minimum in slots.solve(waiting()):
        met.append(number)
        # Besides those in the slots, those who leave at the same time.
        assert len(asked) - len(met) <= 2
        assert minimum.loss.shape == ()
    assert sorted(met) == list(range(9))
    together = minimise_many(rosenbrock, initial, data, LBFGS, slots=2)
    assert slots.useful == together.useful
    assert list(slots_module.Slots(rosenbrock, LBFGS, 2).solve(())) == []


@pytest.mark.parametrize("people", [1, 4, 7])
def test_batches_of_one_size_give_what_the_function_does(rng, people):
    sizes = []

    @jax.jit
    def function(a, b):
        sizes.append(a.shape[0])
        return {"sum": a + b["c"], "row": jnp.sum(a, axis=1)}

    tree = rng.normal(size=(people, 3)), {"c": rng.normal(size=(people, 1))}
    batched = slots_module.map_batches(function, tree, 4)
    np.testing.assert_allclose(batched["sum"], tree[0] + tree[1]["c"], atol=1e-6)
    np.testing.assert_allclose(batched["row"], tree[0].sum(axis=1), atol=1e-6)
    assert sizes == [4]


def test_compiles_once_and_takes_weights_as_arguments(rng):
    initial, data = starts(rng, 3)

    def weighted(weight, params, data):
        return weight * rosenbrock(params, data)

    traced = chex.assert_max_traces(weighted, n=1)
    for weight in (1.0, 2.0):
        objective = jax.tree_util.Partial(traced, jnp.float32(weight))
        minimise_batch(objective, initial, data, LBFGS)
    text = (
        jax.jit(functools.partial(minimise_batch, settings=LBFGS))
        .lower(jax.tree_util.Partial(weighted, jnp.arange(3.0)[0]), initial, data)
        .as_text()
    )
    assert "stablehlo.while" in text


@pytest.mark.parametrize("settings", [LBFGS, LIMITED], ids=["all", "limited"])
def test_lowers_for_accelerators(rng, settings):
    function = functools.partial(minimise_batch, rosenbrock, settings=settings)
    exported = jax.export.export(jax.jit(function), platforms=["tpu", "cuda"])
    assert exported(*starts(rng, 2)).platforms == ("tpu", "cuda")
