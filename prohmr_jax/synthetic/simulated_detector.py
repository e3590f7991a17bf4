"""Draws detections that err as a measured detector does.

`keypoint_pairs` calls it on the device for one person at a time.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from prohmr_jax.geometry import cameras
from prohmr_jax.priors.detector_errors import (
    GROUP_MASKS_17,
    NORMAL_GRID,
    DetectorErrors,
    detector_joints,
    facing_angle,
    person_size,
    score_bin,
    swap_place,
)
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Body, Camera, Keypoints2D

# Radii in metres of balls along the bones of an adult, which hide what is behind them,
# and the number of balls of each bone.
_RADII = {
    ("left_ear", "right_ear"): 0.09,
    ("neck", "mid_hip"): 0.12,
    ("*_shoulder", "*_hip"): 0.11,
    ("*_shoulder", "*_elbow"): 0.05,
    ("*_elbow", "*_wrist"): 0.042,
    ("*_hip", "*_knee"): 0.08,
    ("*_knee", "*_ankle"): 0.055,
    ("*_ankle", "*_big_toe"): 0.04,
}
_BALLS_PER_BONE = 7
# A ball hides joints that are deeper than its middle by a share of its radius and a
# distance in metres.
_HIDING_SHARE, _HIDING_DEPTH = 0.5, 0.015


def _balls() -> tuple[np.ndarray, np.ndarray]:
    """Returns weights [M, 25] that give the balls' middles, and radii [M]."""
    weights, radii = [], []
    for (start, end), radius in _RADII.items():
        for side in ("left", "right") if "*" in start else ("",):
            ends = [BODY_25.index(name.replace("*", side)) for name in (start, end)]
            for share in np.linspace(0.0, 1.0, _BALLS_PER_BONE):
                row = np.zeros(len(BODY_25))
                row[ends] = 1.0 - share, share
                weights.append(row)
                radii.append(radius)
    return np.array(weights, np.float32), np.array(radii, np.float32)


_BALL_WEIGHTS, _BALL_RADII = _balls()


def behind_body(
    joints_25: Float[Array, "*b 25 3"], points: Float[Array, "*b J 3"]
) -> Bool[Array, "*b J"]:
    """Returns which points the camera sees only through the body.

    The body is a set of balls along its bones, so the answer is approximate.

    Args:
      joints_25: BODY_25 in the camera frame, metres, the camera at the origin.
      points: points of the same person in the same frame.
    """
    balls = jnp.matmul(_BALL_WEIGHTS, joints_25, precision="highest")
    depth = jnp.linalg.norm(points, axis=-1)
    ray = points / depth[..., None]
    along = jnp.einsum("...mc,...jc->...jm", balls, ray, precision="highest")
    away = balls[..., None, :, :] - along[..., None] * ray[..., None, :]
    near = jnp.linalg.norm(away, axis=-1) < _BALL_RADII
    reach = _HIDING_SHARE * _BALL_RADII + _HIDING_DEPTH
    return jnp.any(near & (along < depth[..., None] - reach), axis=-1)


def joint_states(
    body: Body,
    joints: Float[Array, "*b 17 3"],
    camera: Camera,
    out_of_sight: Bool[Array, "*b 17"],
) -> Float[Array, "*b 17"]:
    """Returns for each joint of COCO_17 its number in `STATES`.

    Args:
      body: the posed body, metres, camera axes.
      joints: the joints, in the frame of the body.
      camera: the camera, whose translation places the body.
      out_of_sight: which joints are behind an object or beyond the picture.
    """
    shift = camera.translation[..., None, :]
    hidden = behind_body(body.joints[..., : len(BODY_25), :] + shift, joints + shift)
    return jnp.where(out_of_sight, 2, jnp.where(hidden, 1, 0))


def events(
    key: jax.Array, rate: Float[Array, "*b n"], correlation: Float[Array, ""]
) -> Bool[Array, "*b n"]:
    """Returns which of n events of a person happen, each at its rate.

    An event happens where a normal variable is below the quantile of its rate; these
    variables are correlated.

    Args:
      key: random key.
      rate: probabilities of the events.
      correlation: correlation of any two of the normal variables, in [0, 1].
    """
    common_key, own_key = jax.random.split(key)
    common = jax.random.normal(common_key, (*rate.shape[:-1], 1))
    own = jax.random.normal(own_key, rate.shape)
    normal = jnp.sqrt(correlation) * common + jnp.sqrt(1.0 - correlation) * own
    return jax.scipy.stats.norm.cdf(normal) < rate


