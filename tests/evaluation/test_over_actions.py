"""Means over people and actions, and numbers that no batch size changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation.over_actions import (
    mean_over_actions,
    measure_people,
    person_keys,
)


def test_actions_weigh_alike_whatever_the_number_of_their_people(rng):
    values = rng.normal(size=(7, 3))
    actions = ["run", "sit", "run", "run", "sit", "run", "lie"]
    expected = np.zeros(3)
    for name in ("run", "sit", "lie"):
        rows = [row for row, action in zip(values, actions, strict=True)
                if action == name]  # fmt: skip
        expected += sum(rows) / len(rows) / 3
    means = mean_over_actions({"error": values, "first": values[:, 0]}, actions)
    np.testing.assert_allclose(means["error"], expected)
    np.testing.assert_allclose(means["first"], expected[0])


def test_people_who_do_not_count_change_nothing(rng):
    values = rng.normal(size=6)
    actions = ["run", "run", "sit", "sit", "lie", "lie"]
    counted = np.array([True, True, True, False, False, False])
    mean = mean_over_actions(values, actions, counted)
    assert mean == pytest.approx((values[:2].mean() + values[2]) / 2)
    assert np.isnan(mean_over_actions(values, actions, np.zeros(6, bool)))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_a_person_has_the_same_random_numbers_in_every_batch(rng, batch_size):
    people = {"x": rng.normal(size=(10, 2)).astype(np.float32)}
    shapes = set()

    def measure(batch, keys):
        shapes.add(batch["x"].shape)
        noise = jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)
        return {"noisy": batch["x"] + noise}

    measured = measure_people(measure, people, batch_size, seed=3)["noisy"]
    assert shapes == {(batch_size, 2)}
    for number in range(10):
        key = jax.random.fold_in(jax.random.key(3), number)
        expected = people["x"][number] + jax.random.normal(key, (2,))
        np.testing.assert_allclose(measured[number], expected, atol=1e-6)


def test_keys_go_on_where_the_batch_before_ended():
    whole = person_keys(0, 0, 5)
    parts = jnp.concatenate([person_keys(0, 0, 2), person_keys(0, 2, 3)])
    assert (jax.random.key_data(whole) == jax.random.key_data(parts)).all()
