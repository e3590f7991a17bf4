"""Compares boxes, keypoints and crops with those of the official OpenPose reader."""

import dataclasses
import functools
import io
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import read_detections
from prohmr_jax.geometry.boxes import box_around, official_validity
from prohmr_jax.geometry.cameras import image_to_crop
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.structs import Box, Keypoints2D

_CROP_PX = 224
# Unit of box sizes in the official code, in pixels, as in LSP and MPII.
_SCALE_PX = 200.0
_GREY_LEVELS = 2.0
_MEAN = 255.0 * np.array([0.485, 0.456, 0.406])
_STD = 255.0 * np.array([0.229, 0.224, 0.225])
_SUFFIX = "_keypoints.json"


@dataclasses.dataclass(frozen=True)
class _Person:
    """Holds one detected person."""

    file: Path
    index: int
    keypoints: Keypoints2D

    @property
    def image(self) -> Path:
        """The photograph of the same name."""
        stem = self.file.name.removesuffix(_SUFFIX)
        for suffix in (".png", ".jpg"):
            path = self.file.with_name(stem + suffix)
            if path.exists():
                return path
        raise InputError(self.file, "has no image of the same name beside it")


@functools.lru_cache(maxsize=1)
def _people(directory: GoldenDirectory) -> tuple[_Person, ...]:
    """Returns the people detected in files of the directory, or of `data` beside it."""
    data = directory.path.parent / "data"
    files = [*directory.path.glob("openpose_*" + _SUFFIX), *data.glob("*" + _SUFFIX)]
    return tuple(
        _Person(file, person.person_index, person.keypoints)
        for file in sorted(files)
        for person in read_detections(file, min_confidence=0.0).people
    )


def _same(person: _Person, official: np.ndarray) -> bool:
    ours = person.keypoints.xy
    return np.allclose(ours, official[: len(ours), :2], rtol=1e-6, atol=1e-3)


def check_openpose(case: GoldenFile, report: Report) -> None:
    """Compares box, keypoints and crop of every person of a file."""
    for key in case.keys():
        if key.endswith("/orig_keypoints_2d"):
            _check_person(case, report, key.removesuffix("orig_keypoints_2d"))


def _check_person(case: GoldenFile, report: Report, prefix: str) -> None:
    original = case.golden(prefix + "orig_keypoints_2d")
    matching = [p for p in _people(case.directory) if _same(p, original)]
    if len(matching) != 1:
        what = f"{len(matching)} people of *{_SUFFIX} have these positions"
        report.fail(case.name, prefix + "orig_keypoints_2d", what)
        return
    person = matching[0]
    detected = np.column_stack([person.keypoints.xy, person.keypoints.confidence])
    keypoints = np.zeros_like(original)  # the 19 extra joints are not detected
    keypoints[: len(detected)] = detected
    report.measure(case, prefix + "orig_keypoints_2d", keypoints, _clipped(original),
                   reason=f"person {person.index} of {person.file.name}")  # fmt: skip
    valid = official_validity(person.keypoints)
    box = jax.device_get(box_around(person.keypoints.xy, valid))
    for name, value in (
        ("center", box.center),
        ("box_center", box.center),
        ("box_size", box.size),
        ("scale", box.size / _SCALE_PX),
    ):
        report.compare(case, prefix + name, value)
    crop = np.column_stack([image_to_crop(keypoints[:, :2], box), keypoints[:, 2]])
    key = prefix + "keypoints_2d"
    report.measure(case, key, crop, _clipped(case.golden(key)))
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name == "keypoints_3d" or "smpl_params/" in name:
            nothing = np.zeros_like(case.golden(key))
            report.compare(case, key, nothing, reason="detections have no 3D labels")
    _check_pixels(case, report, prefix, person, box)


def _clipped(official: np.ndarray) -> np.ndarray:
    """Returns keypoints with confidences of at most 1, as our reader does.

    Detectors may exceed 1 by a little.
    """
    return np.column_stack([official[:, :2], np.clip(official[:, 2], 0.0, 1.0)])