def detect_as_measured(
    key: jax.Array,
    errors: DetectorErrors,
    body: Body,
    rotmats: Float[Array, "24 3 3"],
    camera: Camera,
    out_of_sight: Bool[Array, " 17"],
    sharpness: float | Float[Array, ""] = 0.0,
) -> Keypoints2D:
    """Returns detections [17] of COCO_17 of one person, in the camera's unit.

    Args:
      key: random key.
      errors: the detector.
      body: the posed body, metres, camera axes.
      rotmats: its rotations relative to the parents, the root's to the camera frame.
      camera: the camera.
      out_of_sight: which joints are behind an object or beyond the picture.
      sharpness: how much better scores are than those that were measured, in standard
        deviations of their normal variables; errors become smaller with them.
    """
    swap_key, score_key, radius_key, angle_key = jax.random.split(key, 4)
    joints = detector_joints(errors, body, rotmats)
    xy = cameras.project(joints, camera)
    size = person_size(cameras.project(body.joints[: len(BODY_25)], camera))
    state = joint_states(body, joints, camera, out_of_sight)
    every = np.arange(len(COCO_17))

    score = _drawn(
        score_key,
        errors.score_cholesky,
        errors.score_quantiles[state, every],
        sharpness,
    )
    place = state, every, score_bin(errors, state, score)
    radius = _drawn(radius_key, errors.radius_cholesky, errors.radius_quantiles[place])
    angle = jax.random.uniform(angle_key, (len(COCO_17),), maxval=2 * jnp.pi)
    away = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    error = errors.bias[place] + jnp.sum(
        errors.ellipse[place] * away[:, None, :], axis=-1
    )
    detected = xy + size * error

    row, column = swap_place(facing_angle(rotmats), xy / size, len(errors.swap_rate))
    rate = errors.swap_rate[row, column, np.arange(len(GROUP_MASKS_17))]
    groups = events(swap_key, rate, errors.swap_correlation)
    swapped = jnp.any(groups[:, None] & GROUP_MASKS_17, axis=0)
    source = jnp.where(swapped, np.array(COCO_17.mirror), every)
    return Keypoints2D(detected[source], score[source])


def _drawn(
    key: jax.Array,
    cholesky: Float[Array, "n n"],
    quantiles: Float[Array, "n Q"],
    shift: float | Float[Array, ""] = 0.0,
) -> Float[Array, " n"]:
    """Returns numbers with given quantiles, whose normal variables are correlated.

    The shift is added to these variables.
    """
    normal = jnp.matmul(
        cholesky, jax.random.normal(key, (len(cholesky),)), precision="highest"
    )
    look_up = jax.vmap(jnp.interp, in_axes=(0, None, 0))
    return look_up(normal + shift, NORMAL_GRID, quantiles)


def coco_as_body25(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns COCO_17 as BODY_25, as `files.detections.as_body25` does on the host.

    The neck and the middle of the hips are midpoints with the lower confidence of their
    two joints; toes and heels are missing.

    Args:
      keypoints: [*b, 17], any unit.
    """
    xy = jnp.einsum("ij,...jc->...ic", _MIDDLES, keypoints.xy, precision="highest")
    confidence = keypoints.confidence[..., None, :]
    least = jnp.min(jnp.where(_MIDDLES > 0, confidence, jnp.inf), axis=-1)
    return Keypoints2D(xy, jnp.where(jnp.any(_MIDDLES > 0, axis=-1), least, 0.0))


def _middles() -> np.ndarray:
    """Returns the weights [25, 17] by which joints of COCO_17 give those of BODY_25."""
    weights = np.zeros((len(BODY_25), len(COCO_17)), np.float32)
    weights[COCO_17.positions_in(BODY_25), np.arange(len(COCO_17))] = 1.0
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        pair = COCO_17.indices(f"left_{part}", f"right_{part}")
        weights[BODY_25.index(middle), pair] = 0.5
    return weights


_MIDDLES = _middles()
