"""A stored cut-out gives the network what the whole photo would have given it."""

import dataclasses
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from prohmr_jax.data.augmentation import AugmentationSettings, Draw, draw
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.datasets.attach_photos import with_photo
from prohmr_jax.data.datasets.cleaning import clean
from prohmr_jax.data.examples import make_example
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import JOINTS_44

SIZE = 64


@pytest.fixture(scope="module")
def photo():
    """A smooth photo, so that interpolation twice differs little from once."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def record(photo):
    from tests.support.datasets_case import make_record

    rng = np.random.default_rng(6)
    _, data = cv2.imencode(".png", photo[..., ::-1])
    xy = rng.uniform((250, 170), (370, 290), (len(JOINTS_44), 2))
    return dataclasses.replace(
        make_record(0),
        image=data.tobytes(),
        box_center=np.array([310.0, 230.0]),
        box_size=144.0,
        keypoints_2d=np.concatenate([xy, np.ones((len(xy), 1))], axis=1),
        intrinsics=np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]]),
    )


def example(record, draw=Draw()):  # noqa: B008
    photo = decode_image(record.image, record.name)
    return make_example(record, photo, draw, SIZE, 10)


def test_whole_photos_are_kept_byte_for_byte(record):
    assert with_photo(record, None) is not record
    assert with_photo(record, None).image == record.image


@pytest.mark.parametrize("box_px", [72, 144, 500])
@pytest.mark.parametrize("seed", range(6))
def test_crops_of_the_cut_out_are_those_of_the_photo(record, box_px, seed):
    settings = AugmentationSettings(extreme_crop_rate=0.5)
    drawn = draw(settings, np.random.default_rng(seed)) if seed else Draw()
    cut = with_photo(record, None, box_px)
    actual, expected = example(cut, drawn), example(record, drawn)
    difference = np.abs(actual.image.astype(int) - expected.image.astype(int))
    assert difference.mean() < 2.5
    assert difference.max() < 40
    np.testing.assert_allclose(
        actual.keypoints_2d.xy, expected.keypoints_2d.xy, atol=2e-3
    )
    np.testing.assert_array_equal(actual.keypoints_3d.xyz, expected.keypoints_3d.xyz)


def test_augmentation_reaches_nothing_beyond_the_cut_out(record):
    """In a white photo a pixel from beyond the cut-out would be black."""
    _, white = cv2.imencode(".png", np.full((480, 640, 3), 255, np.uint8))
    record = dataclasses.replace(record, image=white.tobytes())
    cut = with_photo(record, None, 144)
    corners = [
        Draw(scale=1.3, rotation_deg=turn, translation=(x, y), flip=flip,
             extreme_crop=extreme)
        for turn in (-60.0, -45.0, 0.0, 45.0, 60.0)
        for x in (-0.02, 0.02)
        for y in (-0.02, 0.02)
        for flip in (False, True)
        for extreme in (None, 0.0, 0.8, 0.95)
    ]  # fmt: skip
    assert min(example(cut, corner).image.min() for corner in corners) > 250


def test_large_boxes_are_made_smaller_and_small_ones_never_larger(record):
    cut = with_photo(record, None, 72)
    assert abs(cut.box_size - 72) < 0.5
    kept = with_photo(record, None, 500)
    assert kept.box_size == record.box_size
    assert len(kept.image) < len(record.image)


def test_the_camera_moves_with_the_pixels(record):
    point = np.array([0.1, -0.05, 3.0])
    before = record.intrinsics @ point
    offset = before[:2] / before[2] - record.box_center
    cut = with_photo(record, None, 72)
    after = cut.intrinsics @ point
    moved = after[:2] / after[2] - cut.box_center
    np.testing.assert_allclose(
        moved, offset * cut.box_size / record.box_size, rtol=5e-3
    )


def test_missing_keypoints_stay_at_zero(record):
    keypoints = record.keypoints_2d.copy()
    keypoints[5] = 0.0
    cut = with_photo(dataclasses.replace(record, keypoints_2d=keypoints), None, 100)
    assert not cut.keypoints_2d[5].any()
    assert cut.keypoints_2d[4].any()


def test_pixels_stay_as_stored_whatever_exif_says(photo, record):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # viewers turn it by 90 degrees
    Image.fromarray(photo).save(stream, "JPEG", quality=95, exif=exif)
    turned = dataclasses.replace(record, image=stream.getvalue())
    assert with_photo(turned, None).image == stream.getvalue()
    for box_px in (None, 144):
        actual = example(with_photo(turned, None, box_px)).image.astype(int)
        assert np.abs(actual - example(record).image).mean() < 2.5


@pytest.mark.parametrize("center", [(0.0, 0.0), (639.0, 240.0), (-60.0, 240.0)])
def test_boxes_that_leave_the_photo_are_cut_at_its_edge(record, center):
    moved = dataclasses.replace(record, box_center=np.array(center))
    cut = with_photo(clean(moved), None, 144)
    difference = example(cut).image.astype(int) - example(moved).image
    assert np.abs(difference).mean() < 2.5


def test_a_tiny_box_and_far_keypoints_are_no_trouble(record):
    far = record.keypoints_2d.copy()
    far[:, :2] = (far[:, :2] - record.box_center) * 1e7
    changed = dataclasses.replace(record, keypoints_2d=far)
    whole = decode_image(with_photo(changed, None, 1000).image, "x")
    assert whole.shape == (480, 640, 3)
    tiny = dataclasses.replace(record, box_size=1e-6)
    assert decode_image(with_photo(tiny, None, 8).image, "x").size


def test_a_folder_is_no_photo(tmp_path, record):
    (tmp_path / "photo0.jpg").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        with_photo(dataclasses.replace(record, image=b""), tmp_path)
