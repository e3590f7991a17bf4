"""Mean body and principal components of many T-posed people."""

import dataclasses

import numpy as np

MIRROR_X = np.array([-1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class ShapeSpace:
    """A linear body: mean + sum of betas * components, betas ~ N(0, 1)."""

    mean: np.ndarray
    """[V, 3], metres; the mean body's area-weighted centroid is the origin."""
    components: np.ndarray
    """[V, 3, S], metres per standard deviation; the first makes taller."""
    explained: float
    """Share of the area-weighted variance that the components hold."""


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Returns a third of the area of the triangles around each vertex, [V]."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    thirds = np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 6
    return np.bincount(faces.ravel(), np.repeat(thirds, 3), len(vertices))


def symmetrised(samples: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Returns points [*batch, V, 3] averaged with their mirror images."""
    return (samples + samples[..., mirror, :] * MIRROR_X) / 2


def fit_shape_space(
    samples: np.ndarray, areas: np.ndarray, num_components: int
) -> ShapeSpace:
    """Returns the area-weighted principal components of P samples [P, V, 3].

    Each sample is first moved to its area-weighted centroid. Signs are fixed: the
    first component makes taller, the others grow their largest coordinate. Points of
    no area (joints, say) have no say in the components, but follow them.
    """
    share = areas / areas.sum()
    samples = samples - np.einsum("v,pvc->pc", share, samples)[:, None]
    mean = samples.mean(0)
    offsets = samples - mean
    rows = (offsets * np.sqrt(share)[:, None]).reshape(len(samples), -1)
    # The Gram matrix [P, P] is far smaller than the covariance of 3V coordinates.
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = np.arange(len(values))[::-1][:num_components]
    # offsets.T @ u has the length sqrt(P - 1) * one standard deviation.
    loadings = vectors[:, kept] / np.sqrt(len(samples) - 1)
    components = np.einsum("pvc,ps->vcs", offsets, loadings)
    flat = components.reshape(-1, num_components)
    signs = np.sign(flat[np.abs(flat).argmax(0), np.arange(num_components)])
    first = components[..., 0]
    top, bottom = mean[:, 1].argmax(), mean[:, 1].argmin()
    signs[0] = np.sign(first[top, 1] - first[bottom, 1])
    return ShapeSpace(mean, components * signs, values[kept].sum() / values.sum())
