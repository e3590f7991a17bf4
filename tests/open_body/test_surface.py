"""The open body's surface and shape space, on small made-up meshes."""

import numpy as np
import pytest

from prohmr_jax.open_body import decimation, shape_space, surface


def octasphere(rounds: int):
    """A sphere whose triangles cross no coordinate plane: vertices, faces, mirror."""
    points = [tuple(s * e) for e in np.eye(3, dtype=int) for s in (1, -1)]
    octants = [(x, y, z) for x in (0, 1) for y in (2, 3) for z in (4, 5)]
    faces = [f[::-1] if (sum(f) % 2) else f for f in octants]
    vertices = np.array(points, float)
    for _ in range(rounds):
        position = {tuple(p): i for i, p in enumerate(vertices.tolist())}
        vertices, split = vertices.tolist(), []
        for a, b, c in faces:
            middle = []
            for i, j in ((a, b), (b, c), (c, a)):
                p = tuple((np.add(vertices[i], vertices[j]) / 2).tolist())
                if p not in position:
                    position[p] = len(vertices)
                    vertices.append(p)
                middle.append(position[p])
            x, y, z = middle
            split += [(a, x, z), (x, b, y), (z, y, c), (x, y, z)]
        vertices, faces = np.array(vertices), split
    position = {tuple(p): i for i, p in enumerate(vertices.tolist())}
    image = [position[(0.0 - x, y, z)] for x, y, z in vertices.tolist()]
    sphere = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    return sphere, np.array(faces), np.array(image)


def assert_closed_sphere(faces):
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges)
    assert {(b, a) for a, b in directed} == directed
    assert len(np.unique(faces)) - len(edges) // 2 + len(faces) == 2


def test_principal_components_against_svd():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((40, 6, 3)) * [1.0, 2.0, 3.0]
    areas = np.array([1.0, 2.0, 0.5, 1.0, 1.0, 0.0])
    space = shape_space.fit_shape_space(samples, areas, 3)
    share = areas / areas.sum()
    centred = samples - np.einsum("v,pvc->pc", share, samples)[:, None]
    rows = (centred - centred.mean(0)) * np.sqrt(share)[:, None]
    _, values, basis = np.linalg.svd(rows.reshape(40, -1), full_matrices=False)
    np.testing.assert_allclose(space.mean, centred.mean(0))
    assert space.explained == pytest.approx((values[:3] ** 2).sum() / (values**2).sum())
    weighted = (space.components * np.sqrt(share)[:, None, None]).reshape(18, 3)
    wanted = basis[:3].T * values[:3] / np.sqrt(39)
    np.testing.assert_allclose(np.abs(weighted), np.abs(wanted), atol=1e-12)
    top, bottom = space.mean[:, 1].argmax(), space.mean[:, 1].argmin()
    assert space.components[top, 1, 0] > space.components[bottom, 1, 0]


@pytest.mark.parametrize("rounding", [-1e-12, 1e-12])
def test_rounding_does_not_decide_the_sign_of_a_symmetric_component(rounding):
    # Bodies of different heights, and of different widths to both sides.
    rng = np.random.default_rng(0)
    height, width = rng.standard_normal((2, 50, 1))
    left = np.concatenate([1 + 0.1 * width, 2 + 0.5 * height, 0 * width], axis=1)
    feet = np.zeros((50, 3))
    samples = np.stack([left, left * shape_space.MIRROR_X, feet], axis=1)
    samples[:, 1, 0] *= 1 + rounding
    space = shape_space.fit_shape_space(samples, np.ones(3), 2)
    assert space.components[0, 0, 1] > 0.05


def grid(width: int, height: int):
    """Quads of a flat sheet; vertex (x, y) has the number y * width + x."""
    corner = np.arange(width * height).reshape(height, width)
    quads = np.stack(
        [corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]]
    )
    y, x = np.divmod(np.arange(width * height), width)
    return np.stack([x, y, 0 * x], 1).astype(float), quads.reshape(4, -1).T


def test_edge_loop_walks_straight_on():
    _, quads = grid(5, 4)
    np.testing.assert_array_equal(surface.edge_loop(quads, 10), [10, 11, 12, 13, 14])
    np.testing.assert_array_equal(surface.edge_loop(quads, 2), [2, 7, 12, 17])
    with pytest.raises(ValueError, match="no edge goes straight on from vertex 0"):
        surface.edge_loop(quads, 0)


def test_largest_part_is_left_by_a_cut():
    vertices, quads = grid(5, 4)
    left = surface.largest_part(quads, np.array([10, 11, 12, 13, 14]))
    assert vertices[left][..., 1].max() == 2
    assert len(left) == 8


def test_weld_closes_a_slit():
    x = np.array([0.0, 1, 2, 3, 1.9, 0.8, 0])
    vertices = np.stack([x, 0 * x, 0 * x], 1)
    image = surface.welded(vertices, np.arange(7))
    np.testing.assert_array_equal(image, [6, 5, 4, 3, 4, 5, 6])


def test_triangles_cut_quads_along_the_shorter_diagonal():
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [3, 1, 0], [1, 1, 0]])
    for roll in range(4):
        triangles = surface.triangulated(vertices, np.roll([[0, 1, 2, 3]], roll, 1))
        assert all({1, 3} <= set(t) for t in triangles.tolist())
        a, b, c = np.moveaxis(vertices[triangles], 1, 0)
        np.testing.assert_allclose(np.cross(b - a, c - a)[:, 2].sum(), 4)


def test_decimation_leaves_a_closed_mirrored_surface_of_survivors():
    vertices, faces, mirror = octasphere(4)
    left = faces[vertices[faces].mean(1)[:, 0] > 0]
    assert_closed_sphere(surface.both_halves(left, mirror))
    locked = np.array([5, 77, 300])
    importance = np.where(vertices[:, 1] > 0, 20.0, 1.0)
    stretched = vertices * [1, 2, 1]
    half = decimation.decimated(
        left, np.stack([vertices, stretched]), importance, locked, 200
    )
    whole = surface.both_halves(half, mirror)
    assert_closed_sphere(whole)
    kept = np.unique(whole)
    assert 199 <= len(kept) <= 200
    assert set(locked.tolist()) & set(left.ravel()) <= set(kept.tolist())
    assert (vertices[kept, 1] > 0.1).sum() > 1.5 * (vertices[kept, 1] < -0.1).sum()
    a, b, c = np.moveaxis(vertices[whole], 1, 0)
    volume = (a * np.cross(b, c)).sum() / 6
    assert 0.93 * 4 / 3 * np.pi < volume < 4 / 3 * np.pi


def test_decimation_stops_where_no_collapse_is_allowed():
    vertices, faces, mirror = octasphere(2)
    left = faces[vertices[faces].mean(1)[:, 0] > 0]
    half = decimation.decimated(
        left, vertices[None], np.ones(len(vertices)), np.array([], int), 1
    )
    assert_closed_sphere(surface.both_halves(half, mirror))
