"""Computes the mean body and the principal components of many T-posed people.

`build` calls it.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

MIRROR_X = np.array([-1.0, 1.0, 1.0])
"""Factors on (x, y, z) that give the mirror image of a point."""
# Largest distance of points that count as points on the mirror plane, metres.
_ON_MIRROR_PLANE = 1e-6


@dataclasses.dataclass(frozen=True)
class ShapeSpace:
    """Holds a linear body: mean + sum of betas * components, with betas ~ N(0, 1)."""

    mean: np.ndarray
    """[V, 3], mean body, metres; its area-weighted centroid is the origin."""
    components: np.ndarray
    """[V, 3, S], change per unit of each coefficient, metres; the first coefficient
    makes the body taller."""
    explained: float
    """Share of the area-weighted variance that the components explain."""


def vertex_areas(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, " V"]:
    """Returns the area [V] of each vertex: a third of the triangles around it.

    Args:
      vertices: [V, 3], metres.
      faces: [F, 3], vertex numbers of the triangles.
    """
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    thirds = np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 6
    return np.bincount(faces.ravel(), np.repeat(thirds, 3), len(vertices))


def symmetrised(
    samples: Float[np.ndarray, "*b V 3"], mirror: Int[np.ndarray, " V"]
) -> Float[np.ndarray, "*b V 3"]:
    """Returns points [*b, V, 3] averaged with their mirror images.

    Args:
      samples: [*b, V, 3], metres.
      mirror: [V], number of the mirror image of each point.
    """
    return (samples + samples[..., mirror, :] * MIRROR_X) / 2


def fit_shape_space(
    samples: Float[np.ndarray, "P V 3"],
    areas: Float[np.ndarray, " V"],
    num_components: int,
) -> ShapeSpace:
    """Returns the mean and the area-weighted principal components of bodies.

    The area-weighted centroid of each body is moved to the origin first. The signs of
    the components are fixed: the first makes the body taller, and the largest entry of
    each other one on the left side is positive. Points with area 0, such as joints, do
    not influence the components, but move with them.

    Args:
      samples: [P, V, 3], points of P bodies, metres.
      areas: [V], area of each point.
      num_components: number S of components.
    """
    share = areas / areas.sum()
    samples = samples - np.einsum("v,pvc->pc", share, samples)[:, None]
    mean = samples.mean(0)
    offsets = samples - mean
    rows = (offsets * np.sqrt(share)[:, None]).reshape(len(samples), -1)
    # The Gram matrix [P, P] is far smaller than the covariance of 3 V coordinates.
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = np.arange(len(values))[::-1][:num_components]
    # The length of offsets.T @ u is sqrt(P - 1) standard deviations.
    loadings = vectors[:, kept] / np.sqrt(len(samples) - 1)
    components = np.einsum("pvc,ps->vcs", offsets, loadings)
    # If both sides counted, mirrored points with opposite x would tie for the largest
    # entry, and rounding would decide about the sign.
    left = mean[:, 0] > -_ON_MIRROR_PLANE
    flat = components[left].reshape(-1, num_components)
    signs = np.sign(flat[np.abs(flat).argmax(0), np.arange(num_components)])
    first = components[..., 0]
    top, bottom = mean[:, 1].argmax(), mean[:, 1].argmin()
    signs[0] = np.sign(first[top, 1] - first[bottom, 1])
    return ShapeSpace(mean, components * signs, values[kept].sum() / values.sum())
