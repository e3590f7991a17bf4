"""Draws training pairs for the keypoint model: simulated detections and their labels.

The training and the evaluation of keypoint models call it on the device. Each function
draws one person from one random key, and `jax.vmap` gives batches, so that a person
depends on its own key alone and not on the batch or the device.

A pose gets a random shape and a random camera. Detections have one of three forms:

* "openpose": the projected joints get guessed faults, which are jitter, outliers,
  exchanged left and right, and joints that are missing, occluded or outside the
  picture.
* "annotator": joints are nearly exact and have full confidence.
* "movenet": joints lie where a measured detector puts them, and positions, scores and
  exchanged sides err as it does (`priors.detector_errors`).

The box follows from the joints that remain, by the same rule as at inference.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE, confident, in_box
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, mirror_pose
from prohmr_jax.priors.detector_errors import DetectorErrors
from prohmr_jax.structs import Body, Camera, Keypoints2D, LiftingBatch, SmplParams
from prohmr_jax.synthetic.missing_joints import (
    ARM,
    LEG,
    as_mask,
    random_visibility,
    side_chain,
)
from prohmr_jax.synthetic.pair_settings import KeypointPairSettings
from prohmr_jax.synthetic.position_faults import moved_joints
from prohmr_jax.synthetic.simulated_detector import (
    coco_as_body25,
    detect_as_measured,
)

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
_COCO = np.array(skeleton.COCO_17.positions_in(skeleton.BODY_25))
# Limbs of which a detector may exchange left and right.
_SWAPPED_PARTS = np.stack(
    [
        as_mask(side_chain("left", *part) + side_chain("right", *part))
        for part in (ARM, LEG)
    ]
)


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
    moved = moved_joints(
        keys[:5], xy, JITTER_25, skeleton.BODY_25.mirror, _SWAPPED_PARTS, settings
    )
    doubt = 0.35 * jax.random.uniform(keys[5]) * jax.random.uniform(keys[6], (len(xy),))
    confidence = jnp.clip(1.0 - 4.0 * moved.error - doubt, 2 * MIN_CONFIDENCE, 1.0)
    plain_key = jax.random.fold_in(keys[5], 1)
    plain = jax.random.bernoulli(plain_key, settings.plain_confidence_rate)
    confidence = jnp.where(moved.perfect | plain, 1.0, confidence)

    visible = random_visibility(keys[7], (xy - middle) / side, settings)
    return Keypoints2D(
        xy=jnp.where(visible[:, None], moved.xy, 0.0),
        confidence=jnp.where(visible, confidence, 0.0),
    )


def annotated(
    key: jax.Array, xy: Float[Array, "25 2"], settings: KeypointPairSettings
) -> Keypoints2D:
    """Returns joints as people mark them, in the unit of the positions.

    Half of the people have the joints of COCO_17 alone, so that neck and mid-hip are
    midpoints, and toes and heels are missing.

    Args:
      key: random key.
      xy: true positions of BODY_25, any unit and frame.
      settings: size of the jitter, and rates of missing joints.
    """
    jitter_key, visible_key, coco_key = jax.random.split(key, 3)
    low, high = jnp.min(xy, axis=0), jnp.max(xy, axis=0)
    side, middle = jnp.max(high - low), (low + high) / 2.0
    jitter = settings.annotator_jitter * JITTER_25[:, None]
    marked = xy + side * jitter * jax.random.normal(jitter_key, xy.shape)
    visible = random_visibility(visible_key, (xy - middle) / side, settings)
    joints = Keypoints2D(marked, visible.astype(xy.dtype))
    from_coco = coco_as_body25(Keypoints2D(marked[_COCO], joints.confidence[_COCO]))
    # Too few joints of COCO_17 leave the person as it is.
    enough = jnp.sum(from_coco.confidence) >= settings.min_visible
    use_coco = jax.random.bernoulli(coco_key) & enough
    return _chosen(use_coco, from_coco, joints)


def _measured(
    key: jax.Array,
    detector: DetectorErrors,
    body: Body,
    smpl: SmplParams,
    camera: Camera,
    settings: KeypointPairSettings,
) -> Keypoints2D:
    """Returns detections [25] of a measured detector, in the camera's unit."""
    visible_key, detection_key, sharpness_key = jax.random.split(key, 3)
    sharpness = jax.random.uniform(sharpness_key, maxval=settings.movenet_sharpness)
    xy = cameras.project(body.joints[: len(skeleton.BODY_25)], camera)
    low, high = jnp.min(xy, axis=0), jnp.max(xy, axis=0)
    relative = (xy - (low + high) / 2.0) / jnp.max(high - low)
    # Single joints that are missed are part of what was measured.
    settings = dataclasses.replace(settings, dropout_rate=0.0)
    visible = random_visibility(visible_key, relative, settings)
    measured = detect_as_measured(
        detection_key, detector, body, smpl.rotmats, camera, ~visible[_COCO], sharpness
    )
    detections = coco_as_body25(measured)
    enough = jnp.sum(confident(detections)) >= settings.min_visible
    every = jnp.ones_like(detections.confidence)
    return Keypoints2D(
        jnp.where(enough, detections.xy, xy),
        jnp.where(enough, detections.confidence, every),
    )


