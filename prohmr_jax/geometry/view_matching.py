"""Finds which people in the views of calibrated cameras are the same person.

The reader of several views calls it where each view shows several people. People who
are the same are seen along rays that meet in one point for each joint; how far the
joints are from that, in the pictures, is the cost of taking people for one.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from prohmr_jax.geometry.triangulation import CameraRig, reprojected, triangulate

# Largest mean error of the joints in one view, in sides of the person's box.
# Detectors err by 0.01 to 0.03; other people are off by their distance from each other.
MAX_ERROR = 0.12
# Two views err across one line alone, and each of them by half of it: their error
# counts twice.
_OF_TWO = 2.0
# Errors of single joints count as this at most, so that one wrong joint decides
# nothing.
_LARGEST_JOINT_ERROR = 0.5
# Joints that two views must share.
_MIN_SHARED = 3
# Bounds of the size of a body, metres: heads and shoulders alone, and the span of the
# arms. Where rays of different people meet by chance, bodies can be of any size.
_MIN_EXTENT, _MAX_EXTENT = 0.1, 3.0
_MIN_CONFIDENCE = 0.1
_ROUNDS = 3
# People who are taken for one: pairs of a number of the view and of the person in it.
_Group = frozenset[tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class PeopleOfView:
    """Holds the people whom one camera sees at one moment."""

    xy: np.ndarray
    """Joints [P, J, 2], pixels without distortion."""
    confidence: np.ndarray
    """Confidences of the joints, [P, J]."""


@dataclasses.dataclass(frozen=True)
class MatchedPerson:
    """Says in which views one person is seen, and as whom."""

    numbers: dict[int, int]
    """Number of the view -> number of the person in it; at least one view."""
    error: float
    """Error of the worst view, see `view_errors`; twice as much with two views, and 0
    with one."""


def match_people(
    rig: CameraRig, views: Sequence[PeopleOfView], max_error: float = MAX_ERROR
) -> list[MatchedPerson]:
    """Returns the different people of all views, in the order of the first view.

    People of one view are different people. Views are assigned one after the other to
    the people known so far, at the least total cost; then each view is assigned anew to
    what the other views say, until nothing changes.

    Args:
      rig: camera of each view, metres.
      views: people whom each camera sees.
      max_error: largest error of a view, see `view_errors`.
    """
    error = functools.cache(functools.partial(_error, rig, views))
    order = sorted(range(len(views)), key=lambda view: -len(views[view].xy))
    groups: list[_Group] = []
    for _ in range(_ROUNDS):
        before = groups
        for view in order:
            people = [frozenset({(view, n)}) for n in range(len(views[view].xy))]
            others = [group.difference(*people) for group in groups]
            others = [group for group in others if group]
            groups = _assigned(error, others, people, max_error)
        groups = sorted(_merged(error, groups, max_error), key=sorted)
        if groups == before:
            break
    return [MatchedPerson(dict(sorted(group)), error(group)) for group in groups]


def _assigned(
    error: Callable[[_Group], float],
    groups: list[_Group],
    people: list[_Group],
    max_error: float,
) -> list[_Group]:
    """Returns the groups with the people of one view, in old groups or in new ones."""
    costs = [[error(group | person) for person in people] for group in groups]
    costs = np.reshape(costs, (len(groups), len(people)))
    # Leaving two people apart costs as much as the largest error that is accepted.
    pairs = zip(*linear_sum_assignment(np.minimum(costs, max_error)), strict=True)
    row_of = {column: row for row, column in pairs if costs[row, column] < max_error}
    joined, alone = list(groups), []
    for column, person in enumerate(people):
        if column in row_of:
            joined[row_of[column]] |= person
        else:
            alone.append(person)
    return joined + alone


def _merged(
    error: Callable[[_Group], float], groups: list[_Group], max_error: float
) -> list[_Group]:
    """Returns the groups after joining those that have no view in common, best first.

    A person whom two pairs of views know as two people is joined by this.
    """
    while True:
        pairs = [
            (error(first | second), number, first, second)
            for number, (first, second) in enumerate(itertools.combinations(groups, 2))
            if not dict(first).keys() & dict(second).keys()
        ]
        if not pairs or min(pairs)[0] >= max_error:
            return groups
        _, _, first, second = min(pairs)
        groups = [group for group in groups if group not in (first, second)]
        groups.append(first | second)


def _error(rig: CameraRig, views: Sequence[PeopleOfView], group: _Group) -> float:
    """Returns the error of the worst view of a group, as `MatchedPerson` has it."""
    if len(group) < 2:
        return 0.0
    seen = [(views[view], person) for view, person in sorted(group)]
    xy = np.stack([view.xy[person] for view, person in seen], axis=1)
    confidence = np.stack([view.confidence[person] for view, person in seen], axis=1)
    rig = rig[[view for view, _ in sorted(group)]]
    error = float(view_errors(rig, xy, confidence).max())
    return _OF_TWO * error if len(group) == 2 else error


def view_errors(rig: CameraRig, xy: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Returns how far the joints of one person are from meeting, for each view.

    Args:
      rig: the N cameras that see the person, metres.
      xy: joints [J, N, 2], pixels.
      confidence: confidences of the joints, [J, N].

    Returns:
      Errors [N]: the mean distance between a joint and the projection of the point that
      all views see, in sides of the person's box, each at most 0.5. Infinity if a view
      shares fewer than 3 joints with the others, or if the person would be smaller than
      0.1 metres, larger than 3 metres, or behind a camera.
    """
    weight = np.where(confidence > _MIN_CONFIDENCE, confidence, 0.0)
    points, is_seen = triangulate(rig, xy, weight)
    points, xy, is_used = points[is_seen], xy[is_seen], weight[is_seen] > 0
    nowhere = np.full(len(rig), np.inf)
    counts = is_used.sum(axis=0)
    if counts.min() < _MIN_SHARED:
        return nowhere
    shown, depth = reprojected(rig, points)
    in_front = np.where(is_used, depth > 0, False).sum(axis=0)
    if np.any(in_front < counts / 2) or not _MIN_EXTENT < extent(points) < _MAX_EXTENT:
        return nowhere
    error = np.linalg.norm(shown - xy, axis=-1) / box_sides(xy, is_used)
    error = np.where(is_used, np.minimum(error, _LARGEST_JOINT_ERROR), 0.0)
    return error.sum(axis=0) / counts


