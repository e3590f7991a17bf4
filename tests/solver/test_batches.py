"""Groups of constant size: the same results, and no work for people who finished."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Reason, Settings

PEOPLE, LATE, SIZE = 24, 3, 5


def valley(x, data):
    """Rosenbrock's function, scaled."""
    return data * jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.fixture
def starts(rng):
    return np.abs(rng.normal(size=(PEOPLE, 5))).astype(np.float32)


def minima(starts, size, objective=valley):
    data = np.ones(len(starts), np.float32)
    return minimise_batch(objective, starts, data, Settings(people_at_once=size))


def test_who_has_finished_causes_no_work(starts):
    calls = []

    def counted(x, data):
        jax.debug.callback(lambda: calls.append(None))
        return valley(x, data)

    # All but one person start at the minimum.
    starts[np.arange(PEOPLE) != LATE] = 1.0
    minimum = jax.block_until_ready(minima(starts, SIZE, counted))
    jax.effects_barrier()
    evaluations = np.asarray(minimum.evaluations)
    assert evaluations[LATE] > 20
    assert np.sum(evaluations) == evaluations[LATE] + PEOPLE - 1
    # The callback counts evaluations of whole groups. All five groups start, and one of
    # them goes on with the last person alone.
    assert len(calls) == 5 + evaluations[LATE] - 1


def test_groups_give_the_same_minima(starts):
    together, grouped = minima(starts, PEOPLE), minima(starts, SIZE)
    np.testing.assert_allclose(grouped.params, together.params, atol=1e-2)
    assert all(Reason(int(reason)).words == "converged" for reason in grouped.reason)


def test_neighbours_and_order_do_not_matter_in_groups(rng, starts):
    grouped = minima(starts, SIZE)
    order = rng.permutation(PEOPLE)
    turned = minima(starts[order], SIZE)
    chex.assert_trees_all_equal(turned, jax.tree.map(lambda a: a[order], grouped))
    starts[1:] = 3.0 * rng.normal(size=starts[1:].shape)
    starts[7] = np.nan
    among_others = minima(starts, SIZE)
    assert among_others.reason[7] == Reason.NON_FINITE
    first = jax.tree.map(lambda a: a[0], (grouped, among_others))
    chex.assert_trees_all_equal(*first)