def random_person(
    keys: jax.Array,
    body: BodyModel,
    axis_angle: Float[Array, "24 3"],
    settings: KeypointPairSettings,
) -> tuple[SmplParams, Body, Camera]:
    """Returns a person of a random shape, and a random camera that sees the person.

    Args:
      keys: four random keys.
      body: any body.
      axis_angle: pose, radians, whose root is relative to a world with Y up; half of
        the people get its mirror image.
      settings: variety of shapes and cameras.

    Returns:
      Pose and shape, the joints in camera axes, metres, and the camera.
    """
    mirrored = jax.random.bernoulli(keys[0])
    axis_angle = jnp.where(mirrored, mirror_pose(axis_angle), axis_angle)
    rotmats = axis_angle_to_rotmat(axis_angle)
    view = random_view(keys[1], settings)
    smpl = SmplParams(
        global_orient=jnp.matmul(view, rotmats[0], precision="highest"),
        body_pose=rotmats[1:],
        betas=settings.betas_std * jax.random.normal(keys[2], (body.num_betas,)),
    )
    posed = body_joints(body, smpl)
    return smpl, posed, random_camera(keys[3], posed.joints, settings)


def keypoint_pair(
    key: jax.Array,
    body: BodyModel,
    axis_angle: Float[Array, "24 3"],
    settings: KeypointPairSettings,
    detector: DetectorErrors | None = None,
) -> LiftingBatch:
    """Returns the detections and labels of one person, without a batch axis.

    Args:
      key: random key of this person.
      body: any body.
      axis_angle: pose, radians, whose root is relative to a world with Y up; half of
        the people get its mirror image.
      settings: variety of shapes, cameras and detections.
      detector: the measured detector; needed where `settings.movenet_rate` is not 0.

    Raises:
      ValueError: the measured detector is needed and missing.
    """
    keys = jax.random.split(key, 5)
    smpl, posed, camera = random_person(keys, body, axis_angle, settings)
    joints = posed.joints
    xy = cameras.project(joints, camera)
    true_xy = xy[: len(skeleton.BODY_25)]
    detections = simulate_detections(keys[4], true_xy, settings)
    form_key, other_key = jax.random.split(jax.random.fold_in(keys[4], 1))
    form = jax.random.uniform(form_key)
    if settings.annotator_rate > 0:
        is_annotated = form > 1.0 - settings.annotator_rate
        marked = annotated(other_key, true_xy, settings)
        detections = _chosen(is_annotated, marked, detections)
    if settings.movenet_rate > 0:
        if detector is None:
            raise ValueError("movenet_rate needs a measured detector")
        measured = _measured(other_key, detector, posed, smpl, camera, settings)
        detections = _chosen(form < settings.movenet_rate, measured, detections)
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


def _chosen(
    condition: Bool[Array, ""], first: Keypoints2D, second: Keypoints2D
) -> Keypoints2D:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