def _check_pixels(case, report, prefix, person, box) -> None:
    with Image.open(person.image) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    report.compare(case, prefix + "img_size", np.array([width, height], np.float64))
    options = {"tolerance": _GREY_LEVELS, "absolute": True, "reason": "grey levels"}
    key = prefix + "img"
    golden = case.golden(key).transpose(1, 2, 0) * _STD + _MEAN
    report.measure(case, key, np.rint(crop_square(pixels, box)), golden, **options)
    key = prefix + "patch_uint8_bgr_cv455"
    if key in case:
        golden = case.golden(key)[..., ::-1].astype(np.float64)
        ours = np.rint(crop_square(pixels, box, fixed_point=True))
        report.measure(case, key, ours, golden, **options)


def crop_square(pixels: np.ndarray, box: Box, fixed_point: bool = False) -> np.ndarray:
    """Returns the box as a square crop `[224, 224, 3]`, bilinear, black outside.

    The box centre falls on pixel (112, 112).

    Args:
      pixels: image, [H, W, 3], uint8.
      box: box of the crop, pixels of the image.
      fixed_point: whether to sample at multiples of 1/32 pixel, as OpenCV before 5.0.
    """
    center = np.float32(box.center)
    # The official map is computed from three points in float32: the centre, and two
    # that are half a side away.
    half = (center + np.float32(box.size) / 2).astype(np.float64) - center
    crop = pixels
    for axis, (middle, reach) in enumerate(zip(center[::-1], half[::-1], strict=True)):
        start, step = middle - reach, 2 * reach / _CROP_PX
        positions = start + step * np.arange(_CROP_PX)
        if fixed_point:
            fine = np.rint(1024 * start) + np.rint(1024 * step * np.arange(_CROP_PX))
            positions = np.floor((fine + 16) / 32) / 32
        crop = _interpolate(crop, positions, axis)
    return crop


def _interpolate(values: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Returns values interpolated linearly along an axis, zero beyond its ends."""
    low = np.floor(positions).astype(int)
    share = np.expand_dims(positions - low, tuple(i for i in range(3) if i != axis))

    def at(index):
        inside = (index >= 0) & (index < values.shape[axis])
        nearest = np.take(values, np.clip(index, 0, values.shape[axis] - 1), axis)
        return nearest * np.expand_dims(inside, tuple(i for i in range(3) if i != axis))

    return at(low) * (1 - share) + at(low + 1) * share


def check_keypoints_file(case: GoldenFile, report: Report) -> None:
    """Reports whether every person of a detections file is in openpose*.npz."""
    official = _official_people(case.directory)
    people = [p for p in _people(case.directory) if p.file.name == case.name]
    for person in people:
        matches = sum(_same(person, values) for values in official)
        if matches != 1:
            what = f"{matches} entries of openpose*.npz have these positions"
            report.fail(case.name, f"person {person.index}", what)
    report.confirm(case, "people", bool(people), f"{len(people)} people")
    for key in case.forgotten():
        case.input(key)  # the format's version and the like


def check_photo(case: GoldenFile, report: Report) -> None:
    """Reports whether `check_openpose` cuts people from a photograph."""
    photographs = {p.image.name for p in _people(case.directory)}
    used = case.name in photographs
    report.confirm(case, "content", used, "read by openpose*.npz")


def check_picture(case: GoldenFile, report: Report) -> None:
    """Reports whether a picture, which other checks read, can be decoded."""
    with Image.open(io.BytesIO(case.golden("content"))) as image:
        image.load()
        report.confirm(case, "content", True, f"a picture of {image.size} pixels")


def _official_people(directory: GoldenDirectory) -> list[np.ndarray]:
    files = [directory.open(name) for name in directory.names("openpose*.npz")]
    return [
        file.input(key)
        for file in files
        for key in file.keys()
        if key.endswith("/orig_keypoints_2d")
    ]
