"""Augmentation moves photo and labels together."""

import dataclasses

import cv2
import numpy as np
import pytest

from prohmr_jax.body import body_joints
from prohmr_jax.data.augmentation import (
    Draw,
    augment_points,
    augment_pose,
    crop_to,
    extreme_crop,
)
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.examples import make_example
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.rotations import mirror_pose
from prohmr_jax.skeleton import JOINTS_44
from prohmr_jax.structs import SmplParams
from tests.support.datasets_case import make_record

SIDE = 64
DRAWS = {
    "none": Draw(),
    "flip": Draw(flip=True),
    "turn": Draw(rotation_deg=35.0),
    "all": Draw(1.2, -20.0, True, None, (1, 1, 1), (0.05, -0.03)),
}


def record_with_marks():
    """A black photo with a white disc on every joint; joints far apart."""
    record = make_record(0, size=(400, 300))
    photo = np.zeros((300, 400, 3), np.uint8)
    names = JOINTS_44.indices("left_wrist", "right_ankle", "nose", "pelvis_mpii")
    keypoints = record.keypoints_2d.copy()
    keypoints[:, 2] = 0.0
    for name, xy in zip(names, [(140, 90), (250, 200), (190, 150), (230, 110)],
                        strict=True):  # fmt: skip
        keypoints[name] = (*xy, 1.0)
        cv2.circle(photo, xy, 9, (255, 255, 255), -1)
    return record, keypoints, photo


@pytest.mark.parametrize("name", DRAWS)
def test_labels_stay_on_what_they_label(name):
    record, keypoints, photo = record_with_marks()
    record = dataclasses.replace(
        record, keypoints_2d=keypoints, box_center=np.array([200.0, 150.0]),
        box_size=260.0,
    )  # fmt: skip
    example = make_example(record, photo, DRAWS[name], SIDE, 10)
    seen = example.keypoints_2d.confidence > 0
    assert seen.sum() == 4
    # Crop units: the window's pixel x is at (x + 0.5) * side, without half a pixel.
    pixels = np.rint((example.keypoints_2d.xy[seen] + 0.5) * SIDE).astype(int)
    inside = np.all((pixels >= 0) & (pixels < SIDE), axis=1)
    assert inside.sum() >= 3
    for x, y in pixels[inside]:
        assert example.image[y, x, 0] > 128
    # Sides change their names in the mirror.
    wrist = JOINTS_44.index("right_wrist" if DRAWS[name].flip else "left_wrist")
    assert example.keypoints_2d.confidence[wrist] == 1.0


@pytest.mark.parametrize("name", ["none", "turn"])
def test_pose_and_points_turn_alike(tiny_body, name, rng):
    """The joints of the turned pose are the turned joints."""
    drawn = DRAWS[name]
    axis_angle = rng.normal(size=(24, 3))
    betas = np.zeros(10, np.float32)
    posed = lambda m: body_joints(tiny_body, SmplParams.from_rotmats(m, betas))  # noqa: E731
    before = posed(augment_pose(axis_angle, Draw()))
    after = posed(augment_pose(axis_angle, drawn))
    root = JOINTS_44.index("mid_hip")
    center = lambda p: np.asarray(p.joints) - np.asarray(p.joints[root])  # noqa: E731
    np.testing.assert_allclose(
        augment_points(center(before), drawn), center(after), atol=1e-5
    )


def test_flip_twice_is_nothing(rng):
    points, pose = rng.normal(size=(44, 3)), rng.normal(size=(24, 3))
    flip = Draw(flip=True)
    np.testing.assert_allclose(augment_points(augment_points(points, flip), flip),
                               points)  # fmt: skip
    np.testing.assert_allclose(mirror_pose(mirror_pose(pose)), pose)


def test_extreme_crop_survives_nobody():
    nobody = np.zeros((44, 3))
    center, size = extreme_crop(0.5, np.array([3.0, 4.0]), 10.0, nobody)
    assert (*center, size) == (3.0, 4.0, 10.0)
    for part in ("hips", "shoulders", "head"):
        actual, extent = crop_to(part, np.array([3.0, 4.0]), np.full(2, 10.0), nobody)
        assert (*actual, *extent) == (3.0, 4.0, 10.0, 10.0)


def encode(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bits", "colour"])
def test_any_photo_becomes_rgb(kind):
    image = {"grey": np.full((6, 8), 200, np.uint8),
             "alpha": np.full((6, 8, 4), 200, np.uint8),
             "16 bits": np.full((6, 8, 3), 200 * 257, np.uint16),
             "colour": np.full((6, 8, 3), 200, np.uint8)}[kind]  # fmt: skip
    photo = decode_image(encode(image, ".png"), "x.png")
    assert photo.shape == (6, 8, 3)
    assert photo.dtype == np.uint8
    assert (photo == 200).all()


def test_colours_are_rgb():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    assert decode_image(encode(red, ".png"), "x")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff\xe0" + b"0" * 40])
def test_damaged_photos_are_named(data):
    with pytest.raises(InputError, match=r"a/b\.jpg"):
        decode_image(data, "a/b.jpg")
