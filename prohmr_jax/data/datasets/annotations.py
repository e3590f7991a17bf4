"""Reads the annotation files (`.npz`) of the official ProHMR and of SPIN.

`tools/make_dataset.py` calls it. Files of both layouts name photos relative to a folder
and have a box per person: `imgname`, `center` and `scale`, which is the side of the box
in pixels in ProHMR's layout, and that side / 200 in SPIN's.

ProHMR: `body_pose` [N, 72], `betas`, `has_body_pose`, `has_betas`, `body_keypoints_2d`
[N, 25, 3], `extra_keypoints_2d` [N, 19, 3], `body_keypoints_3d` [N, 25, 4],
`extra_keypoints_3d` [N, 19, 4]. SPIN: `pose` [N, 72], `shape`, `has_smpl`, `openpose`
[N, 25, 3], `part` [N, 24, 3], `S` [N, 24, 4]. All of these arrays are optional.
"""

import os
from collections.abc import Mapping
from typing import Literal

import numpy as np

from prohmr_jax.data.datasets.label_table import LabelTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz
from prohmr_jax.skeleton import BODY_25, EXTRA_19, JOINTS_44, SMPL_24, SPIN_24

Layout = Literal["auto", "prohmr", "spin"]
BoxUnit = Literal["auto", "pixels", "box_200"]

_NUM_POSE, _NUM_BETAS = 3 * len(SMPL_24), 10
_MAX_MEMBER_BYTES = 1 << 32
_SPIN_UNIT = 200.0
# The median side of the boxes is above this in pixels, and below it in units of 200
# pixels, in every dataset of people.
_LEAST_MEDIAN_PIXELS = 20.0


def _label(*shape: int | str) -> Expected:
    return Expected(("N", *shape), "label", optional=True)


# The names come first, since they tell the number N of people to the checks.
COMMON = {
    "imgname": Expected(("N",), "name"),
    "center": Expected(("N", 2), "label"),
    "scale": Expected(("N", ...), "label"),
}
PROHMR = {
    "body_pose": _label(_NUM_POSE),
    "betas": _label("S"),
    "has_body_pose": _label(...),
    "has_betas": _label(...),
    "body_keypoints_2d": _label(len(BODY_25), 3),
    "extra_keypoints_2d": _label(len(EXTRA_19), 3),
    "body_keypoints_3d": _label(len(BODY_25), 4),
    "extra_keypoints_3d": _label(len(EXTRA_19), 4),
}
SPIN = {
    "pose": _label(_NUM_POSE),
    "shape": _label("S"),
    "has_smpl": _label(...),
    "openpose": _label(len(BODY_25), 3),
    "part": _label(len(SPIN_24), 3),
    "S": _label(len(SPIN_24), 4),
}


def read_annotations(
    path: str | os.PathLike, *, layout: Layout = "auto", box_unit: BoxUnit = "auto"
) -> LabelTable:
    """Returns the people of an annotation file.

    Args:
      path: path of the `.npz` file.
      layout: layout of the file; "auto" tells it by the names of the arrays.
      box_unit: unit of `scale`; "auto" is the unit of the layout, and refuses a file in
        which people would then have impossible sizes.

    Raises:
      InputError: the file is missing, damaged, empty, of neither layout or of both, or
        an array is missing, of another shape, or holds objects.
    """
    expected = {**COMMON, **PROHMR, **SPIN}
    arrays = read_npz(path, expected, max_member_bytes=_MAX_MEMBER_BYTES)
    return make_table(path, arrays, layout, box_unit)


def make_table(
    path: str | os.PathLike,
    arrays: Mapping[str, np.ndarray],
    layout: Layout,
    box_unit: BoxUnit,
) -> LabelTable:
    """Returns the people of arrays whose shapes have been checked.

    Args:
      path: path of their file, for errors.
      arrays: the arrays by name, as listed at the top of this module.
      layout: layout of the arrays; see `read_annotations`.
      box_unit: unit of `scale`; see `read_annotations`.

    Raises:
      InputError: there are no people, or an array does not make sense.
    """
    if not arrays["imgname"].size:
        raise InputError(path, "holds no people")
    for name, array in arrays.items():
        if not array.size:
            raise InputError(path, f"{name} is empty")
    layout = _layout(path, arrays) if layout == "auto" else layout
    columns = _prohmr(path, arrays) if layout == "prohmr" else _spin(path, arrays)
    return LabelTable(
        names=_text(path, arrays["imgname"]),
        box_centers=arrays["center"],
        box_sizes=_box_sizes(path, arrays["scale"], layout, box_unit),
        **columns,
    )


