"""Measures many people in batches, and averages over people and then over actions.

Every evaluation uses these functions, so that no published number depends on the size
of its batches: a person's randomness comes from the person's own number.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Measures = TypeVar("Measures")


def person_keys(seed: int, first: int, count: int) -> jax.Array:
    """Returns the random keys of people, `[count]`: `fold_in(key(seed), number)`.

    Args:
      seed: the seed of the evaluation.
      first: the number of the first person among all people evaluated.
      count: the number of keys.
    """
    numbers = jnp.arange(first, first + count)
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), numbers)


def measure_people(
    measure: Callable[[object, jax.Array], Measures],
    people: object,
    batch_size: int,
    seed: int,
    progress: Callable[[Sequence[int]], Sequence[int]] = lambda starts: starts,
) -> Measures:
    """Returns what is measured of each person, NumPy arrays with leading axis P.

    All batches have one size, so that `measure` is compiled once; the last one is
    filled up with copies of its last person, which are not counted.

    Args:
      measure: `(batch of people, keys [B]) -> measures`, leading axis B throughout.
      people: pytree of NumPy arrays with leading axis P.
      batch_size: how many people are measured at a time.
      seed: see `person_keys`.
      progress: wraps the list of batches, to show how far the work is (`tqdm`).
    """
    num_people = len(jax.tree.leaves(people)[0])
    parts = []
    for start in progress(range(0, num_people, batch_size)):
        rows = np.minimum(np.arange(start, start + batch_size), num_people - 1)
        batch = jax.tree.map(lambda a, rows=rows: jnp.asarray(a[rows]), people)
        measures = measure(batch, person_keys(seed, start, batch_size))
        count = min(batch_size, num_people - start)
        parts.append(
            jax.tree.map(lambda a, n=count: np.asarray(a)[:n], jax.device_get(measures))
        )
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def mean_over_actions(
    measures: Measures, actions: Sequence[str], counted: np.ndarray | None = None
) -> Measures:
    """Returns the mean over actions of the means over each action's people.

    Long clips then weigh no more than short ones. The result has the structure of
    `measures`, its leaves `[*c]` float64; NaN where nobody counts.

    Args:
      measures: pytree of NumPy arrays `[P, *c]`.
      actions: the action of each person, `[P]`.
      counted: `[P]` bool, who counts; None for everyone. An action in which nobody
        counts is left out.
    """
    actions = np.asarray(actions)
    counted = np.ones(len(actions), bool) if counted is None else counted
    masks = [counted & (actions == name) for name in np.unique(actions[counted])]

    def macro(values):
        means = [values[mask].mean(axis=0, dtype=np.float64) for mask in masks]
        nobody = np.full((1, *values.shape[1:]), np.nan)
        return np.mean(means or nobody, axis=0)

    return jax.tree.map(macro, measures)
