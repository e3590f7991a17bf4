"""Fits the model of a detector's errors to what it found in rendered views.

The mode "measure_detector" calls these functions.
"""

import dataclasses

import jax
import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from prohmr_jax.priors.detector_errors import (
    GROUP_MASKS_17,
    NORMAL_GRID,
    PART_OF_17,
    PARTS,
    SEPARATION_EDGES,
    SIDE_OF_17,
    STATES,
    mirrored_xy,
    swap_place,
)
from prohmr_jax.skeleton import COCO_17
from prohmr_jax.synthetic.simulated_detector import events
from prohmr_jax.synthetic.view_geometry import Geometry

_NUM_ANGLES = 6
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
_OFFSET_ROUNDS, _ROUNDS, _ELLIPSE_ROUNDS = 8, 3, 30
# With fewer errors in a bin, they are taken to be 0.
_FEWEST_SAMPLES = 8
# Variances are at least this, in squared sizes of the person.
_LEAST_VARIANCE = 1e-7
# Weight of the rate of an angle in rates of exchanged sides, views.
_PRIOR_VIEWS = 20.0


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
    expected = straight.expected(offsets_of(parts))
    scores = _fit_scores(straight)
    tables = _fit_errors(straight, expected, scores["score_edges"])
    rates, place = _swap_rates(geometry.angle, expected, swapped)
    return {
        "offset": parts,
        "swap_rate": rates,
        "swap_correlation": event_correlation(swapped, rates[place]),
        **scores,
        **tables,
    }


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
    shape = len(STATES), len(PARTS)
    inner = np.linspace(0.0, 1.0, _NUM_BINS + 1)[1:-1]
    quantiles = np.zeros((*shape, len(NORMAL_GRID)))
    edges = np.zeros((*shape, _NUM_BINS - 1))
    normal = np.zeros_like(geometry.score)
    for state, part in np.ndindex(shape):
        chosen = (geometry.state == state) & (PART_OF_17 == part)
        if not chosen.any():
            continue
        score = geometry.score[chosen]
        quantiles[state, part] = _quantiles(score)
        edges[state, part] = np.quantile(score, inner)
        normal[chosen] = _normal_ranks(score)
    return {
        "score_quantiles": quantiles,
        "score_edges": edges,
        "score_cholesky": _correlation_factor(normal),
    }


def _fit_errors(
    geometry: Geometry,
    expected: Float[np.ndarray, "N 17 2"],
    edges: Float[np.ndarray, "S 9 B"],
) -> dict[str, np.ndarray]:
    """Returns middle, ellipse and distances of errors in each state, part and bin."""
    error = mirrored_xy(geometry.detected - expected)
    shape = len(STATES), len(PARTS), _NUM_BINS
    bias, ellipse = np.zeros((*shape, 2)), np.zeros((*shape, 2, 2))
    quantiles = np.zeros((*shape, len(NORMAL_GRID)))
    normal = np.zeros_like(geometry.score)
    for state, part, number in np.ndindex(shape):
        bins = np.sum(geometry.score[..., None] > edges[state, part], axis=-1)
        chosen = (geometry.state == state) & (PART_OF_17 == part) & (bins == number)
        samples = error[chosen]
        if len(samples) < _FEWEST_SAMPLES:
            continue
        place = state, part, number
        in_the_middle = np.sum(PART_OF_17 == part) == 1
        bias[place], ellipse[place] = _fit_ellipse(samples, in_the_middle)
        away = np.linalg.solve(ellipse[place], (samples - bias[place]).T)
        radius = np.linalg.norm(away, axis=0)
        quantiles[place] = _quantiles(radius)
        normal[chosen] = _normal_ranks(radius)
    return {
        "bias": bias,
        "ellipse": ellipse,
        "radius_quantiles": quantiles,
        "radius_cholesky": _correlation_factor(normal),
    }


def _fit_ellipse(
    error: Float[np.ndarray, "n 2"], in_the_middle: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the middle of errors and the factor of the covariance of usual ones.

    Errors are weighted as those of a Student distribution with two degrees of freedom
    would be, so that gross ones count little.

    Args:
      error: samples.
      in_the_middle: whether samples stand for their mirror images too, as for the nose.
    """
    if in_the_middle:
        error = np.concatenate([error, error * [-1.0, 1.0]])
    middle, covariance = np.median(error, axis=0), np.cov(error.T)
    for _ in range(_ELLIPSE_ROUNDS):
        away = error - middle
        covariance = covariance + _LEAST_VARIANCE * np.eye(2)
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        weight = 4.0 / (2.0 + distance)
        middle = np.average(error, axis=0, weights=weight)
        away = error - middle
        covariance = np.einsum("n,ni,nj->ij", weight, away, away) / len(error)
    return middle, np.linalg.cholesky(covariance + _LEAST_VARIANCE * np.eye(2))


def _quantiles(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, " Q"]:
    """Returns the quantiles of samples at `NORMAL_GRID`."""
    return np.quantile(samples, scipy.stats.norm.cdf(NORMAL_GRID))


def _normal_ranks(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns the normal variable that each sample follows."""
    return scipy.stats.norm.ppf(scipy.stats.rankdata(samples) / (len(samples) + 1))


def _correlation_factor(
    normal: Float[np.ndarray, "N 17"],
) -> Float[np.ndarray, "17 17"]:
    """Returns the factor of the correlation of joints, the same for both sides."""
    correlation = np.corrcoef(normal.T)
    mirror = np.array(COCO_17.mirror)
    return np.linalg.cholesky((correlation + correlation[mirror][:, mirror]) / 2)


def _swap_rates(
    angle: Float[np.ndarray, " N"],
    xy: Float[np.ndarray, "N 17 2"],
    swapped: Bool[np.ndarray, "N 3"],
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Returns the rates [F, D, 3], and where in them those of each view are."""
    row, column = (np.asarray(a) for a in swap_place(angle, xy, _NUM_ANGLES))
    group = np.arange(swapped.shape[-1])
    place = tuple(np.broadcast_arrays(row, column, group))
    shape = _NUM_ANGLES, len(SEPARATION_EDGES) + 1, len(group)
    count, events_seen = np.zeros(shape), np.zeros(shape)
    np.add.at(count, place, 1.0)
    np.add.at(events_seen, place, swapped)
    # Rare combinations lean on the rate of their angle.
    usual = events_seen.sum(axis=1) / np.maximum(count.sum(axis=1), 1.0)
    rates = events_seen + _PRIOR_VIEWS * usual[:, None]
    return rates / (count + _PRIOR_VIEWS), place


def event_correlation(
    happened: Bool[np.ndarray, "N n"], rate: Float[np.ndarray, "N n"]
) -> np.ndarray:
    """Returns the correlation with which numbers of events vary as much as seen.

    Args:
      happened: which of n events happened in each of N views.
      rate: their probabilities.
    """
    wanted = np.var(happened.sum(axis=-1) - rate.sum(axis=-1))
    low, high = 0.0, 0.98
    for _ in range(12):
        middle = (low + high) / 2
        drawn = np.asarray(events(jax.random.key(0), np.float32(rate), middle))
        if np.var(drawn.sum(axis=-1) - rate.sum(axis=-1)) < wanted:
            low = middle
        else:
            high = middle
    return np.array((low + high) / 2)
