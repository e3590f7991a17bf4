"""Directions against the two-loop recursion, in float64."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.solver.quasi_newton import begin, update

SIZE, STEPS = 6, 9


def two_loops(pairs, scale, gradient):
    """Nocedal and Wright, algorithm 7.4."""
    vector, alphas = gradient.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ vector / (s @ y))
        vector -= alphas[-1] * y
    vector *= scale
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        vector += s * (alpha - y @ vector / (s @ y))
    return vector


def walk(rng, curvature):
    """Points and gradients of a quadratic, float64."""
    points = rng.normal(size=(STEPS, SIZE))
    return points, points @ curvature


def convex(rng):
    root = rng.normal(size=(SIZE, SIZE))
    return root @ root.T + 0.5 * np.eye(SIZE)


@jax.jit
def next_direction(known, s, y, gradient, accepted=True, afresh=False):
    s, y, gradient = (jnp.asarray(a, jnp.float32) for a in (s, y, gradient))
    return update(known, s, y, gradient, jnp.asarray(accepted), jnp.asarray(afresh))


def directions(points, gradients):
    """The downhill direction at every point, and what is known at the end."""
    nothing = np.zeros(SIZE)
    known, direction = next_direction(begin(SIZE), nothing, nothing, gradients[0])
    walked = [np.asarray(direction)]
    steps, changes = np.diff(points, axis=0), np.diff(gradients, axis=0)
    for s, y, gradient in zip(steps, changes, gradients[1:], strict=True):
        known, direction = next_direction(known, s, y, gradient)
        walked.append(np.asarray(direction))
    return walked, known


def shortened(gradient):
    return gradient * min(1.0, 1.0 / np.linalg.norm(gradient))


def test_directions_are_those_of_the_two_loop_recursion(rng):
    points, gradients = walk(rng, convex(rng))
    walked, _ = directions(points, gradients)
    np.testing.assert_allclose(walked[0], -shortened(gradients[0]), rtol=1e-5)
    pairs = list(zip(np.diff(points, axis=0), np.diff(gradients, axis=0), strict=True))
    norms = [np.linalg.norm(s) / np.linalg.norm(y) for s, y in pairs]
    for step in range(1, STEPS):
        expected = -two_loops(pairs[:step], max(norms[:step]), gradients[step])
        np.testing.assert_allclose(walked[step], expected, rtol=2e-3, atol=2e-3)


def test_the_last_pair_is_known_and_the_rest_convex(rng):
    points, gradients = walk(rng, convex(rng))
    _, known = directions(points, gradients)
    guess, learnt = np.asarray(known.matrices, np.float64)
    inverse = float(known.scale) * guess + learnt
    y, s = gradients[-1] - gradients[-2], points[-1] - points[-2]
    np.testing.assert_allclose(inverse @ y, s, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-5)
    assert np.all(np.linalg.eigvalsh(inverse) > 0)


def test_pairs_that_are_not_convex_teach_nothing(rng):
    points, gradients = walk(rng, -convex(rng))
    walked, known = directions(points, gradients)
    chex.assert_trees_all_equal(known, begin(SIZE))
    np.testing.assert_allclose(walked[-1], -shortened(gradients[-1]), rtol=1e-5)


def test_what_is_not_accepted_is_not_learnt_and_can_be_forgotten(rng):
    points, gradients = walk(rng, convex(rng))
    _, known = directions(points, gradients)
    s, y = points[1] - points[0], gradients[1] - gradients[0]
    same, direction = next_direction(known, s, y, gradients[2], accepted=False)
    chex.assert_trees_all_equal(same, known)
    guess, learnt = np.asarray(known.matrices)
    expected = -(known.scale * guess + learnt) @ gradients[2]
    np.testing.assert_allclose(direction, expected, rtol=1e-3, atol=1e-4)
    nothing, direction = next_direction(known, s, y, gradients[2], False, afresh=True)
    chex.assert_trees_all_equal(nothing, begin(SIZE))
    np.testing.assert_allclose(direction, -shortened(gradients[2]), rtol=1e-5)
