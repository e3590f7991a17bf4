"""Reads the calibrations of Qualisys (`.qca.txt`), which are XML.

Lengths on the sensor are in 64ths of a pixel. The coefficients of distortion are those
of OpenCV as they are. A transform says where the camera stands, in millimetres, and
turns world axes to the axes of a camera with y up, which looks along -z.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera, checked_camera

_SUBPIXELS = 64.0
_MILLIMETRES = 1000.0
_Y_DOWN = np.diag([1.0, -1.0, -1.0])
_MAX_BYTES = 1_000_000
_ROTATION = [[f"r{row}{column}" for column in (1, 2, 3)] for row in (1, 2, 3)]


def read_qualisys_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a file by serial number.

    Raises:
      InputError: the file is no such XML, or a camera lacks a number.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(path, "is too large for a calibration")
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(path, f"is not XML: {str(error)[:100]}") from error
    cameras = root.findall("cameras/camera")
    if not cameras:
        raise InputError(path, "holds no cameras of Qualisys")
    return {
        name: _camera(path, name, camera)
        for number, camera in enumerate(cameras)
        for name in [camera.get("serial") or str(number)]
    }


def _camera(path: Path, name: str, camera: ElementTree.Element) -> CalibratedCamera:
    transform, intrinsic = camera.find("transform"), camera.find("intrinsic")
    view = camera.find("fov_video")
    if transform is None or intrinsic is None:
        raise InputError(path, f"camera {name} has no transform or no intrinsic")

    def number(element: ElementTree.Element, key: str) -> float:
        try:
            value = float(element.get(key, ""))
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError(path, f"camera {name} has no number {key}")
        return value

    focal = [number(intrinsic, f"focalLength{axis}") / _SUBPIXELS for axis in "UV"]
    center = [number(intrinsic, f"centerPoint{axis}") / _SUBPIXELS for axis in "UV"]
    size = None
    if view is not None:
        left, top, right, bottom = (
            number(view, side) for side in ("left", "top", "right", "bottom")
        )
        center = [center[0] - left, center[1] - top]
        size = int(right - left + 1), int(bottom - top + 1)
    matrix = np.diag([*focal, 1.0])
    matrix[:2, 2] = center
    rotation = _Y_DOWN @ [[number(transform, key) for key in row] for row in _ROTATION]
    position = np.array([number(transform, axis) for axis in "xyz"]) / _MILLIMETRES
    radial = [number(intrinsic, f"radialDistortion{n}") for n in (1, 2, 3)]
    tangential = [number(intrinsic, f"tangentalDistortion{n}") for n in (1, 2)]
    return checked_camera(
        path,
        name,
        intrinsics=matrix,
        rotation=rotation,
        translation=-rotation @ position,
        distortion=[*radial[:2], *tangential, radial[2]],
        image_size=size if size and min(size) > 1 else None,
    )
