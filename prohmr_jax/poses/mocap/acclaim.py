"""Reads Acclaim skeletons (`*.asf`) and motions (`*.amc`).

This is the original format of the CMU Graphics Lab Motion Capture Database
(mocap.cs.cmu.edu). A bone has its own axes C and rotates in them by the angles of its
degrees of freedom: its rotation relative to its parent is C R(angles) C^-1. The format
is read here because the Python packages for it are unmaintained and accept damaged
files silently.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.errors import InputError
from prohmr_jax.poses.mocap.cmu_motion import CmuMotion

METRES_PER_INCH = 0.0254
CAPTURE_RATE_HZ = 120

_NO_ROTATION = np.eye(3)


@dataclasses.dataclass(frozen=True)
class Bone:
    """Describes one bone of an Acclaim skeleton; the root is a bone without length."""

    name: str
    """Name in the file."""
    parent: int
    """Position of the parent in the skeleton; -1 for the root."""
    axes_rotmat: np.ndarray
    """[3, 3], axes of the bone in the world frame of the rest pose."""
    channels: tuple[str, ...]
    """Order of the values in a motion: any of tx, ty, tz, rx, ry, rz."""
    direction: np.ndarray
    """[3], unit vector along the bone in the rest pose, world frame."""
    length: float
    """Length of the bone, metres."""


@dataclasses.dataclass(frozen=True)
class AcclaimSkeleton:
    """Holds the bones of a skeleton."""

    bones: tuple[Bone, ...]
    """Bones in an order in which parents come before children, so the root is first."""
    metres_per_unit: float
    """Length of the file's unit of length, metres."""


def read_asf(path: str | pathlib.Path) -> AcclaimSkeleton:
    """Returns the skeleton in an `.asf` file.

    Raises:
      InputError: the file is no Acclaim skeleton, or a bone is missing or malformed.
    """
    sections = _read_sections(path)
    for needed in ("units", "root", "bonedata", "hierarchy"):
        if needed not in sections:
            raise InputError(path, f"is no Acclaim skeleton: no section :{needed}")
    units = {words[0]: words[1:] for _, words in sections["units"]}
    if units.get("angle", ["deg"]) != ["deg"]:
        raise InputError(path, f"has angles in {units['angle']}; only deg is read")
    length = _floats(path, 0, units.get("length", ["1"]), 1, "unit of length")[0]
    metres_per_unit = METRES_PER_INCH / length

    records = {"root": {words[0]: (n, words[1:]) for n, words in sections["root"]}}
    records |= _bone_records(path, sections["bonedata"])
    parent_names = _parent_names(path, sections["hierarchy"], records)
    bones: list[Bone] = []
    names: list[str] = []
    for name, parent in parent_names:
        parent_index = names.index(parent) if parent else -1
        bones.append(_bone(path, name, parent_index, records[name], metres_per_unit))
        names.append(name)
    return AcclaimSkeleton(tuple(bones), metres_per_unit)


def read_amc(
    path: str | pathlib.Path, skeleton: AcclaimSkeleton, stride: int = 1
) -> CmuMotion:
    """Returns every `stride`-th frame of an `.amc` file, posed on its skeleton.

    Args:
      path: the motion file.
      skeleton: skeleton that the motion moves.
      stride: distance between the frames that are returned; the first is returned.

    Raises:
      InputError: the file is no Acclaim motion, or a frame is truncated or out of
        order, names an unknown bone, or has a wrong number of values or a value that
        is not finite.
    """
    moving = {b.name: len(b.channels) for b in skeleton.bones if b.channels}
    frames = [
        values
        for number, values in enumerate(_read_frames(path, moving))
        if number % stride == 0
    ]
    if not frames:
        raise InputError(path, "holds no frame")
    values = np.array(frames)
    ends = np.cumsum(list(moving.values()))
    columns = dict(zip(moving, np.split(values, ends[:-1], axis=1), strict=True))
    return _pose(skeleton, columns, len(frames))


def _pose(
    skeleton: AcclaimSkeleton, columns: dict[str, np.ndarray], num_frames: int
) -> CmuMotion:
    world = np.zeros((num_frames, len(skeleton.bones), 3, 3))
    root_position = np.zeros((num_frames, 3))
    for index, bone in enumerate(skeleton.bones):
        local = np.broadcast_to(_NO_ROTATION, (num_frames, 3, 3))
        turns = [c for c, kind in enumerate(bone.channels) if kind[0] == "r"]
        if turns:
            order = "".join(bone.channels[c][1] for c in turns)
            angles = columns[bone.name][:, turns]
            turned = Rotation.from_euler(order, angles, degrees=True).as_matrix()
            local = bone.axes_rotmat @ turned @ bone.axes_rotmat.T
        world[:, index] = local if bone.parent < 0 else world[:, bone.parent] @ local
        if bone.parent < 0:
            shifts = [bone.channels.index(c) for c in ("tx", "ty", "tz")]
            root_position = columns[bone.name][:, shifts] * skeleton.metres_per_unit
    return CmuMotion(tuple(b.name for b in skeleton.bones), world, root_position)


