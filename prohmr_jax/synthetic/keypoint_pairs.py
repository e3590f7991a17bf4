"""Draws training pairs for the keypoint model: simulated detections and their labels.

The training and the evaluation of keypoint models call it on the device. Each function
draws one person from one random key, and `jax.vmap` gives batches, so that a person
depends on its own key alone and not on the batch or the device.

A pose gets a random shape and a random camera. The projected joints get the faults of
detectors: jitter, outliers, exchanged left and right, and joints that are missing,
occluded or outside the picture. The box follows from the joints that remain, by the
same rule as at inference.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE, in_box
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, mirror_pose
from prohmr_jax.structs import Camera, Keypoints2D, LiftingBatch, SmplParams

# Standard deviation of annotators' positions of a joint, relative to the side of the
# box: half of the constants of COCO's object keypoint similarity.
_JITTER_BY_PART = {
    "nose": 0.013, "eye": 0.012, "ear": 0.018, "neck": 0.035, "shoulder": 0.040,
    "elbow": 0.036, "wrist": 0.031, "hip": 0.053, "knee": 0.043, "ankle": 0.044,
    "toe": 0.045, "heel": 0.045,
}  # fmt: skip
JITTER_25 = np.array(
    [
        next(size for part, size in _JITTER_BY_PART.items() if part in name)
        for name in skeleton.BODY_25.names
    ],
    np.float32,
)
"""[25], standard deviation of the position of each joint of BODY_25, box sides."""


def _side_chain(side: str, *parts: str) -> tuple[int, ...]:
    return skeleton.BODY_25.indices(*(f"{side}_{part}" for part in parts))


_ARM = ("shoulder", "elbow", "wrist")
_FOOT = ("big_toe", "small_toe", "heel")
_LEG = ("hip", "knee", "ankle", *_FOOT)
# Groups of joints that are missing together: ends of limbs, the face, the feet.
_GROUPS = [
    *(_side_chain(s, *_ARM[i:]) for s in ("left", "right") for i in range(3)),
    *(_side_chain(s, *_LEG[i:]) for s in ("left", "right") for i in range(4)),
    _side_chain("left", *_LEG) + _side_chain("right", *_LEG),
    _side_chain("left", *_LEG[1:]) + _side_chain("right", *_LEG[1:]),
    _side_chain("left", *_FOOT) + _side_chain("right", *_FOOT),
    skeleton.BODY_25.indices("nose", "left_eye", "right_eye"),
    skeleton.BODY_25.indices("left_eye", "left_ear"),
    skeleton.BODY_25.indices("right_eye", "right_ear"),
]


def _as_mask(joints: tuple[int, ...]) -> np.ndarray:
    return np.isin(np.arange(len(skeleton.BODY_25)), joints)


GROUP_MASKS = np.stack([_as_mask(group) for group in _GROUPS])
"""[groups, 25], True for the joints of BODY_25 that are missing together."""
FEET_MASK = _as_mask(_side_chain("left", *_FOOT) + _side_chain("right", *_FOOT))
"""[25], True for the toes and heels of BODY_25."""
# Limbs of which a detector may exchange left and right.
_SWAPPED_PARTS = np.stack(
    [
        _as_mask(_side_chain("left", *part) + _side_chain("right", *part))
        for part in (_ARM, _LEG)
    ]
)


@dataclasses.dataclass(frozen=True)
class KeypointPairSettings:
    """Holds how varied shapes, cameras and detections are.

    Rates are probabilities that a person is affected, unless it says otherwise.
    """

    betas_std: float = 1.0
    """Standard deviation of the shape coefficients."""
    min_distance: float = 2.0
    """Least distance from the camera, metres; distances are log-uniform."""
    max_distance: float = 20.0
    """Greatest distance from the camera, metres."""
    pitch_std_deg: float = 18.0
    """Standard deviation of the camera's pitch, degrees."""
    roll_std_deg: float = 9.0
    """Standard deviation of the camera's roll, degrees."""
    max_off_axis: float = 0.15
    """Greatest distance from the optical axis, divided by the depth."""
    perfect_rate: float = 0.25
    """Rate of people whose detections are exact and have full confidence."""
    max_jitter: float = 0.7
    """Greatest factor on the standard deviations of `JITTER_25`; it is uniform."""
    plain_confidence_rate: float = 0.0
    """Rate of people all of whose detections have full confidence, however far off
    they are: scores of detectors tell little, and often nothing, of the error."""
    outlier_rate: float = 0.02
    """Rate of joints whose position is far off."""
    swap_rate: float = 0.03
    """Rate of exchanged left and right, for each of arms and legs."""
    dropout_rate: float = 0.25
    """Rate of people of whom single joints are missing."""
    max_dropout: float = 0.4
    """Greatest share of single joints that are missing; it is uniform."""
    group_rate: float = 0.3
    """Rate of people of whom a group of joints is missing."""
    truncation_rate: float = 0.2
    """Rate of people who are cut off by the edge of the picture."""
    occluder_rate: float = 0.12
    """Rate of people who are partly behind a rectangle."""
    no_feet_rate: float = 0.15
    """Rate of people without toes and heels, which many detectors do not find."""
    min_visible: int = 4
    """Number of joints below which all joints are given instead."""


