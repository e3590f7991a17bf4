"""Reads calibrations of any of the formats, and finds them beside pictures.

The reader of several views calls it.
"""

from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.files.calibrations.camera import CalibratedCamera
from prohmr_jax.files.calibrations.easymocap_files import (
    EXTRINSICS_FILE,
    INTRINSICS_FILE,
    read_easymocap_cameras,
)
from prohmr_jax.files.calibrations.file_storage import SUFFIXES, read_file_storage
from prohmr_jax.files.calibrations.opencv import cameras_of, read_opencv_cameras
from prohmr_jax.files.calibrations.own_json import read_own_cameras
from prohmr_jax.files.calibrations.pose2sim import read_pose2sim_cameras
from prohmr_jax.files.calibrations.qualisys import read_qualisys_cameras

OWN_FILE = "cameras.json"
"""Name of the project's own file of cameras."""
_QUALISYS_SUFFIXES = (".qca.txt", ".qca", ".txt")
_FOLDERS = ("", "calibration", "calib", "calibrations", "cameras")
# The pair of files of OpenCV's sample `stereo_calib`.
_STEREO_PAIRS = (("intrinsics", "extrinsics"), ("intrinsic", "extrinsic"))


def read_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a calibration by name.

    Args:
      path: a file of this project, Pose2Sim, Qualisys or OpenCV; one of EasyMocap's
        files, whose other one is beside it; or a folder with such a file, or with a
        file of OpenCV for each camera.

    Raises:
      InputError: the path is none of these, or a file is damaged.
    """
    if path.is_dir():
        calibration = find_calibration(path)
        if calibration is None:
            raise InputError(path, "holds no calibration")
        if calibration != path:
            return read_cameras(calibration)
        return _camera_files(path)
    if not path.exists():
        raise InputError(path, "no such file or folder")
    name = path.name.lower()
    if name in (INTRINSICS_FILE, EXTRINSICS_FILE):
        return read_easymocap_cameras(path.parent)
    if name.endswith(".toml"):
        return read_pose2sim_cameras(path)
    if name.endswith(_QUALISYS_SUFFIXES):
        return read_qualisys_cameras(path)
    for pair in _STEREO_PAIRS:
        if path.stem.lower() in pair:
            files = [path.with_stem(stem) for stem in pair]
            if all(file.exists() for file in files):
                first, second = map(read_file_storage, files)
                return cameras_of(path, first | second)
    if name.endswith(".json"):
        return _json_cameras(path)
    if name.endswith(SUFFIXES):
        return read_opencv_cameras(path)
    raise InputError(path, "is no calibration (.toml, .qca.txt, .yml, .xml or .json)")


def find_calibration(folder: Path) -> Path | None:
    """Returns the calibration of a folder, which `read_cameras` takes, or None.

    It is looked for in the folder and in the folders `calibration`, `calib`,
    `calibrations` and `cameras` in it. The folder itself stands for files of OpenCV,
    one for each camera.

    Args:
      folder: an existing folder.
    """
    for place in (folder / name for name in _FOLDERS):
        if not place.is_dir():
            continue
        files = sorted(file for file in place.iterdir() if file.is_file())
        by_name = {file.name.lower(): file for file in files}
        if OWN_FILE in by_name:
            return by_name[OWN_FILE]
        if {INTRINSICS_FILE, EXTRINSICS_FILE} <= set(by_name):
            return by_name[EXTRINSICS_FILE]
        for first, second in _STEREO_PAIRS:
            for suffix in SUFFIXES:
                if {first + suffix, second + suffix} <= set(by_name):
                    return by_name[second + suffix]
        calibrations = [
            file
            for suffix in (".toml", ".qca.txt", *SUFFIXES[:-1])
            for name, file in by_name.items()
            if name.endswith(suffix) and "calib" in name
        ]
        if calibrations:
            return calibrations[0]
        if any(name.endswith(SUFFIXES[:-1]) for name in by_name):
            return place
        qualisys = [f for name, f in by_name.items() if name.endswith(".qca.txt")]
        if qualisys:
            return qualisys[0]
    return None


def _camera_files(folder: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of a folder of OpenCV's files, one for each camera."""
    cameras = {}
    for file in sorted(folder.iterdir()):
        if file.name.lower().endswith(SUFFIXES[:-1]):
            for name, camera in read_opencv_cameras(file).items():
                cameras[name if name == file.stem else f"{file.stem}_{name}"] = camera
    return cameras


def _json_cameras(path: Path) -> dict[str, CalibratedCamera]:
    """Returns the cameras of this project's JSON, or of OpenCV's."""
    content = read_file_storage(path)
    tables = [value for value in content.values() if isinstance(value, dict)]
    if tables and all({"K", "R", "t"} & set(table) for table in tables):
        return read_own_cameras(path)
    return cameras_of(path, content)
