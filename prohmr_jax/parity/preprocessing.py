"""Compares crops, augmentations and labels of training images."""

import cv2
import numpy as np

from prohmr_jax.data.augmentation import (
    AugmentationSettings,
    Draw,
    augment_points,
    augment_pose,
    crop_to,
    draw,
    extreme_crop,
    is_full_body,
    is_upper_body,
    mirror_points,
)
from prohmr_jax.data.examples import augmented_window, make_example
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models import image_input
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import Report
from prohmr_jax.skeleton import JOINTS_44

# Grey levels by which versions of OpenCV differ among themselves.
_GREY_LEVELS = 2.0
# Only every so many pixels of a normalised image are stored.
_STRIDE = 4


def check_preprocessing(case: GoldenFile, report: Report) -> None:
    """Compares crops, labels, flips, rotations, extreme crops and random draws."""
    name = case.name.replace("preprocessing", "synthetic").replace(".npz", ".png")
    photo = cv2.imread(str(case.directory.path / name), cv2.IMREAD_COLOR_RGB)
    shape = np.array(photo.shape[:2])
    report.compare(case, "image_bgr_in_png", shape)
    report.compare(case, "mean", image_input.LARGEST * image_input.MEAN, 1e-6)
    report.compare(case, "std", image_input.LARGEST * image_input.STD, 1e-6)
    flips = np.array(JOINTS_44.mirror)
    report.compare(case, "flip_keypoint_permutation", flips)
    for group in case.groups():
        if f"{group}/center_box" in case:
            _check_crop(case, report, group, photo)
    _check_functions(case, report)
    _check_extreme_crops(case, report)
    _check_draws(case, report)


def _record(case: GoldenFile, center, size: float) -> PersonRecord:
    pose = [case.input("in/global_orient"), case.input("in/body_pose")]
    return PersonRecord(
        image=b"",
        name=case.name,
        box_center=center,
        box_size=size,
        keypoints_2d=case.input("in/keypoints_2d"),
        keypoints_3d=case.input("in/keypoints_3d"),
        axis_angle=np.concatenate(pose).reshape(-1, 3),
        betas=case.input("in/betas"),
        has_pose=True,
        has_betas=True,
    )


def _draw_of(case: GoldenFile, group: str) -> Draw:
    key = f"{group}/{group}_scale_rot_flip_extreme_r_g_b_tx_ty"
    key = key if key in case else f"{group}/aug_scale_rot_flip_extreme_r_g_b_tx_ty"
    if key not in case:
        return Draw()
    scale, rotation, flip, _, *rest = map(float, case.input(key))
    return Draw(scale, rotation, bool(flip), None, tuple(rest[:3]), tuple(rest[3:]))


def _check_crop(case: GoldenFile, report: Report, group: str, photo) -> None:
    """Compares one whole example with a given augmentation."""
    *center, size = map(float, case.input(f"{group}/center_box"))
    drawn = _draw_of(case, group)
    official = f"{group}/patch_uint8_bgr_cv5"
    side = case.golden(official).shape[0]
    record = _record(case, np.array(center), size)
    example = make_example(record, photo, drawn, side, len(record.betas))
    prefix = f"{group}/"
    for version in ("cv5", "cv455"):
        key = f"{prefix}patch_uint8_bgr_{version}"
        crop = example.image[..., ::-1].astype(float)
        report.measure(case, key, crop, case.golden(key).astype(float), _GREY_LEVELS,
                       absolute=True, reason="grey levels")  # fmt: skip
    window = augmented_window(record, drawn, photo.shape[1], side)
    matrix = window.matrix
    if drawn.flip:  # the official map starts from the mirrored photo
        matrix = matrix.copy()
        matrix[:, 2] += matrix[:, 0] * (photo.shape[1] - 1)
        matrix[:, 0] *= -1
    report.compare(case, f"{prefix}affine_2x3", matrix)
    normalised = np.asarray(image_input.normalize(example.image, example.color_scale))
    chw = np.moveaxis(normalised, -1, 0)
    step = _STRIDE
    levels = _GREY_LEVELS * max(drawn.color_scale)
    tolerance = levels / (image_input.LARGEST * image_input.STD.min())
    report.compare(case, f"{prefix}img_chw_stride4", chw[:, ::step, ::step],
                   tolerance, absolute=True, reason="two grey levels")  # fmt: skip
    for key, ours in (("mean", chw.mean((1, 2))), ("std", chw.std((1, 2)))):
        report.compare(case, f"{prefix}img_channel_{key}", ours, 1e-2, absolute=True,
                       reason="of grey levels that may differ")  # fmt: skip
    two = np.concatenate(
        [example.keypoints_2d.xy, example.keypoints_2d.confidence[:, None]], axis=1
    )
    three = np.concatenate(
        [example.keypoints_3d.xyz, example.keypoints_3d.confidence[:, None]], axis=1
    )
    report.compare(case, f"{prefix}keypoints_2d", two)
    report.compare(case, f"{prefix}keypoints_3d", three)
    report.compare(case, f"{prefix}img_size_hw", example.image_size[::-1].astype(int))
    rotmats = np.asarray(example.smpl.rotmats)
    _compare_pose(case, report, prefix, rotmats)
    report.compare(case, f"{prefix}betas", example.smpl.betas)


