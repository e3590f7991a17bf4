"""Refuses calibrated cameras that do not fit the people whom they see.

The reader of several views calls it before the first fit. Wrong units and conventions
give bodies far away or nowhere, and no error by themselves.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Sequence

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.geometry.triangulation import CameraRig, reprojected, triangulate
from prohmr_jax.geometry.view_matching import agreeing_views, box_sides, extent

_MIN_CONFIDENCE = 0.1
_MIN_SHARED = 3
# Largest number of pairs of views that are looked at.
_MAX_PAIRS = 200
# Mean error of the joints of a pair that fits, in sides of the person's box. Detectors
# err by 0.01 to 0.03.
_FITTING_ERROR = 0.06
# Share of the pairs that must fit; single views can show another person.
_MIN_SHARE = 0.5
# Sizes of people by the box around their joints, metres: from heads alone to people
# with spread arms, and in between.
_SMALLEST, _LARGEST = 0.15, 4.0
_TYPICAL = 1.2
_UNITS = {"feet": 3.281, "inches": 39.37, "centimetres": 100.0, "millimetres": 1000.0}
_NO_CAMERAS = CameraRig(np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3)))
# Pictures end at twice the place of their middle, or a little after it where they were
# cut.
_BEYOND = 2.4
# Axes of OpenGL's cameras, which look along -z with y up, in our camera axes.
_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])


@dataclasses.dataclass(frozen=True)
class Sighting:
    """Holds one person whom several cameras see."""

    cameras: tuple[int, ...]
    """Numbers of the N cameras in the rig."""
    xy: np.ndarray
    """Joints [J, N, 2], pixels without distortion."""
    confidence: np.ndarray
    """Confidences of the joints, [J, N]."""


def require_fitting_cameras(
    path: str | os.PathLike, rig: CameraRig, sightings: Sequence[Sighting]
) -> None:
    """Refuses cameras by which no person can be seen where people are seen.

    Args:
      path: what the cameras were read from, for the message.
      rig: all cameras, as they were read.
      sightings: people who are seen by two cameras or more; without any, nothing can be
        refused.

    Raises:
      InputError: the views do not meet, or people are of no human size. If they would
        fit by another convention or unit, the message names it.
    """
    pairs = _pairs(sightings)
    if not pairs:
        return
    share, size = _fit(rig, pairs)
    fits = share >= _MIN_SHARE
    if fits and _is_human(size):
        return
    if fits and size >= _LARGEST:
        raise InputError(path, f"has translations {_not_metres(size)}")
    others = []
    for name, other in _conventions(rig).items():
        other_share, other_size = _fit(other, pairs)
        others.append((_is_human(other_size), other_share, other_size, name))
    others = [other for other in others if other[1] >= _MIN_SHARE]
    if others:
        is_human, _, size, name = max(others)
        unit = "" if is_human else f", and translations {_not_metres(size)}"
        raise InputError(
            path,
            f"has extrinsics that look like {name}{unit}; expected is x_camera = "
            "R x_world + t, with x right, y down and z forward",
        )
    if fits:
        raise InputError(path, f"has translations {_not_metres(size)}")
    if not any(_some_agree(rig, sighting) for sighting in sightings):
        raise InputError(
            path,
            _outside(rig, sightings)
            or "has cameras by which the views of no person show one person in one "
            "place: the cameras are others, or each view is of another person or "
            "another moment",
        )


def _outside(rig: CameraRig, sightings: Sequence[Sighting]) -> str:
    """Returns which K cannot be that of the pictures in which people are, or ""."""
    for sighting in sightings:
        seen = (sighting.confidence > _MIN_CONFIDENCE).any(axis=0)
        for view in np.flatnonzero(seen):
            is_seen = sighting.confidence[:, view] > _MIN_CONFIDENCE
            x, y = sighting.xy[is_seen, view].max(axis=0)
            middle = rig.intrinsics[sighting.cameras[view]][:2, 2]
            if x > _BEYOND * middle[0] or y > _BEYOND * middle[1]:
                return (
                    "has a K that is not in pixels of these pictures: the middle would "
                    f"be at ({middle[0]:g}, {middle[1]:g}), but people are seen up to "
                    f"({x:.0f}, {y:.0f})"
                )
    return ""


def _some_agree(rig: CameraRig, sighting: Sighting) -> bool:
    """Returns whether most views of a person show one person."""
    chosen = rig[list(sighting.cameras)]
    return bool(agreeing_views(chosen, sighting.xy, sighting.confidence).any())


def _is_human(size: float) -> bool:
    return _SMALLEST < size < _LARGEST


def _not_metres(size: float) -> str:
    """Returns in what unit translations may be by which people have a given size."""
    about = f"{size:.0f}" if size >= 10 else f"{size:.2g}"
    consequence = f"since people would be about {about} m large"
    if size < _SMALLEST:
        return f"that are not in metres, {consequence}"
    unit = min(_UNITS, key=lambda u: abs(np.log(size / (_UNITS[u] * _TYPICAL))))
    return f"that look like {unit} and must be in metres, {consequence}"


def _pairs(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Returns the views of all people in pairs that share joints, not too many."""
    pairs = []
    for sighting in sightings:
        seen = sighting.confidence > _MIN_CONFIDENCE
        for both in itertools.combinations(range(len(sighting.cameras)), 2):
            shared = seen[:, both].all(axis=-1)
            if shared.sum() >= _MIN_SHARED:
                pairs.append(
                    Sighting(
                        tuple(sighting.cameras[view] for view in both),
                        sighting.xy[shared][:, both],
                        sighting.confidence[shared][:, both],
                    )
                )
    step = -(-len(pairs) // _MAX_PAIRS) or 1
    return pairs[::step]


def _fit(rig: CameraRig, pairs: Sequence[Sighting]) -> tuple[float, float]:
    """Returns how well people fit cameras.

    Returns:
      The share of pairs whose rays meet, and the median size of the people of these
      pairs, in the unit of the translations.
    """
    sizes = []
    for pair in pairs:
        chosen = rig[list(pair.cameras)]
        points, is_seen = triangulate(chosen, pair.xy, pair.confidence)
        if is_seen.sum() < _MIN_SHARED:
            continue
        points, xy = points[is_seen], pair.xy[is_seen]
        shown, depth = reprojected(chosen, points)
        if np.mean(depth > 0) < 0.5:
            continue
        sides = box_sides(xy, np.ones(xy.shape[:2], bool))
        error = (np.linalg.norm(shown - xy, axis=-1) / sides).mean()
        if error < _FITTING_ERROR:
            sizes.append(extent(points))
    size = float(np.median(sizes)) if sizes else 0.0
    return len(sizes) / len(pairs), size


def fitting_convention(fits: Callable[[Callable], bool]) -> str:
    """Returns how cameras must be read to fit, in words, or "" if no way is known.

    Args:
      fits: says whether cameras fit that were changed by a function of a rig.
    """
    for name in ("", *_conventions(_NO_CAMERAS)):
        for unit, factor in {"": 1.0, **_UNITS}.items():
            if fits(functools.partial(_read_as, name, factor)):
                in_unit = f", in {unit}" if unit else ""
                return (name or "world-to-camera transformations") + in_unit
    return ""


def _read_as(convention: str, factor: float, rig: CameraRig) -> CameraRig:
    """Returns cameras as another convention, or "" for none, and unit read them."""
    rig = CameraRig(rig.intrinsics, rig.rotation, rig.translation / factor)
    return _conventions(rig)[convention] if convention else rig


def _conventions(rig: CameraRig) -> dict[str, CameraRig]:
    """Returns the cameras as other conventions read them, by what they look like."""
    turned = CameraRig(
        rig.intrinsics, _FROM_OPENGL @ rig.rotation, rig.translation @ _FROM_OPENGL
    )
    inverted = rig.inverted()
    inverted_turned = CameraRig(
        rig.intrinsics,
        _FROM_OPENGL @ inverted.rotation,
        inverted.translation @ _FROM_OPENGL,
    )
    positions = -np.einsum("nij,nj->ni", rig.rotation, rig.translation)
    at_positions = CameraRig(rig.intrinsics, rig.rotation, positions)
    transposed = np.swapaxes(rig.rotation, -1, -2)
    turns_back = CameraRig(rig.intrinsics, transposed, rig.translation)
    return {
        "camera-to-world transformations": inverted,
        "t being the position of the camera in the world": at_positions,
        "R turning the camera to the world": turns_back,
        "cameras of OpenGL, with y up": turned,
        "camera-to-world transformations of OpenGL's cameras": inverted_turned,
    }