def random_view(key: jax.Array, settings: KeypointPairSettings) -> Float[Array, "3 3"]:
    """Returns a random rotation from a Y-up world to a camera around a person.

    Args:
      key: random key.
      settings: spread of pitch and roll; the heading is uniform.
    """
    heading_key, pitch_key, roll_key = jax.random.split(key, 3)
    heading = jax.random.uniform(heading_key, minval=-jnp.pi, maxval=jnp.pi)
    pitch = jnp.deg2rad(settings.pitch_std_deg) * jax.random.normal(pitch_key)
    roll = jnp.deg2rad(settings.roll_std_deg) * jax.random.normal(roll_key)

    def about(axis: int, angle: Float[Array, ""]) -> Float[Array, "3 3"]:
        return axis_angle_to_rotmat(jnp.eye(3)[axis] * angle)

    to_camera_axes = jnp.diag(jnp.array([1.0, -1.0, -1.0]))
    turn = jnp.matmul(about(0, pitch), about(1, heading), precision="highest")
    turn = jnp.matmul(about(2, roll), turn, precision="highest")
    return jnp.matmul(to_camera_axes, turn, precision="highest")


def random_camera(
    key: jax.Array, joints: Float[Array, "J 3"], settings: KeypointPairSettings
) -> Camera:
    """Returns a random camera of focal length 1 that has the body near its axis.

    Args:
      key: random key.
      joints: joints of the body in camera axes, metres, any origin.
      settings: range of the distances.
    """
    depth_key, offset_key = jax.random.split(key)
    low, high = jnp.log(settings.min_distance), jnp.log(settings.max_distance)
    depth = jnp.exp(jax.random.uniform(depth_key, minval=low, maxval=high))
    reach = settings.max_off_axis * depth
    offset = jax.random.uniform(offset_key, (2,), minval=-reach, maxval=reach)
    middle = (jnp.min(joints, axis=0) + jnp.max(joints, axis=0)) / 2.0
    place = jnp.concatenate([offset, depth[None]]) - middle
    return Camera(translation=place, focal_length=jnp.ones(2), center=jnp.zeros(2))


def random_visibility(
    key: jax.Array, xy: Float[Array, "25 2"], settings: KeypointPairSettings
) -> Bool[Array, "25"]:
    """Returns which joints a simulated detector sees.

    Args:
      key: random key.
      xy: true positions of BODY_25, sides of the body's box, centre of the box at 0.
      settings: rates of missing joints.
    """
    keys = iter(jax.random.split(key, 14))

    def coin(rate: float) -> Bool[Array, ""]:
        return jax.random.bernoulli(next(keys), rate)

    rate = coin(settings.dropout_rate) * jax.random.uniform(
        next(keys), maxval=settings.max_dropout
    )
    missing = jax.random.bernoulli(next(keys), rate, (len(xy),))

    group = jax.random.randint(next(keys), (2,), 0, len(GROUP_MASKS))
    groups = jnp.asarray(GROUP_MASKS)[group]
    second = coin(0.5)
    hidden = groups[0] | (groups[1] & second)
    missing |= coin(settings.group_rate) & hidden

    # The edge of the picture mostly cuts off the legs, sometimes a side or the head.
    usual = jnp.pi / 2 + 0.25 * jax.random.normal(next(keys))
    anywhere = jax.random.uniform(next(keys), maxval=2 * jnp.pi)
    angle = jnp.where(coin(0.7), usual, anywhere)
    edge = jax.random.uniform(next(keys), minval=-0.2, maxval=0.45)
    outward = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    beyond = jnp.matmul(xy, outward, precision="highest") > edge
    missing |= coin(settings.truncation_rate) & beyond

    corner_key, occluder_key = jax.random.split(next(keys))
    middle = jax.random.uniform(corner_key, (2,), minval=-0.5, maxval=0.5)
    half = jax.random.uniform(next(keys), (2,), minval=0.05, maxval=0.3)
    behind = jnp.all(jnp.abs(xy - middle) < half, axis=-1)
    missing |= jax.random.bernoulli(occluder_key, settings.occluder_rate) & behind

    missing |= coin(settings.no_feet_rate) & jnp.asarray(FEET_MASK)
    enough = jnp.sum(~missing) >= settings.min_visible
    return ~missing | ~enough


