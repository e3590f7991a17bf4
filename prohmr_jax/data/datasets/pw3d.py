"""Makes records of people from the sequence files of 3DPW.

`tools/make_dataset.py` calls it. Errors on 3DPW are computed on joints that are
regressed from the posed mesh of the person's gender (EVAL_H36M_14, among the body's
EXTRA_19). They are not SMPL's own joints, which the files call `jointPositions`; those
lie centimetres away, and are compared with the body's to see whether it is SMPL.
"""

import functools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.data.datasets.pw3d_files import Actor, read_sequence
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.geometry.boxes import box_around
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat, rotmat_to_axis_angle
from prohmr_jax.skeleton import EXTRA_19, JOINTS_44, OPENPOSE_18

_LOG = logging.getLogger(__name__)
_EXTRA = slice(len(JOINTS_44) - len(EXTRA_19), None)
# Sequences of similar lengths share one compilation.
_FRAMES_PER_STEP = 256
# A body whose joints are further than this from those of the file is another one.
_JOINT_TOLERANCE_M = 0.03


def sequence_records(
    paths: Iterable[str | os.PathLike],
    bodies: Mapping[str, BodyModel],
    every: int = 1,
) -> Iterator[PersonRecord]:
    """Yields a record per person and valid frame, person after person.

    Args:
      paths: paths of the sequence files.
      bodies: gender, "m" or "f" -> SMPL body model of that gender.
      every: n of "every n-th frame".

    Raises:
      InputError: a file cannot be used; see `read_sequence`.
    """
    for path in paths:
        for actor in read_sequence(path):
            yield from _records(path, actor, bodies[actor.gender], every)


def _records(
    path: str | os.PathLike, actor: Actor, body: BodyModel, every: int
) -> Iterator[PersonRecord]:
    orient, joints, kinematic = _in_camera(body, actor)
    _warn_of_other_body(path, actor, kinematic)
    seen = actor.detections[..., 2] > 0
    boxes = box_around(actor.detections[..., :2], seen)
    # The official program ends at a frame without detections; here it gets no box.
    sizes = np.where(seen.any(axis=1), np.asarray(boxes.size), np.nan)
    centers = np.asarray(boxes.center, np.float64)
    in_body = list(OPENPOSE_18.positions_in(JOINTS_44))
    for frame in np.flatnonzero(actor.valid):
        if frame % every:
            continue
        keypoints_2d = np.zeros((len(JOINTS_44), 3))
        keypoints_2d[in_body] = actor.detections[frame]
        keypoints_3d = np.zeros((len(JOINTS_44), 4))
        keypoints_3d[_EXTRA] = np.insert(joints[frame], 3, 1.0, axis=-1)
        yield PersonRecord(
            image=b"",
            name=f"imageFiles/{actor.sequence}/image_{frame:05d}.jpg",
            box_center=centers[frame],
            box_size=float(sizes[frame]),
            keypoints_2d=keypoints_2d,
            keypoints_3d=keypoints_3d,
            axis_angle=np.vstack([orient[frame], actor.pose[frame, 1:]]),
            betas=actor.betas.astype(np.float64),
            has_pose=True,
            has_betas=True,
            intrinsics=actor.intrinsics.astype(np.float64),
            extrinsics=actor.extrinsics[frame].astype(np.float64),
        )


def _in_camera(body: BodyModel, actor: Actor) -> tuple[np.ndarray, ...]:
    """Returns the poses and joints of an actor in the camera frame.

    Returns:
      Root rotations, axis-angles [T, 3], and the joints of EXTRA_19 and SMPL_24,
      [T, J, 3], metres.
    """
    frames = len(actor.pose)
    padded = -frames % _FRAMES_PER_STEP

    def pad(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, padded)] + [(0, 0)] * (array.ndim - 1)).astype("f4")

    arrays = map(pad, (actor.pose, actor.translation, actor.extrinsics))
    betas = actor.betas[: body.num_betas].astype(np.float32)
    posed = pose_in_camera(body, betas, *arrays)
    return tuple(np.asarray(array, np.float64)[:frames] for array in posed)


@jax.jit
def pose_in_camera(
    body: BodyModel,
    betas: jax.Array,
    pose: jax.Array,
    translation: jax.Array,
    extrinsics: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Poses bodies and moves them to the camera frame.

    SMPL turns about the pelvis of the rest pose, the camera about its own centre.

    Args:
      body: SMPL body model.
      betas: shape coefficients, [S].
      pose: axis-angles, [T, 24, 3], radians, in the world frame.
      translation: translation of the body, [T, 3], metres, world frame.
      extrinsics: matrix [R | t] from world to camera, [T, 3, 4], metres.

    Returns:
      Root rotations, axis-angles [T, 3], and the joints of EXTRA_19 and SMPL_24,
      [T, J, 3], metres, camera frame.
    """
    turn, shift = extrinsics[..., :3], extrinsics[..., 3]
    times = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    rotmats = axis_angle_to_rotmat(pose)
    orient = times(turn, rotmats[:, 0])
    shaped = shape_body(body, betas, with_vertices=False)
    posed = pose_joints(shaped, orient, rotmats[:, 1:])
    pelvis = shaped.joints[0]
    pelvis_in_camera = times(turn, (pelvis + translation)[..., None])[..., 0] + shift
    offset = (pelvis_in_camera - pelvis)[:, None]
    joints = posed.joints[:, _EXTRA] + offset
    return rotmat_to_axis_angle(orient), joints, posed.kinematic_joints + offset


def _warn_of_other_body(
    path: str | os.PathLike, actor: Actor, kinematic: np.ndarray
) -> None:
    if actor.joints is None:
        return
    turn, shift = actor.extrinsics[..., :3], actor.extrinsics[..., 3]
    labelled = actor.joints @ np.swapaxes(turn, 1, 2) + shift[:, None]
    distance = np.linalg.norm((labelled - kinematic)[actor.valid], axis=-1)
    mean = float(np.nanmean(distance)) if np.isfinite(distance).any() else 0.0
    if mean > _JOINT_TOLERANCE_M:
        _LOG.warning(
            "%s: the joints of the %r body are %.0f mm from those of the file: is it "
            "SMPL of that gender?", path, actor.gender, 1000 * mean,
        )  # fmt: skip