def _compare_pose(case, report, prefix, rotmats) -> None:
    """Compares rotations; axis-angles of equal rotations may differ by a turn."""
    for key, ours in (("global_orient", rotmats[:1]), ("body_pose", rotmats[1:])):
        official = case.golden(prefix + key).reshape(-1, 3)
        report.measure(case, prefix + key, ours, axis_angle_to_rotmat(official), 1e-5,
                       reason="as rotation matrices")  # fmt: skip


def _check_functions(case: GoldenFile, report: Report) -> None:
    """Compares flips and rotations by themselves."""
    pose = np.concatenate([case.input("in/global_orient"), case.input("in/body_pose")])
    points, keypoints = case.input("in/keypoints_3d"), case.input("in/keypoints_2d")
    mirrored = mirror_points(keypoints[:, :2])
    # A mirrored photo 100 pixels wide.
    mirrored[:, 0] += 100.0 - 1.0
    confidence = keypoints[list(JOINTS_44.mirror), 2:]
    report.compare(
        case, "flip/keypoints_2d_width100", np.concatenate([mirrored, confidence], 1)
    )
    for group, drawn in (("flip", Draw(flip=True)), ("rot20", Draw(rotation_deg=20.0))):
        kept = points[list(JOINTS_44.mirror)] if drawn.flip else points
        ours = np.concatenate([augment_points(points[:, :3], drawn), kept[:, 3:]], 1)
        report.compare(case, f"{group}/keypoints_3d", ours)
        rotmats = augment_pose(pose.reshape(-1, 3), drawn)
        if f"{group}/body_pose" in case:
            _compare_pose(case, report, f"{group}/", rotmats)
            report.compare(case, f"{group}/betas", case.input("in/betas"))
        else:
            official = case.golden(f"{group}/global_orient").reshape(-1, 3)
            report.measure(case, f"{group}/global_orient", rotmats[:1],
                           axis_angle_to_rotmat(official), 1e-5,
                           reason="as a rotation matrix")  # fmt: skip


def _check_extreme_crops(case: GoldenFile, report: Report) -> None:
    *center, width, height = map(float, case.input("crop/in_cx_cy_w_h"))
    center, extent = np.array(center), np.array([width, height])
    keypoints = case.input("crop/keypoints_2d")
    for part in ("hips", "shoulders", "head"):
        box = np.concatenate(crop_to(part, center, extent, keypoints))
        report.compare(case, f"crop/crop_to_{part}", box)
    confidence = keypoints[:, 2]
    report.compare(case, "crop/full_body", np.array(is_full_body(confidence)))
    report.compare(case, "crop/upper_body", np.array(is_upper_body(confidence)))
    upper = case.input("crop/upper_keypoints_2d")
    for key in case.keys("crop/extreme_"):
        chance = float(key.rpartition("_p")[2])
        labelled = upper if "upper" in key else keypoints
        middle, size = extreme_crop(chance, center, float(extent.max()), labelled)
        report.compare(case, key, np.array([*middle, size, size]))


def _check_draws(case: GoldenFile, report: Report) -> None:
    """Checks that official draws and ours have the same bounds, rates and spreads."""
    rng = np.random.default_rng(0)
    official = case.golden("augmentation_draws")
    count = len(official)
    settings = AugmentationSettings()
    ours = [draw(settings, rng) for _ in range(64 * count)]
    rows = np.array([
        [d.scale, d.rotation_deg, d.flip, d.extreme_crop is not None, *d.color_scale,
         *d.translation]
        for d in ours
    ])  # fmt: skip
    # Means agree within five standard deviations of a mean of so many draws.
    close = np.abs(rows.mean(0) - official.mean(0)) <= (
        5.0 * rows.std(0) / np.sqrt(count)
    )
    tiny = 1e-6
    within = (official.min(0) >= rows.min(0) - tiny) | (np.arange(9) >= 4)
    within &= (official.max(0) <= rows.max(0) + tiny) | (np.arange(9) >= 4)
    spread = np.abs(official.std(0) - rows.std(0)) <= 0.35 * rows.std(0) + 0.05
    holds = bool(np.all(close & within & spread))
    report.confirm(case, "augmentation_draws", holds, "same means, bounds, spreads")