def simulate_detections(
    key: jax.Array, xy: Float[Array, "25 2"], settings: KeypointPairSettings
) -> Keypoints2D:
    """Returns detections with the faults of a detector, in the unit of the positions.

    Args:
      key: random key.
      xy: true positions of BODY_25, any unit and frame.
      settings: rates and sizes of the faults.
    """
    keys = jax.random.split(key, 8)
    low, high = jnp.min(xy, axis=0), jnp.max(xy, axis=0)
    side, middle = jnp.max(high - low), (low + high) / 2.0
    perfect = jax.random.bernoulli(keys[0], settings.perfect_rate)

    level = jax.random.uniform(keys[1], maxval=settings.max_jitter)
    jitter = level * JITTER_25[:, None] * jax.random.normal(keys[2], xy.shape)
    outlier_key, outlier_size_key = jax.random.split(keys[3])
    outlier = jax.random.bernoulli(outlier_key, settings.outlier_rate, (len(xy), 1))
    jitter += outlier * 0.12 * jax.random.normal(outlier_size_key, xy.shape)
    jitter = jnp.where(perfect, 0.0, jitter)

    part_key, whole_key = jax.random.split(keys[4])
    swapped = jax.random.bernoulli(part_key, settings.swap_rate, (len(_SWAPPED_PARTS),))
    swapped = jnp.any(swapped[:, None] & _SWAPPED_PARTS, axis=0)
    swapped |= jax.random.bernoulli(whole_key, settings.swap_rate / 2)
    swapped &= ~perfect
    seen = jnp.where(swapped[:, None], xy[skeleton.BODY_25.mirror, :], xy)
    detected = seen + side * jitter

    error = jnp.linalg.norm(jitter, axis=-1)
    doubt = 0.35 * jax.random.uniform(keys[5]) * jax.random.uniform(keys[6], (len(xy),))
    confidence = jnp.clip(1.0 - 4.0 * error - doubt, 2 * MIN_CONFIDENCE, 1.0)
    plain_key = jax.random.fold_in(keys[5], 1)
    plain = jax.random.bernoulli(plain_key, settings.plain_confidence_rate)
    confidence = jnp.where(perfect | plain, 1.0, confidence)

    visible = random_visibility(keys[7], (xy - middle) / side, settings)
    return Keypoints2D(
        xy=jnp.where(visible[:, None], detected, 0.0),
        confidence=jnp.where(visible, confidence, 0.0),
    )


def keypoint_pair(
    key: jax.Array,
    body: BodyModel,
    axis_angle: Float[Array, "24 3"],
    settings: KeypointPairSettings,
) -> LiftingBatch:
    """Returns the detections and labels of one person, without a batch axis.

    Args:
      key: random key of this person.
      body: any body.
      axis_angle: pose, radians, whose root is relative to a world with Y up; half of
        the people get its mirror image.
      settings: variety of shapes, cameras and detections.
    """
    keys = jax.random.split(key, 5)
    mirrored = jax.random.bernoulli(keys[0])
    axis_angle = jnp.where(mirrored, mirror_pose(axis_angle), axis_angle)
    rotmats = axis_angle_to_rotmat(axis_angle)
    view = random_view(keys[1], settings)
    smpl = SmplParams(
        global_orient=jnp.matmul(view, rotmats[0], precision="highest"),
        body_pose=rotmats[1:],
        betas=settings.betas_std * jax.random.normal(keys[2], (body.num_betas,)),
    )
    joints = body_joints(body, smpl).joints
    camera = random_camera(keys[3], joints, settings)
    xy = cameras.project(joints, camera)
    true_xy = xy[: len(skeleton.BODY_25)]
    detections = simulate_detections(keys[4], true_xy, settings)
    keypoints, box = in_box(detections)
    root = joints[skeleton.PELVIS_44]
    return LiftingBatch(
        keypoints=keypoints,
        target_2d=cameras.image_to_crop(xy, box),
        target_3d=joints - root,
        smpl=smpl,
        visible=keypoints.confidence > 0,
        box=box,
    )
