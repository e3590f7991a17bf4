"""The official annotation files (`.npz`), and those of SPIN, from which they grew.

Both name photos relative to a folder and have a box per person; in ProHMR's layout
`scale` is the side of the box in pixels, in SPIN's it is that side / 200.

ProHMR: `body_pose` [N, 72], `betas`, `has_body_pose`, `has_betas`, `body_keypoints_2d`
[N, 25, 3], `extra_keypoints_2d` [N, 19, 3], `body_keypoints_3d` [N, 25, 4],
`extra_keypoints_3d` [N, 19, 4]. SPIN: `pose` [N, 72], `shape`, `has_smpl`, `openpose`
[N, 25, 3], `part` [N, 24, 3], `S` [N, 24, 4]. All of these are optional.
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
# Half of the people of a dataset have more pixels than this, and fewer than 200 times
# as many, whichever dataset it is.
_FEWEST_PIXELS = 20.0


def _label(*shape: int | str) -> Expected:
    return Expected(("N", *shape), "label", optional=True)


# Names come first: they say how many people there are.
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
      path: `.npz`, without pickles.
      layout: "auto" tells by the names of the arrays.
      box_unit: what `scale` is in. "auto" is the layout's, and where that would make
        people of impossible sizes the file is refused.

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
    """Returns the people of arrays that have the expected shapes; see above."""
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
        raise InputError(path, f"has arrays of {which} layout; say which it is")
    return "prohmr" if official else "spin"


def _prohmr(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> dict:
    body, extra = BODY_25.positions_in(JOINTS_44), EXTRA_19.positions_in(JOINTS_44)
    # As officially, parameters count only where there are flags for them.
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
    """Joins keypoints; where two arrays have a joint, annotators go before OpenPose."""
    found = [name for name in places if name in arrays]
    shape = (len(arrays["imgname"]), len(JOINTS_44), columns)
    if not found:
        return np.broadcast_to(np.float32(0), shape)
    joined = np.zeros(shape, np.float32)
    for name in found:
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
        if (median > _FEWEST_PIXELS) != (unit == "pixels"):
            raise InputError(
                path,
                f"scale is {median:.3g} in the middle, which seems to be in {other}, "
                f"not in {unit} as usual in this layout; say which it is",
            )
    return sizes * (_SPIN_UNIT if unit == "box_200" else 1.0)


def _text(path: str | os.PathLike, names: np.ndarray) -> np.ndarray:
    try:
        return names if names.dtype.kind == "U" else np.char.decode(names, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, "imgname holds bytes that are no text") from error