def agreeing_views(
    rig: CameraRig, xy: np.ndarray, confidence: np.ndarray, max_error: float = MAX_ERROR
) -> np.ndarray:
    """Returns which views show the person whom most views show, [N] bool.

    A view that shares too few joints with every other view cannot be judged, and counts
    as one that shows the person.

    Args:
      rig: the N cameras, metres.
      xy: joints [J, N, 2] of what should be one person, pixels.
      confidence: confidences of the joints, [J, N].
      max_error: largest error of a view, see `view_errors`.

    Returns:
      Whether each view shows the person; all False if no majority of the views agrees.
    """
    seen = confidence > _MIN_CONFIDENCE
    is_judged = np.zeros(len(rig), bool)
    for both in map(list, itertools.combinations(range(len(rig)), 2)):
        _, is_located = triangulate(rig[both], xy[:, both], seen[:, both])
        is_judged[both] |= is_located.sum() >= _MIN_SHARED
    judged = np.flatnonzero(is_judged)
    if not len(judged):
        return np.ones(len(rig), bool)
    views = [PeopleOfView(xy[None, :, n], confidence[None, :, n]) for n in judged]
    people = match_people(rig[judged], views, max_error)
    most = list(max(people, key=lambda person: len(person.numbers)).numbers)
    if 2 * len(most) <= len(judged):
        return np.zeros(len(rig), bool)
    agrees = ~is_judged
    agrees[judged[most]] = True
    return agrees


def extent(points: np.ndarray) -> float:
    """Returns the size of a cloud of points [J, 3]: the longest side of its box.

    Single points far away do not count, since detectors err.
    """
    low, high = np.percentile(points, [10, 90], axis=0)
    return float((high - low).max())


def box_sides(xy: np.ndarray, is_used: np.ndarray) -> np.ndarray:
    """Returns the longer side of the box around the used joints of each view, [N].

    Args:
      xy: joints [J, N, 2], pixels.
      is_used: whether a joint counts, [J, N].
    """
    low = np.where(is_used[..., None], xy, np.inf).min(axis=0)
    high = np.where(is_used[..., None], xy, -np.inf).max(axis=0)
    return np.maximum((high - low).max(axis=-1), 1.0)
