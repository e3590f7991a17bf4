"""Directions against the two-loop recursion, in float64."""


import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.quasi_newton import scale_by_bfgs

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


def directions(points, gradients):
    transformation = scale_by_bfgs()
    state, found = transformation.init(jnp.zeros(SIZE)), []
    update = jax.jit(transformation.update)
    for point, gradient in zip(points, gradients, strict=True):
        direction, state = update(jnp.float32(gradient), state, jnp.float32(point))
        found.append(np.asarray(direction))
    return found, state


def test_directions_are_those_of_the_two_loop_recursion(rng):
    points, gradients = walk(rng, convex(rng))
    found, _ = directions(points, gradients)
    first = gradients[0] * min(1.0, 1.0 / np.linalg.norm(gradients[0]))
    np.testing.assert_allclose(found[0], first, rtol=1e-5)
    pairs = list(zip(np.diff(points, axis=0), np.diff(gradients, axis=0), strict=True))
    norms = [np.linalg.norm(s) / np.linalg.norm(y) for s, y in pairs]
    for step in range(1, STEPS):
        expected = two_loops(pairs[:step], max(norms[:step]), gradients[step])
        np.testing.assert_allclose(found[step], expected, rtol=2e-3, atol=2e-3)


def test_the_last_pair_is_known_and_the_rest_convex(rng):
    points, gradients = walk(rng, convex(rng))
    _, state = directions(points, gradients)
    inverse = np.asarray(state.scale * state.guess + state.learnt, np.float64)
    y, s = gradients[-1] - gradients[-2], points[-1] - points[-2]
    np.testing.assert_allclose(inverse @ y, s, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-5)
    assert np.all(np.linalg.eigvalsh(inverse) > 0)


def test_pairs_that_are_not_convex_teach_nothing(rng):
    points, gradients = walk(rng, -convex(rng))
    found, state = directions(points, gradients)
    np.testing.assert_array_equal(state.guess, np.eye(SIZE))
    np.testing.assert_array_equal(state.learnt, 0.0)
    shrunk = gradients[-1] * min(1.0, 1.0 / np.linalg.norm(gradients[-1]))
    np.testing.assert_allclose(found[-1], shrunk, rtol=1e-5)


def test_a_batch_is_each_alone(rng):
    one = jax.jit(scale_by_bfgs().update)
    points, gradients = (rng.normal(size=(2, 3, SIZE)).astype("f4") for _ in range(2))
    init = jax.vmap(lambda x: scale_by_bfgs().init(x))(points[0])
    _, state = jax.vmap(one)(gradients[0], init, points[0])
    together, _ = jax.vmap(one)(gradients[1], state, points[1])
    for person in range(3):
        row = jax.tree.map(lambda a, p=person: a[p], state)
        alone, _ = one(gradients[1][person], row, points[1][person])
        np.testing.assert_allclose(together[person], alone, rtol=1e-5, atol=1e-6)
