"""Predicts a person in every frame of a track, in front of the camera of the video.

`track_fit` starts its fits from what `TrackPredictor` returns.
"""

import dataclasses
import functools

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_joints, shape_body
from prohmr_jax.bulk_fitting.initialization import (
    InitialFit,
    Initializer,
    PersonArrays,
    person_columns,
)
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.files.detections import Detection
from prohmr_jax.fitting.keypoints import body_25_as_44
from prohmr_jax.geometry.cameras import in_crop_pixels
from prohmr_jax.geometry.rays import place_on_ray
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.geometry.spread import spread
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.slots import map_batches
from prohmr_jax.structs import Camera, Keypoints2D, SmplParams
from prohmr_jax.tracking.person_tracks import PersonTrack

# Pixels of the crop, in which the data term is measured, under the video's camera.
_FRAME = "crop_of_image"
# Batches of frames whose hypotheses are in memory at a time.
_BATCHES = 4
VIDEO = "video"
"""Name of the format of detections that tracks come from."""


@dataclasses.dataclass(frozen=True)
class VideoCamera:
    """Describes the camera of a video, which stands and does not zoom."""

    image_size: tuple[int, int]
    """(width, height) of the pictures, pixels."""
    focal_length_px: float
    """Focal length, pixels."""
    frame_rate: float
    """Frames per second."""

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """Returns the matrix K, pixels; the principal point is the middle."""
        matrix = np.eye(3, dtype=np.float32)
        matrix[[0, 1], [0, 1]] = self.focal_length_px
        matrix[:2, 2] = np.array(self.image_size) / 2.0
        return matrix


@struct.dataclass
class PlacedMode:
    """Holds the mode of F frames, turned and placed in front of the video's camera."""

    turn: Float[Array, "*b 3 3"]
    """Rotation from the axes of each crop's camera to those of the video's camera."""
    pose_axis_angle: Float[Array, "*b 24 3"]
    """Pose of the mode, radians; the root turns body axes to camera axes."""
    joints: Float[Array, "*b 44 3"]
    """Joints of the mode, metres, camera axes, before the translation."""
    joint_spread: Float[Array, "*b 44"]
    """Spread of the samples of each joint, metres."""
    camera: Camera
    """Camera of the video in pixels of each crop; its translation places the mode."""


@dataclasses.dataclass(frozen=True)
class TrackStart:
    """Holds the predictions of a person in F frames, NumPy."""

    track: PersonTrack
    """Keypoints of the person."""
    columns: Columns
    """Columns of `VideoTable` that do not depend on the fit."""
    placed: PlacedMode
    """Modes in front of the camera."""
    keypoints: Keypoints2D
    """Keypoints (JOINTS_44) in pixels of each crop; of confidence 0 in gaps."""
    context: Float[np.ndarray, "F C"]
    """Context of each frame."""
    betas: Float[np.ndarray, "F S"]
    """Shape coefficients that are predicted in each frame."""


@jax.jit
def placed_mode(
    body: BodyModel, people: PersonArrays, initial: InitialFit
) -> PlacedMode:
    """Returns the modes of people in front of the camera of their picture.

    Args:
      body: the body model.
      people: the people; their focal lengths and principal points are known.
      initial: predictions of the model.
    """
    prediction = initial.prediction
    box, hypotheses = prediction.box, prediction.hypotheses
    smpl = jax.tree.map(lambda a: a[:, 0], hypotheses.smpl)
    shaped = shape_body(body, smpl.betas, with_vertices=False)
    turn, camera = place_on_ray(
        hypotheses.camera,
        box,
        shaped.joints[:, 0],
        people.focal_length,
        people.principal_point,
    )
    root = jax.numpy.matmul(turn, smpl.global_orient, precision="highest")
    turned = SmplParams(root, smpl.body_pose, smpl.betas)
    posed = pose_joints(shaped, root, smpl.body_pose)
    joints = prediction.body.joints
    return PlacedMode(
        turn=turn,
        pose_axis_angle=rotmat_to_axis_angle(turned.rotmats),
        joints=posed.joints,
        # Without samples there is no spread.
        joint_spread=spread(joints[:, 1:] if joints.shape[1] > 2 else joints),
        camera=in_crop_pixels(camera, box),
    )


class TrackPredictor:
    """Predicts the people of one video with one model of keypoints."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        camera: VideoCamera,
        *,
        source: str,
        num_hypotheses: int,
        seed: int,
        size: int,
    ):
        """Keeps what all people have in common.

        Args:
          model: weights of a model of keypoints, prepared for inference.
          body: body model that the weights were trained with.
          camera: camera of the video.
          source: name of the video in results.
          num_hypotheses: number of hypotheses of each frame, the mode included.
          seed: seed of the samples.
          size: number of frames that are predicted at a time.
        """
        self._camera, self._source, self._size = camera, source, size
        self._place = functools.partial(placed_mode, body)
        self._initializer = Initializer(
            model, body, _FRAME, 0.0, num_hypotheses=num_hypotheses, seed=seed
        )

    def __call__(self, track: PersonTrack) -> TrackStart:
        """Returns the predictions of a person in all frames of the track.

        The hypotheses of only some frames are in memory at a time.
        """
        block = _BATCHES * self._size
        parts = [
            self._predicted(track, range(first, min(first + block, len(track))))
            for first in range(0, len(track), block)
        ]
        return TrackStart(track, *jax.tree.map(lambda *a: np.concatenate(a), *parts))

    def _predicted(
        self, track: PersonTrack, rows: range
    ) -> tuple[Columns, PlacedMode, Keypoints2D, np.ndarray, np.ndarray]:
        """Returns the members of `TrackStart` after the first, in some frames."""
        people = [self._person(track, row) for row in rows]
        arrays, initial = self._initializer(people, self._size)
        placed = map_batches(self._place, (arrays, initial), self._size)
        columns = person_columns(people, arrays, initial)
        measured = track.measured[rows.start : rows.stop]
        frame = track.frame[rows.start : rows.stop]
        confidence = columns["keypoint_confidence"] * measured[:, None]
        columns |= {
            "keypoint_confidence": confidence.astype(np.float32),
            "pose_axis_angle": placed.pose_axis_angle[:, None],
            "log_prob": columns["log_prob"][:, :1],
            "joints": placed.joints[:, None],
            "translation": placed.camera.translation,
            "time_s": (frame / self._camera.frame_rate).astype(np.float32),
            "measured": measured.astype(np.int32),
            "joint_spread": placed.joint_spread,
        }
        view = initial.view.keypoints
        crop_confidence = view.confidence * measured[:, None]
        return (
            columns,
            placed,
            Keypoints2D(view.xy, crop_confidence.astype(np.float32)),
            initial.prediction.context,
            initial.prediction.hypotheses.smpl.betas[:, 0],
        )

    def _person(self, track: PersonTrack, row: int) -> PersonInput:
        keypoints = Keypoints2D(track.xy[row], track.confidence[row])
        detection = Detection(
            keypoints,
            track.number,
            VIDEO,
            frame=int(track.frame[row]),
            track_id=str(track.number),
        )
        return PersonInput(
            detection,
            body_25_as_44(keypoints),
            self._source,
            image_size=self._camera.image_size,
            intrinsics=self._camera.intrinsics,
        )
