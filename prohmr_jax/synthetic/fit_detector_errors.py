"""Fits the model of a detector's errors to what it found in rendered views.

The mode "measure_detector" calls these functions.
"""

import dataclasses

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from prohmr_jax.priors.detector_errors import (
    GROUP_MASKS_17,
    PART_OF_17,
    PARTS,
    PATTERNS,
    SIDE_OF_17,
    STATES,
    mirrored_xy,
)
from prohmr_jax.skeleton import COCO_17
from prohmr_jax.synthetic.view_geometry import Geometry

_NUM_ANGLES = 6
_NUM_QUANTILES = 33
_NUM_BINS = 6
# Sizes of residuals, in sizes of the person: from here on they count less in the fit of
# the offsets, and the scale of what tells exchanged sides from others.
_ROBUST_SCALE = 0.02
_SWAP_SCALE = 0.04
# By so much the robust cost of exchanged sides must be less: about two joints.
_SWAP_MARGIN = 6.0
_LARGEST_COST = 9.0
# Joints that are less sure do not take part in the fit of the offsets.
_LEAST_SCORE = 0.3
_OFFSET_ROUNDS, _ROUNDS, _EM_ROUNDS = 8, 3, 60
# Variances are at least this, in squared sizes of the person.
_LEAST_VARIANCE = 1e-7


def exchanged(
    geometry: Geometry, expected: Float[np.ndarray, "N 17 2"]
) -> Bool[np.ndarray, "N 3"]:
    """Returns in which views the detector exchanged the sides of each group of joints.

    A group counts as exchanged if the detections are clearly nearer to the joints of
    the other side. Where both sides lie together, they never are.

    Args:
      geometry: the views.
      expected: where the joints should be.
    """

    def cost(detected: np.ndarray) -> np.ndarray:
        squared = np.sum((detected - expected) ** 2, axis=-1) / _SWAP_SCALE**2
        return np.minimum(squared, _LARGEST_COST) @ GROUP_MASKS_17.T

    straight = cost(geometry.detected)
    crossed = cost(geometry.detected[:, list(COCO_17.mirror)])
    return crossed < straight - _SWAP_MARGIN


def put_straight(geometry: Geometry, swapped: Bool[np.ndarray, "N 3"]) -> Geometry:
    """Returns the detections by the joints that they are of, not by their names."""
    joints = swapped @ GROUP_MASKS_17.astype(int) > 0
    mirror = list(COCO_17.mirror)
    xy, score = geometry.detected, geometry.score
    return dataclasses.replace(
        geometry,
        detected=np.where(joints[..., None], xy[:, mirror], xy),
        score=np.where(joints, score[:, mirror], score),
    )


def fit_detector_errors(geometry: Geometry) -> dict[str, np.ndarray]:
    """Returns the model of errors as `priors.detector_errors.both_sides` takes it.

    Args:
      geometry: the views in which the detector reported the person.
    """
    parts = np.zeros((len(PARTS), 2, 3))
    straight = geometry
    for _ in range(_ROUNDS):
        swapped = exchanged(geometry, geometry.expected(offsets_of(parts)))
        straight = put_straight(geometry, swapped)
        parts = np.stack(
            [_fit_offset(straight, part, parts[part]) for part in range(len(PARTS))]
        )
    residual = straight.detected - straight.expected(offsets_of(parts))
    scores, errors = _fit_scores(straight), []
    for state in range(len(STATES)):
        edges = scores["score_edges"][state]
        errors.append(
            [
                _fit_errors(straight, residual, state, part, edges[part])
                for part in range(len(PARTS))
            ]
        )
    names = "bias", "core_cholesky", "outlier_cholesky", "outlier_rate"
    tables = {
        name: np.stack([[row[i] for row in rows] for rows in errors])
        for i, name in enumerate(names)
    }
    rates = _swap_rates(geometry.angle, swapped)
    return {"offset": parts, "swap_rate": rates, **scores, **tables}


def offsets_of(parts: Float[np.ndarray, "9 2 3"]) -> Float[np.ndarray, "17 2 3"]:
    """Returns the offsets of the joints of both sides from those of the left."""
    flip = np.stack([SIDE_OF_17, np.ones(17), np.ones(17)], axis=-1)[:, None]
    return parts[PART_OF_17] * flip


def _fit_offset(
    geometry: Geometry, part: int, start: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "2 3"]:
    """Returns the offsets of the left joint of a part by robust least squares."""
    joints = np.flatnonzero(PART_OF_17 == part)
    flip = np.tile(np.stack([SIDE_OF_17, np.ones(17), np.ones(17)], -1), (1, 2))[joints]
    use = (geometry.state[:, joints] == 0) & (geometry.score[:, joints] > _LEAST_SCORE)
    slope = (geometry.slope[:, joints] * flip[:, None])[use]
    error = (geometry.detected - geometry.xy)[:, joints][use]
    if len(joints) == 1:
        # The nose lies in the middle: its offset to the side is 0.
        slope = slope * np.array([0.0, 1, 1, 0, 1, 1])
    solution = start.reshape(6)
    for _ in range(_OFFSET_ROUNDS):
        residual = np.linalg.norm(error - slope @ solution, axis=-1)
        weight = 1.0 / (1.0 + (residual / _ROBUST_SCALE) ** 2)
        normal = np.einsum("n,nci,ncj->ij", weight, slope, slope)
        # A little damping divides what both bones explain equally between them.
        normal += 1e-3 * np.trace(normal) / 6 * np.eye(6)
        solution = np.linalg.solve(
            normal, np.einsum("n,nci,nc->i", weight, slope, error)
        )
    return solution.reshape(2, 3)


