"""Reads and checks the photo of a record, and cuts the person out if asked to.

`builder` calls it. Labels refer to the pixels as they are stored: the orientation in
the EXIF data is never applied, as in the official code, whose labels were made with a
reader that ignores it.
"""

import dataclasses
import os
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from prohmr_jax.data.augmentation import AugmentationSettings, extreme_crop
from prohmr_jax.data.crops import decode_image, move_points
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError

# First bytes of the kinds of files that a record may hold.
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_JPEG_QUALITY = 95
# One number for each of the official extreme crops: to hips, shoulders and head.
_EXTREME_CROPS = (0.0, 0.8, 0.95)
# Pixels beyond the window that interpolation may read.
_BORDER_PX = 2


def find_image(folder: str | os.PathLike, name: str) -> Path:
    """Returns the file of a photo.

    Args:
      folder: folder of the dataset's photos.
      name: path below the folder, with slashes of either kind. It may start with the
        name of the folder itself, as in some annotations.

    Raises:
      InputError: there is no such file, or it would be outside the folder.
    """
    inside = PurePosixPath(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise InputError(folder, f"does not hold {name!r}: the name leads elsewhere")
    folder = Path(folder)
    path = folder / inside
    if inside.parts[0] == folder.resolve().name and not _is_file(path):
        path = folder / PurePosixPath(*inside.parts[1:])
    if not _is_file(path):
        raise InputError(folder / inside, "does not exist")
    return path


def with_photo(
    record: PersonRecord, folder: str | os.PathLike | None, box_px: int | None = None
) -> PersonRecord:
    """Returns the record with its photo, which is known to be decodable.

    Args:
      record: the person. Where `image` is empty, the photo is the file `name` of the
        folder.
      folder: folder of photos; needed where records come without photos.
      box_px: None keeps the whole file. Otherwise the box is cut out with as much
        around it as augmentation may reach, and shrunk where the box is larger than so
        many pixels.

    Raises:
      InputError: the photo is missing, damaged, or does not show the box.
    """
    data = record.image
    if not data and folder is None:
        raise InputError(record.name, "comes without a photo, and no folder is given")
    if not data:
        path = find_image(folder, record.name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(path, f"cannot be read: {error.strerror}") from error
    pixels = decode_image(data, record.name)
    low = record.box_center - record.box_size / 2
    high = record.box_center + record.box_size / 2
    if (high < 0).any() or (low > pixels.shape[1::-1]).any():
        raise InputError(record.name, "does not show the box: another photo or size")
    if box_px is not None:
        return _cut_out(record, pixels, box_px)
    if not data.startswith((_JPEG, _PNG)):
        data = _encode(record.name, ".png", pixels)
    return dataclasses.replace(record, image=data)


def _cut_out(record: PersonRecord, pixels: np.ndarray, box_px: int) -> PersonRecord:
    low, high = _reach(record)
    x0, y0 = np.maximum(np.floor(low).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + 1, pixels.shape[1::-1])
    part = pixels[y0:y1, x0:x1]
    factor = min(1.0, box_px / record.box_size)
    size = np.maximum(np.round(factor * np.array([x1 - x0, y1 - y0])), 1).astype(int)
    small = cv2.resize(part, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
    # Pixels are squares about their centres, so corners at -0.5 go to corners.
    scale = size / [x1 - x0, y1 - y0]
    shift = scale * (0.5 - np.array([x0, y0])) - 0.5
    matrix = np.concatenate([np.diag(scale), shift[:, None]], axis=1)
    keypoints = record.keypoints_2d.copy()
    keypoints[:, :2] = move_points(keypoints[:, :2], matrix)
    keypoints[keypoints[:, 2] <= 0] = 0.0
    return dataclasses.replace(
        record,
        image=_encode(record.name, ".jpg", small),
        box_center=move_points(record.box_center, matrix),
        box_size=float(record.box_size * scale.mean()),
        keypoints_2d=keypoints,
        intrinsics=np.vstack([matrix, [0.0, 0.0, 1.0]]) @ record.intrinsics,
    )


def _reach(record: PersonRecord) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corners, (x, y), of all that official augmentation may show."""
    settings, box_size = AugmentationSettings(), float(record.box_size)
    windows = [(record.box_center, box_size)] + [
        extreme_crop(cut, record.box_center, box_size, record.keypoints_2d)
        for cut in _EXTREME_CROPS
    ]
    centers = np.array([center for center, _ in windows], np.float64)
    sizes = np.array([size for _, size in windows])[:, None]
    # A square turned by any angle stays within the circle about its corners.
    half = sizes * (1 + settings.scale) / np.sqrt(2) + settings.translation * box_size
    half += _BORDER_PX
    return (centers - half).min(axis=0), (centers + half).max(axis=0)


def _encode(name: str, ending: str, pixels: np.ndarray) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if ending == ".jpg" else []
    done, data = cv2.imencode(ending, pixels[..., ::-1], options)
    if not done:
        raise InputError(name, "cannot be encoded")
    return data.tobytes()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null in it
        return False
