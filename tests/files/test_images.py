"""Every kind of photo file becomes the same upright picture, or one clear line."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.errors import InputError
from prohmr_jax.files import images
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.detections import read_detections
from prohmr_jax.files.images import PHOTO_SUFFIXES, image_size, read_image
from prohmr_jax.skeleton import BODY_25
from tests.support.paths import DEMO_KEYPOINTS


def a_picture(height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth, so that lossy formats keep it, and different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x / width, 255 * y / height, 255 - 255 * x / width]
    return np.stack(planes, -1).astype(np.uint8)


def close(pixels: np.ndarray, expected: np.ndarray, levels: float) -> bool:
    difference = pixels.astype(int) - expected.astype(int)
    return pixels.shape == expected.shape and np.abs(difference).mean() <= levels


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("a.jpg", 3),
        ("a.png", 0),
        ("a.webp", 4),
        ("a.avif", 4),
        ("a.bmp", 0),
        ("a.tif", 0),
        ("a.gif", 60),
        ("a.ppm", 0),
    ],
)
def test_formats(tmp_path, name, levels):
    Image.fromarray(a_picture()).save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.dtype == np.uint8
    assert close(pixels, a_picture(), levels)


def test_grey_and_palette_and_bits(tmp_path):
    path = tmp_path / "a.png"
    rgb = Image.fromarray(a_picture())
    grey = rgb.convert("L")
    grey.save(path)
    expected = np.repeat(np.asarray(grey)[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(path), expected)
    rgb.quantize(256).save(path)
    assert close(read_image(path), a_picture(), 6)
    rgb.convert("1").save(path)
    assert set(np.unique(read_image(path))) == {0, 255}


def test_cmyk(tmp_path):
    Image.fromarray(a_picture()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert close(read_image(tmp_path / "a.jpg"), a_picture(), 3)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write in colour."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = pixels.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in (b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""):
        crc = zlib.crc32(kind + data)
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
    return out


def test_sixteen_bits(tmp_path):
    path = tmp_path / "a.png"
    wide = a_picture().astype(np.uint16) * 257
    path.write_bytes(png(wide))
    np.testing.assert_array_equal(read_image(path), a_picture())
    path.write_bytes(png(wide[..., 0]))
    np.testing.assert_array_equal(read_image(path)[..., 1], a_picture()[..., 0])


def test_pixels_without_a_known_range(tmp_path):
    Image.fromarray(a_picture()[..., 0].astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="pixels of 32 bits"):
        read_image(tmp_path / "a.tif")


def test_transparency_lies_on_white(tmp_path):
    path = tmp_path / "a.png"
    alpha = np.full((40, 60, 1), 255, np.uint8)
    alpha[:, :20], alpha[:, 20:40] = 0, 51
    Image.fromarray(np.concatenate([a_picture(), alpha], -1)).save(path)
    share = alpha / 255
    expected = a_picture() * share + 255 * (1 - share)
    assert np.abs(read_image(path) - expected).max() <= 1
    grey = np.concatenate([a_picture()[..., :1], alpha], -1)
    Image.fromarray(grey, "LA").save(path)
    pixels = read_image(path)
    assert (pixels[:, :20] == 255).all()
    np.testing.assert_array_equal(pixels[:, 40:, 0], a_picture()[:, 40:, 0])


# How a stored picture has to be turned for each orientation, in NumPy's words.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(a_picture()).save(path, exif=exif)
    levels = 0 if suffix == "png" else 3
    assert close(read_image(path), UPRIGHT[orientation](a_picture()), levels)
    assert close(read_image(path, exif="ignore"), a_picture(), levels)
    for exif in ("honour", "ignore"):
        assert image_size(path, exif=exif) == read_image(path, exif=exif).shape[1::-1]


def test_damaged_exif_does_not_lose_the_photo(tmp_path):
    exif = b"Exif\0\0" + b"II*\0" + b"\xff" * 40
    Image.fromarray(a_picture()).save(tmp_path / "a.jpg", exif=exif)
    assert close(read_image(tmp_path / "a.jpg"), a_picture(), 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif"])
def test_truncated_anywhere_it_is_one_line(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    for share in (0, 0.001, 0.02, 0.2, 0.5, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_damaged_images_are_pictures_or_input_errors(tmp_path):
    draw = np.random.default_rng(0)
    for suffix in ("png", "jpg", "gif", "tif", "bmp", "webp"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(a_picture()).save(path)
        data = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            for place in draw.integers(0, min(len(data), 300), 3):
                damaged[place] = draw.integers(256)
            path.write_bytes(damaged)
            try:
                assert read_image(path).shape[2] == 3
            except InputError:
                pass


def test_missing_folders_and_other_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "a.jpg").write_text("not a photo")
    with pytest.raises(InputError, match="is no image that can be read"):
        read_image(tmp_path / "a.jpg")
    # A format whose decoder would start another program.
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(InputError, match="is no image that can be read"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_without_its_package_is_advice(tmp_path, monkeypatch, brand):
    known = tuple(name for name in images.known_formats() if name != "HEIF")
    monkeypatch.setattr(images, "known_formats", lambda: known)
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(500))
    for read in (read_image, image_size):
        with pytest.raises(InputError, match=r"pip install 'prohmr-jax\[heic\]'"):
            read(tmp_path / "a.jpg")


def test_heic_with_its_package(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pixels = np.ascontiguousarray(a_picture(64, 96))
    heif.from_bytes("RGB", (96, 64), pixels.tobytes()).save(path, quality=95)
    assert close(read_image(path), pixels, 4)
    assert image_size(path) == (96, 64)
    # As phones write it: the pixels lie on their side, and the file says how to turn.
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = heif.from_bytes("RGB", (96, 64), pixels.tobytes())
    turned.info["exif"] = exif.tobytes()
    turned.save(path, quality=95)
    assert close(read_image(path), UPRIGHT[6](pixels), 4)
    assert image_size(path) == (64, 96)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"a\.heic: is "):
        read_image(path)


def test_endings_are_listed_once_and_read():
    assert len(set(PHOTO_SUFFIXES)) == len(PHOTO_SUFFIXES)
    Image.init()
    for suffix in set(PHOTO_SUFFIXES) - {".heic", ".heif", ".hif"}:
        assert Image.EXTENSION[suffix] in images.known_formats()


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bombs(tmp_path, side):
    data = png(np.zeros((1, 1)))
    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "a.png").write_bytes(data[:16] + header + crc + data[33:])
    with pytest.raises(InputError, match="pixels"):
        read_image(tmp_path / "a.png")


def test_the_demo_input_is_whole():
    height, width, _ = read_image(DEMO_PHOTO).shape
    (person,) = read_detections(DEMO_KEYPOINTS).people
    seen = person.keypoints.confidence > 0.1
    assert ((person.keypoints.xy >= 0) & (person.keypoints.xy < [width, height])).all()
    # She faces the camera: her right is on the left of the picture.
    x = person.keypoints.xy[:, 0]
    for part in ("eye", "ear", "shoulder"):
        right, left = BODY_25.index(f"right_{part}"), BODY_25.index(f"left_{part}")
        assert seen[right]
        assert seen[left]
        assert x[right] < x[left]
    # Nothing below the picture's edge, nor behind the helmet, is made up.
    for name in ("left_wrist", "mid_hip", "left_knee", "right_heel"):
        assert not seen[BODY_25.index(name)]
    assert json.loads(DEMO_KEYPOINTS.read_text())["version"] == 1.3