def _fit_scores(geometry: Geometry) -> dict[str, np.ndarray]:
    """Returns quantiles and bins of the scores, and their correlation over joints."""
    grid = np.linspace(0.0, 1.0, _NUM_QUANTILES)
    inner = np.linspace(0.0, 1.0, _NUM_BINS + 1)[1:-1]
    quantiles = np.zeros((len(STATES), len(PARTS), _NUM_QUANTILES))
    edges = np.zeros((len(STATES), len(PARTS), _NUM_BINS - 1))
    normal = np.zeros_like(geometry.score)
    for state in range(len(STATES)):
        for part in range(len(PARTS)):
            chosen = (geometry.state == state) & (PART_OF_17 == part)
            if not chosen.any():
                continue
            score = geometry.score[chosen]
            quantiles[state, part] = np.quantile(score, grid)
            edges[state, part] = np.quantile(score, inner)
            rank = scipy.stats.rankdata(score) / (len(score) + 1)
            normal[chosen] = scipy.stats.norm.ppf(rank)
    correlation = np.corrcoef(normal.T)
    mirror = np.array(COCO_17.mirror)
    correlation = (correlation + correlation[mirror][:, mirror]) / 2
    return {
        "score_quantiles": quantiles,
        "score_edges": edges,
        "score_cholesky": np.linalg.cholesky(correlation),
    }


def _fit_errors(
    geometry: Geometry,
    residual: Float[np.ndarray, "N 17 2"],
    state: int,
    part: int,
    edges: Float[np.ndarray, " N-1"],
) -> tuple[np.ndarray, ...]:
    """Returns mean, both factors and rate of the mixture in each bin of the scores."""
    chosen = (geometry.state == state) & (PART_OF_17 == part)
    error, score = mirrored_xy(residual)[chosen], geometry.score[chosen]
    if np.sum(PART_OF_17 == part) == 1:
        # The nose stands for both sides.
        error = np.concatenate([error, error * [-1.0, 1.0]])
        score = np.concatenate([score, score])
    bins = np.sum(score[:, None] > edges, axis=-1)
    rows = [_fit_mixture(error[bins == number]) for number in range(_NUM_BINS)]
    return tuple(np.stack(arrays) for arrays in zip(*rows, strict=True))


def _fit_mixture(error: Float[np.ndarray, "n 2"]) -> tuple[np.ndarray, ...]:
    """Returns mean, the factors of two covariances, and the rate of the wider one."""
    if len(error) < 8:
        return np.zeros(2), 1e-4 * np.eye(2), 1e-4 * np.eye(2), np.array(0.0)
    mean = np.median(error, axis=0)
    spread = np.median(np.sum((error - mean) ** 2, axis=-1)) / 1.386 + _LEAST_VARIANCE
    core, wide, rate = spread * np.eye(2), 25 * spread * np.eye(2), 0.1
    for _ in range(_EM_ROUNDS):
        away = error - mean
        likely = (1 - rate) * _density(away, core)
        gross = rate * _density(away, wide)
        share = gross / np.maximum(likely + gross, 1e-300)
        rate = np.clip(share.mean(), 1e-4, 0.5)
        mean = np.average(error, axis=0, weights=1 - share + 1e-9)
        core = _covariance(error - mean, 1 - share)
        wide = _covariance(error - mean, share)
    return mean, np.linalg.cholesky(core), np.linalg.cholesky(wide), np.array(rate)


def _density(away: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return scipy.stats.multivariate_normal(np.zeros(2), covariance).pdf(away)


def _covariance(away: np.ndarray, weight: np.ndarray) -> np.ndarray:
    products = np.einsum("n,ni,nj->ij", weight, away, away)
    return products / (weight.sum() + 1e-9) + _LEAST_VARIANCE * np.eye(2)


def _swap_rates(
    angle: Float[np.ndarray, " N"], swapped: Bool[np.ndarray, "N 3"]
) -> Float[np.ndarray, "F 8"]:
    pattern = np.argmax(np.all(swapped[:, None] == PATTERNS, axis=-1), axis=-1)
    row = np.clip((angle / np.pi * _NUM_ANGLES).astype(int), 0, _NUM_ANGLES - 1)
    counts = np.zeros((_NUM_ANGLES, len(PATTERNS)))
    np.add.at(counts, (row, pattern), 1.0)
    counts[:, 0] += 1e-6  # A range without views has no exchanged sides.
    return counts / counts.sum(axis=-1, keepdims=True)