def _layout(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> Layout:
    official, spin = arrays.keys() & PROHMR.keys(), arrays.keys() & SPIN.keys()
    if bool(official) == bool(spin):
        which = "both ProHMR's and SPIN's" if spin else "neither ProHMR's nor SPIN's"
        raise InputError(path, f"has arrays of {which} layout; name the layout")
    return "prohmr" if official else "spin"


def _prohmr(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> dict:
    body, extra = BODY_25.positions_in(JOINTS_44), EXTRA_19.positions_in(JOINTS_44)
    # As in the official code, parameters count only where the file has their flags.
    return {
        "keypoints_2d": _keypoints(
            arrays, 3, {"body_keypoints_2d": body, "extra_keypoints_2d": extra}
        ),
        "keypoints_3d": _keypoints(
            arrays, 4, {"body_keypoints_3d": body, "extra_keypoints_3d": extra}
        ),
        **_parameters(path, arrays, "body_pose", "betas"),
        "has_pose": _flags(arrays, "body_pose", "has_body_pose", absent=False),
        "has_betas": _flags(arrays, "betas", "has_betas", absent=False),
    }


def _spin(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> dict:
    body, part = BODY_25.positions_in(JOINTS_44), SPIN_24.positions_in(JOINTS_44)
    return {
        "keypoints_2d": _keypoints(arrays, 3, {"openpose": body, "part": part}),
        "keypoints_3d": _keypoints(arrays, 4, {"S": part}),
        **_parameters(path, arrays, "pose", "shape"),
        "has_pose": _flags(arrays, "pose", "has_smpl", absent=True),
        "has_betas": _flags(arrays, "shape", "has_smpl", absent=True),
    }


def _keypoints(
    arrays: Mapping[str, np.ndarray],
    columns: int,
    places: Mapping[str, tuple[int, ...]],
) -> np.ndarray:
    """Returns the keypoints of several arrays in the order of JOINTS_44.

    Where two arrays label a joint, the later one counts: annotators before OpenPose.

    Args:
      arrays: the arrays by name.
      columns: numbers per keypoint, coordinates and confidence.
      places: name of an array -> positions of its joints in JOINTS_44.
    """
    present = [name for name in places if name in arrays]
    shape = (len(arrays["imgname"]), len(JOINTS_44), columns)
    if not present:
        return np.broadcast_to(np.float32(0), shape)
    joined = np.zeros(shape, np.float32)
    for name in present:
        with np.errstate(over="ignore"):  # infinite, which counts as missing
            values, joints = arrays[name].astype(np.float32), list(places[name])
        labelled = values[..., -1:] > 0
        joined[:, joints] = np.where(labelled, values, joined[:, joints])
    return joined


def _parameters(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], pose: str, betas: str
) -> dict:
    count = len(arrays["imgname"])
    shape = arrays.get(betas, np.broadcast_to(np.float32(0), (count, _NUM_BETAS)))
    if shape.shape[1] < _NUM_BETAS:
        raise InputError(path, f"{betas} has fewer than {_NUM_BETAS} coefficients")
    angles = arrays.get(pose, np.broadcast_to(np.float32(0), (count, _NUM_POSE)))
    return {
        "axis_angle": angles.reshape(count, len(SMPL_24), 3),
        "betas": shape[:, :_NUM_BETAS],
    }


def _flags(
    arrays: Mapping[str, np.ndarray], values: str, flag: str, *, absent: bool
) -> np.ndarray:
    count = len(arrays["imgname"])
    if values not in arrays or flag not in arrays:
        return np.broadcast_to(absent and values in arrays, count)
    return arrays[flag].reshape(count, -1)[:, 0] > 0


def _box_sizes(
    path: str | os.PathLike, scale: np.ndarray, layout: Layout, unit: BoxUnit
) -> np.ndarray:
    sizes = scale.reshape(len(scale), -1).max(axis=1)
    if unit == "auto":
        unit = "pixels" if layout == "prohmr" else "box_200"
        known = sizes[np.isfinite(sizes)]
        median = float(np.median(known)) if known.size else np.nan
        other = "box_200" if unit == "pixels" else "pixels"
        if (median > _LEAST_MEDIAN_PIXELS) != (unit == "pixels"):
            raise InputError(
                path,
                f"the median of scale is {median:.3g}, which seems to be in {other}, "
                f"not in {unit} as usual in this layout; name the unit",
            )
    return sizes * (_SPIN_UNIT if unit == "box_200" else 1.0)


def _text(path: str | os.PathLike, names: np.ndarray) -> np.ndarray:
    try:
        return names if names.dtype.kind == "U" else np.char.decode(names, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, "imgname holds bytes that are no text") from error
