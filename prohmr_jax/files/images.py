"""Reads photographs of any format as upright RGB, and writes pictures as PNG."""

import contextlib
import functools
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
from prohmr_jax.files.decoder_messages import quiet_decoders

# Formats whose decoders are in common use, with the endings of their files' names, the
# likeliest first. The decoders of EPS, PDF and others would start programs.
_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pnm"),
}
PHOTO_SUFFIXES = tuple(suffix for suffixes in _FORMATS.values() for suffix in suffixes)
"""Endings of the names of photos that are found and read, the likeliest first."""
# Brands of HEIC in the first bytes of a file, "....ftypBRAND".
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_HEIC_ADVICE = (
    "is a HEIC photo, which needs another package: pip install 'prohmr-jax[heic]', or "
    "save it as JPEG"
)
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


def read_image(
    path: str | os.PathLike, *, exif: Literal["honour", "ignore"] = "honour"
) -> np.ndarray:
    """Returns the photo as a uint8 RGB array [H, W, 3].

    Grey, palette, CMYK and 16-bit images are converted, transparent images are laid on
    white, and of an image with several frames the first is read.

    Args:
      path: file in the format JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF or PPM, or HEIC
        where the package `pillow-heif` is installed.
      exif: "honour" turns the pixels upright as EXIF's orientation says. OpenPose and
        image viewers do the same, so that their keypoints fit. "ignore" leaves the
        pixels as they are stored, which the official ProHMR code does; detections of
        such a program are in that frame.

    Raises:
      InputError: the file is missing, no image or truncated, or claims more than 120
        million pixels.
    """
    with _faults_named(path), Image.open(path, formats=known_formats()) as image:
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
    with (
        _faults_named(name or file),
        Image.open(file, formats=known_formats()) as image,
    ):
        turned = exif == "honour" and _orientation(image) in _SIDEWAYS
        return image.size[::-1] if turned else image.size


@functools.cache
def known_formats() -> tuple[str, ...]:
    """Returns the formats that can be read here, as Pillow names them.

    HEIF is among them where the package `pillow-heif` is installed.
    """
    known = set(_FORMATS)
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except ImportError:
        known.remove("HEIF")
    return tuple(name for name in _FORMATS if name in known)


@contextlib.contextmanager
def _faults_named(path: str | os.PathLike) -> Iterator[None]:
    """Turns the many errors of decoders into an InputError that names the file."""
    try:
        with warnings.catch_warnings(), quiet_decoders():
            # Pillow warns about odd metadata, and about sizes, which are checked here.
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(path, "claims far too many pixels") from error
    except Image.UnidentifiedImageError as error:
        known = known_formats()
        if "HEIF" not in known and _is_heic(path):
            raise InputError(path, _HEIC_ADVICE) from error
        what = f"is no image that can be read ({', '.join(known)})"
        raise InputError(path, what) from error
    except OSError as error:
        if error.strerror:
            raise InputError(path, f"cannot be read: {error.strerror}") from error
        raise InputError(path, "is a truncated or damaged image") from error
    except (
        ArithmeticError, AttributeError, EOFError, LookupError, MemoryError,
        RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(path, "is a damaged image") from error


def _is_heic(path: str | os.PathLike) -> bool:
    """Returns whether a file begins as HEIC photos do."""
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    return start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS


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
