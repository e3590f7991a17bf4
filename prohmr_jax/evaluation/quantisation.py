"""Reduces many hypotheses of a person to a few, as Table 2 of the paper does.

A distribution is compared by n hypotheses that stand for it (Biggs et al., 3D
Multi-bodies, NeurIPS 2020): the centres of n clusters that k-means finds among samples.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float
from scipy.cluster.vq import kmeans2

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.hypothesis_errors import JointErrors, joint_errors

_STEPS = 30
RULE = (
    "k-means (k-means++ start, 30 steps of Lloyd's algorithm, on the evaluated joints "
    "relative to the pelvis) reduces the hypotheses of each person, the mode included, "
    "to n centres; the error is that of the best of the n centres, for PA-MPJPE and "
    "MPJPE each by itself"
)
"""How `quantised_errors` reduces and measures, for reports."""

_errors = jax.jit(joint_errors)


def quantise(
    joints: Float[np.ndarray, "N J 3"], number: int, rng: np.random.Generator
) -> Float[np.ndarray, "n J 3"]:
    """Returns the centres of clusters of hypotheses, in the unit of the joints.

    Args:
      joints: joints of the hypotheses of one person.
      number: number n of clusters.
      rng: random numbers of the start.

    Raises:
      InputError: there are fewer different hypotheses than clusters.
    """
    rows = np.asarray(joints, np.float64).reshape(len(joints), -1)
    if len(np.unique(rows, axis=0)) < number:
        what = f"gives a person fewer than {number} different hypotheses"
        raise InputError("the model", what)
    centres, _ = kmeans2(rows, number, iter=_STEPS, minit="++", rng=rng)
    return centres.reshape(number, *joints.shape[1:])


def quantised_errors(
    joints: Float[np.ndarray, "B N J 3"],
    truth: Float[np.ndarray, "B J 3"],
    numbers: Sequence[int],
    seed: int,
    first: int,
) -> JointErrors:
    """Returns the least errors of the n centres of each person, [B, C] for C numbers n.

    Args:
      joints: joints of the hypotheses, metres, relative to the pelvis.
      truth: the true joints.
      numbers: the numbers n.
      seed: seed of k-means.
      first: number of the first person among all people; person p has the random
        numbers of (seed, p), whatever the batches are.

    Raises:
      InputError: a person has fewer different hypotheses than clusters.
    """
    columns = []
    for number in numbers:
        centres = [
            quantise(of_person, number, np.random.default_rng((seed, first + row)))
            for row, of_person in enumerate(np.asarray(joints))
        ]
        errors = _errors(np.stack(centres).astype(np.float32), truth[:, None])
        columns.append(jax.tree.map(lambda a: np.min(a, axis=1), errors))
    return jax.tree.map(lambda *parts: np.stack(parts, axis=1), *columns)