def _read_text(path: str | pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the words of each line that is not empty or a comment."""
    try:
        text = pathlib.Path(path).read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise InputError(path, "is no text file in the Acclaim format") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield number, words


def _read_sections(path) -> dict[str, list[tuple[int, list[str]]]]:
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    lines: list[tuple[int, list[str]]] = []
    for number, words in _read_text(path):
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:].lower(), [])
        else:
            lines.append((number, words))
    return sections


def _bone_records(path, lines) -> dict[str, dict[str, tuple[int, list[str]]]]:
    """Splits the bone section into a record per bone, keyword -> (line, values)."""
    records = {}
    record: dict[str, tuple[int, list[str]]] | None = None
    for number, (keyword, *values) in lines:
        if keyword == "begin":
            record = {}
        elif record is None:
            raise InputError(path, f"line {number}: {keyword!r} outside begin and end")
        elif keyword == "end":
            if not record.get("name", (number, []))[1]:
                raise InputError(path, f"line {number}: a bone without a name")
            records[record["name"][1][0]] = record
            record = None
        else:
            record.setdefault(keyword, (number, values))
    if record is not None:
        raise InputError(path, "is truncated: the last bone has no end")
    return records


def _parent_names(path, lines, records) -> list[tuple[str, str]]:
    """Returns (bone, its parent) with parents first; the root's parent is ''."""
    ordered = [("root", "")]
    seen = {"root"}
    for number, (parent, *children) in lines:
        if parent in ("begin", "end"):
            continue
        for name in (parent, *children):
            if name not in records:
                raise InputError(path, f"line {number}: bone {name!r} has no data")
        if parent not in seen:
            raise InputError(path, f"line {number}: {parent!r} has no parent yet")
        for child in children:
            if child in seen:
                raise InputError(path, f"line {number}: {child!r} has two parents")
            seen.add(child)
            ordered.append((child, parent))
    loose = sorted(set(records) - seen)
    if loose:
        raise InputError(path, f"bone {loose[0]!r} is not in the hierarchy")
    return ordered


def _bone(path, name, parent, record, metres_per_unit) -> Bone:
    is_root = parent < 0
    axis_line, axis = record.get("axis", (0, []))
    order = axis[-1].lower() if axis else "xyz"
    if is_root:
        line, angles = record.get("orientation", (0, ["0", "0", "0"]))
        channel_line, channels = record.get("order", (0, []))
    else:
        line, angles = axis_line, axis[:-1]
        channel_line, channels = record.get("dof", (0, []))
    if sorted(order) != ["x", "y", "z"]:
        raise InputError(path, f"line {axis_line}: {name}: unknown axis order {order}")
    channels = tuple(c.lower() for c in channels)
    known = {"rx", "ry", "rz"} | ({"tx", "ty", "tz"} if is_root else set())
    if not set(channels) <= known or len(set(channels)) < len(channels):
        raise InputError(
            path, f"line {channel_line}: {name}: cannot read channels {channels}"
        )
    if is_root and set(channels) != known:
        raise InputError(path, f"line {channel_line}: the root must move in 6 channels")
    euler = _floats(path, line, angles, 3, f"axis of {name}")
    direction, length = np.zeros(3), 0.0
    if not is_root:
        for key, count in (("direction", 3), ("length", 1)):
            if key not in record:
                raise InputError(path, f"bone {name!r} has no {key}")
            values = _floats(path, *record[key], count, f"{key} of {name}")
            if key == "direction":
                direction = np.array(values) / max(np.linalg.norm(values), 1e-12)
            else:
                length = values[0] * metres_per_unit
    axes = Rotation.from_euler(order, euler, degrees=True).as_matrix()
    return Bone(name, parent, axes, channels, direction, length)


def _read_frames(path, moving: dict[str, int]) -> Iterator[list[float]]:
    """Yields the values of each frame, in the order of `moving`."""
    frame: dict[str, list[float]] = {}
    expected = 1
    line_number = 0
    for line_number, (name, *words) in _read_text(path):
        if name.startswith(":"):
            if name.upper() == ":RADIANS":
                raise InputError(path, f"line {line_number}: only degrees are read")
        elif name.isdigit() and not words:
            if int(name) != expected:
                raise InputError(
                    path, f"line {line_number}: frame {name}, expected {expected}"
                )
            if expected > 1:
                yield _whole_frame(path, expected - 1, frame, moving)
            frame, expected = {}, expected + 1
        elif expected == 1:
            raise InputError(
                path, f"line {line_number}: not an Acclaim motion (no frame number)"
            )
        elif name not in moving:
            raise InputError(
                path, f"line {line_number}: bone {name!r} is not in the skeleton"
            )
        elif name in frame:
            raise InputError(path, f"line {line_number}: {name} twice in one frame")
        else:
            frame[name] = _floats(path, line_number, words, moving[name], name)
    if expected > 1:
        yield _whole_frame(path, expected - 1, frame, moving)


def _whole_frame(path, number, frame, moving) -> list[float]:
    absent = [name for name in moving if name not in frame]
    if absent:
        raise InputError(path, f"frame {number} is truncated: no {absent[0]}")
    return [value for name in moving for value in frame[name]]


def _floats(path, line, words, count, what) -> list[float]:
    if len(words) != count:
        raise InputError(
            path, f"line {line}: {what}: {len(words)} values, expected {count}"
        )
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise InputError(path, f"line {line}: {what}: not a number") from None
    if not np.all(np.isfinite(values)):
        raise InputError(path, f"line {line}: {what}: not finite")
    return values
