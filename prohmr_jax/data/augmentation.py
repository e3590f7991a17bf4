"""Varies training examples at random, as the official code does.

`examples` calls it. `draw` draws the augmentation of an example; every other function
is deterministic. Colours are not changed here: their factors are part of the example,
and are applied on the device.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.geometry.boxes import MARGIN
from prohmr_jax.geometry.rotations import mirror_pose
from prohmr_jax.skeleton import BODY_25, JOINTS_44

# Largest absolute values of normal draws: of shift and scale, and of the rotation.
_CUT, _ROTATION_CUT = 1.0, 2.0


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """Holds how much is varied; the defaults are those of the official code."""

    translation: float = 0.02
    """Standard deviation of the shift of the box, box sides."""
    scale: float = 0.3
    """Standard deviation of the box's relative size."""
    rotation_deg: float = 30.0
    """Standard deviation of the rotation, degrees."""
    rotation_rate: float = 0.6
    """Share of the examples that are rotated."""
    flip_rate: float = 0.5
    """Share of the examples that are mirrored."""
    extreme_crop_rate: float = 0.1
    """Share of the examples that show a part of the person only."""
    color: float = 0.2
    """Largest relative change of each colour channel."""


@dataclasses.dataclass(frozen=True)
class Draw:
    """Holds the augmentation of one example; the default changes nothing."""

    scale: float = 1.0
    """Factor of the box's size."""
    rotation_deg: float = 0.0
    """Rotation of the window, degrees; the content turns the other way."""
    flip: bool = False
    """Whether the photo is mirrored."""
    extreme_crop: float | None = None
    """Number in [0, 1) that chooses which part is shown; None for the whole person."""
    color_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of red, green and blue."""
    translation: tuple[float, float] = (0.0, 0.0)
    """Shift of the box, (x, y), box sides."""


def draw(settings: AugmentationSettings, rng: np.random.Generator) -> Draw:
    """Returns the augmentation of an example, drawn at random."""
    normal = lambda cut: float(np.clip(rng.standard_normal(), -cut, cut))  # noqa: E731
    happens = lambda rate: rng.random() < rate  # noqa: E731
    translation = tuple(settings.translation * normal(_CUT) for _ in range(2))
    scale = 1.0 + settings.scale * normal(_CUT)
    rotation = 0.0
    if happens(settings.rotation_rate):
        rotation = settings.rotation_deg * normal(_ROTATION_CUT)
    color = 1.0 + settings.color * rng.uniform(-1.0, 1.0, 3)
    return Draw(
        scale=scale,
        rotation_deg=rotation,
        flip=happens(settings.flip_rate),
        extreme_crop=rng.random() if happens(settings.extreme_crop_rate) else None,
        color_scale=tuple(color),
        translation=translation,
    )


def image_rotation(rotation_deg: float) -> np.ndarray:
    """Returns the rotation matrix [3, 3] of the content, in camera axes.

    Args:
      rotation_deg: rotation of the window, degrees.
    """
    return Rotation.from_euler("z", -rotation_deg, degrees=True).as_matrix()


def mirror_points(points: np.ndarray) -> np.ndarray:
    """Returns points of JOINTS_44, [44, D], mirrored: sides swapped, x negated."""
    mirrored = points[list(JOINTS_44.mirror)]
    return np.concatenate([-mirrored[:, :1], mirrored[:, 1:]], axis=1)


def augment_points(points: np.ndarray, draw: Draw) -> np.ndarray:
    """Returns 3D joints [44, 3] after flip and rotation; metres, camera axes."""
    points = mirror_points(points) if draw.flip else points
    return points @ image_rotation(draw.rotation_deg).T


def augment_pose(axis_angle: np.ndarray, draw: Draw) -> np.ndarray:
    """Returns the rotation matrices [24, 3, 3] of a pose after flip and rotation.

    Args:
      axis_angle: pose, [24, 3], radians; joint 0 turns body axes to camera axes.
      draw: the augmentation.
    """
    axis_angle = np.asarray(mirror_pose(axis_angle)) if draw.flip else axis_angle
    rotmats = Rotation.from_rotvec(axis_angle).as_matrix()
    rotmats[0] = image_rotation(draw.rotation_deg) @ rotmats[0]
    return rotmats


# --- extreme crops: boxes around the upper part of a person ---

_LEGS = ("knee", "ankle", "heel", "big_toe", "small_toe")
_LOWER_ARMS = ("elbow", "wrist")


def _rows(*parts: str) -> list[int]:
    """Returns the positions in JOINTS_44 of all joints whose names have a part."""
    return [n for n, name in enumerate(JOINTS_44.names)
            if any(part in name for part in parts)]  # fmt: skip


_BELOW_HIPS = _rows(*_LEGS)
_BELOW_SHOULDERS = _rows(*_LEGS, "hip", *_LOWER_ARMS, "pelvis", "thorax", "spine")
_BELOW_HEAD = sorted({*_BELOW_SHOULDERS, *_rows("extra")})
# Part -> joints below it, and factor of the margin around the others.
_CROPS = {"hips": (_BELOW_HIPS, 1.1), "shoulders": (_BELOW_SHOULDERS, 1.2),
          "head": (_BELOW_HEAD, 1.3)}  # fmt: skip

_LIMBS = [f"{side}_{part}" for side in ("left", "right")
          for part in ("shoulder", "elbow", "wrist", "knee", "ankle")]  # fmt: skip
_HEAD = [
    *BODY_25.indices("nose", "neck", "right_eye", "left_eye", "right_ear", "left_ear"),
    *JOINTS_44.indices("right_shoulder_extra", "left_shoulder_extra", "neck_lsp",
                       "head_top_lsp", "jaw_h36m", "head_h36m"),
]  # fmt: skip


def is_full_body(confidence: np.ndarray) -> bool:
    """Returns whether shoulders, arms, knees and ankles are all labelled.

    Args:
      confidence: confidence of each joint of JOINTS_44, [44].
    """
    either = lambda name: (  # noqa: E731
        confidence[JOINTS_44.index(name)] > 0
        or confidence[JOINTS_44.index(f"{name}_extra")] > 0
    )
    return all(either(name) for name in _LIMBS)


def is_upper_body(confidence: np.ndarray) -> bool:
    """Returns whether the head is labelled and no knee or ankle is.

    Args:
      confidence: confidence of each joint of JOINTS_44, [44].
    """
    legs = [f"{side}_{part}{suffix}" for side in ("left", "right")
            for part in ("knee", "ankle") for suffix in ("", "_extra")]  # fmt: skip
    if np.any(confidence[list(JOINTS_44.indices(*legs))] > 0):
        return False
    return int(np.sum(confidence[_HEAD] > 0)) >= 2


def crop_to(
    part: str, center: np.ndarray, extent: np.ndarray, keypoints: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns centre and (width, height) of the box around the joints above a part.

    The given box is returned where too few of these joints are labelled.

    Args:
      part: "hips", "shoulders" or "head", the lowest part that is shown.
      center: centre of the box around the person, [2], pixels.
      extent: its width and height, [2], pixels.
      keypoints: joints of JOINTS_44, [44, 3], pixels and confidence.
    """
    below, margin = _CROPS[part]
    confidence = keypoints[:, 2].copy()
    confidence[below] = 0.0
    if confidence.sum() <= 1.0:
        return center, extent
    seen = keypoints[confidence > 0, :2]
    low, high = seen.min(axis=0), seen.max(axis=0)
    if not np.any(high > low):
        return center, extent
    return (low + high) / 2.0, MARGIN * margin * (high - low)


def extreme_crop(
    chance: float, center: np.ndarray, size: float, keypoints: np.ndarray
) -> tuple[np.ndarray, float]:
    """Returns centre and side of a square that shows a part of the person.

    The given square is returned where too little of the person is labelled.

    Args:
      chance: number in [0, 1) that chooses the part.
      center: centre of the box around the person, [2], pixels.
      size: side of that box, pixels.
      keypoints: joints of JOINTS_44, [44, 3], pixels and confidence.
    """
    confidence = keypoints[:, 2]
    full = is_full_body(confidence)
    if not full and not is_upper_body(confidence):
        return center, size
    part = "hips" if full and chance < 0.7 else "shoulders"
    part = "head" if chance >= 0.9 else part
    center, extent = crop_to(part, center, np.array([size, size]), keypoints)
    return center, float(np.max(extent))
