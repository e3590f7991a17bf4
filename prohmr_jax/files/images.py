"""Reads photographs of any format as upright RGB, finds them, and writes pictures."""

import contextlib
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically

# Formats whose decoders are in common use; those of EPS, PDF and others start programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
# A 100-megapixel camera fits; a file that claims more is a decompression bomb.
_MAX_PIXELS = 120_000_000
_MAX_16_BITS = 65535

_EXIF_ORIENTATION = 0x0112
# Operations that turn the stored pixels upright, by the values 2 to 8 of EXIF's
# orientation. Pillow's `ImageOps.exif_transpose` is not used because it also rewrites
# the metadata, which fails where they are damaged and the photo is fine.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The orientations whose operation swaps width and height.
_SIDEWAYS = (5, 6, 7, 8)

_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_KEYPOINTS_ENDING = "_keypoints"


def read_image(
    path: str | os.PathLike, *, exif: Literal["honour", "ignore"] = "honour"
) -> np.ndarray:
    """Returns the photo as a uint8 RGB array [H, W, 3].

    Grey, palette, CMYK and 16-bit images are converted, transparent images are laid on
    white, and of an image with several frames the first is read.

    Args:
      path: file in the format JPEG, PNG, WebP, TIFF, BMP, GIF or PPM.
      exif: "honour" turns the pixels upright as EXIF's orientation says. OpenPose and
        image viewers do the same, so that their keypoints fit. "ignore" leaves the
        pixels as they are stored, which the official ProHMR code does; detections of
        such a program are in that frame.

    Raises:
      InputError: the file is missing, no image or truncated, or claims more than 120
        million pixels.
    """
    with _faults_named(path), Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise InputError(
                path, f"claims {image.width} x {image.height} pixels, which is too many"
            )
        orientation = _orientation(image) if exif == "honour" else 1
        pixels = _to_rgb(path, image)
        if orientation in _UPRIGHT:
            pixels = pixels.transpose(_UPRIGHT[orientation])
        return np.array(pixels)


def image_size(
    file: str | os.PathLike | BinaryIO,
    *,
    exif: Literal["honour", "ignore"] = "honour",
    name: str = "",
) -> tuple[int, int]:
    """Returns the size (width, height) of a photo without decoding its pixels.

    Args:
      file: path or binary stream.
      exif: as in `read_image`, whose result has this size.
      name: name of the stream, for messages.

    Raises:
      InputError: the file is missing or no image.
    """
    with _faults_named(name or file), Image.open(file, formats=_FORMATS) as image:
        turned = exif == "honour" and _orientation(image) in _SIDEWAYS
        return image.size[::-1] if turned else image.size


def find_photo(keypoints: str | os.PathLike, named: str | None = None) -> Path | None:
    """Returns the path of the photo of a keypoint file, or None if there is none.

    Args:
      keypoints: path of a detector's file; the photo of `X_keypoints.json` or `X.json`
        is `X.jpg`, `.jpeg`, `.png` or `.webp` in the same folder, in lower or upper
        case.
      named: name of the photo if the file states it; such a photo has precedence. It
        is looked for only in the folder of the file and below.
    """
    keypoints = Path(keypoints)
    folder = keypoints.parent
    if named:
        inside = Path(os.path.normpath(named))
        if inside.is_absolute() or ".." in inside.parts:
            inside = Path(inside.name)  # perhaps a path on another machine
        if inside.suffix.lower() in _PHOTO_SUFFIXES and (folder / inside).is_file():
            return folder / inside
    stem = keypoints.stem.removesuffix(_KEYPOINTS_ENDING)
    for suffix in _PHOTO_SUFFIXES:
        for spelling in (suffix, suffix.upper(), "." + suffix[1:].capitalize()):
            photo = folder / f"{stem}{spelling}"
            if photo.is_file():
                return photo
    return None


@contextlib.contextmanager
def _faults_named(path: str | os.PathLike) -> Iterator[None]:
    """Turns the many errors of decoders into an InputError that names the file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata, and about sizes, which are checked here.
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(path, "claims far too many pixels") from error
    except Image.UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise InputError(path, f"is no image that can be read ({known})") from error
    except OSError as error:
        if error.strerror:
            raise InputError(path, f"cannot be read: {error.strerror}") from error
        raise InputError(path, "is a truncated or damaged image") from error
    except (
        ArithmeticError, AttributeError, EOFError, LookupError, MemoryError,
        RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(path, "is a damaged image") from error


def _orientation(image: Image.Image) -> int:
    """Returns EXIF's orientation; 1 (as stored) if it is missing or damaged."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged metadata can raise anything; the photo may be fine
        return 1


def _to_rgb(path: str | os.PathLike, image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        wide = np.asarray(image)
        # Pillow opens some 16-bit formats with 32 bits, and these values fit into 16
        # bits. The range of a true 32-bit image is unknown.
        if image.mode == "F" or wide.min() < 0 or wide.max() > _MAX_16_BITS:
            raise InputError(path, "has pixels of 32 bits, whose range is unknown")
        eight = (wide * (255 / _MAX_16_BITS)).round().astype(np.uint8)
        return Image.fromarray(eight).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture as PNG, as a whole or not at all.

    Args:
      path: file to write.
      picture: picture [H, W, 3] uint8 RGB.

    Raises:
      InputError: the file cannot be written.
    """
    image = Image.fromarray(picture)
    write_atomically(path, lambda stream: image.save(stream, format="PNG"))
