"""Predicts where the fits of people start: the mode of each person, and a view.

The jobs of `keypoint_job` and `multiview_job` initialise the people of a batch with an
`Initializer`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float, UInt32

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.fitting.keypoints import View, crop_view
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.inference.person_keys import detection_hash
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.slots import map_batches
from prohmr_jax.structs import Camera, Crop, Keypoints2D

FRAMES = ("crop", "image", "crop_of_image")
"""Words for the pixels and the camera in which the data term of Eq. 11 is measured.

"crop": pixels of the crop, under the crop's own long lens. "image": pixels of the
photo, under the photo's camera. "crop_of_image": pixels of the crop, under the photo's
camera.
"""
IGNORES_FOCAL = "crop"
"""Frame in which the photo's camera has no part."""


@struct.dataclass
class PersonArrays:
    """Holds people as arrays for the device; positions are in pixels of the photo."""

    encoder_input: Keypoints2D | Crop
    """Keypoints (BODY_25) or crops that the encoder sees, leading axes *b."""
    keypoints: Keypoints2D
    """Keypoints (JOINTS_44) that bodies are fitted to, leading axes *b."""
    image_size: Float[Array, "*b 2"]
    """(width, height) of the photo, pixels; zeros where it is not known."""
    focal_length: Float[Array, "*b 2"]
    """Focal lengths of the photo's camera, pixels; zeros for a lens like the crop's."""
    principal_point: Float[Array, "*b 2"]
    """Principal point of the photo's camera, pixels; zeros for the photo's middle."""
    detection_hash: UInt32[Array, "*b"]
    """Hash of the detection, which makes the samples of each person their own."""


@struct.dataclass
class InitialFit:
    """Holds what the model predicts of people, and the view that fits start from."""

    prediction: Prediction
    """Prediction of the model, leading axes *b."""
    camera: Camera
    """Camera of the photo, in pixels of the photo, leading axes *b."""
    view: View
    """Keypoints and camera that bodies are fitted to, in pixels of the frame."""
    pose_axis_angle: Float[Array, "*b K 24 3"]
    """Poses of the K hypotheses, radians; the root turns body to camera axes."""


@functools.partial(jax.jit, static_argnames=("num_hypotheses", "frame"))
def initial_fit(
    model: PreparedProHMR,
    body: BodyModel,
    key: jax.Array,
    people: PersonArrays,
    *,
    num_hypotheses: int,
    frame: str,
) -> InitialFit:
    """Returns predictions of people, and the views that their bodies are fitted to.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      key: random key of the run; samples depend on it and on a person's detection.
      people: the people, with one leading axis.
      num_hypotheses: number K of hypotheses of each person, the mode included.
      frame: one of `FRAMES`.
    """

    def predict_one(encoder_input: Keypoints2D | Crop, hashed: jax.Array) -> Prediction:
        batch_of_one = jax.tree.map(lambda a: a[None], encoder_input)
        person_key = jax.random.fold_in(key, hashed)
        prediction = predict(model, body, batch_of_one, person_key, num_hypotheses)
        return jax.tree.map(lambda a: a[0], prediction)

    prediction = jax.vmap(predict_one)(people.encoder_input, people.detection_hash)
    weak, box = prediction.hypotheses.camera, prediction.box
    camera, side = cameras.photo_camera(
        weak, box, people.image_size, people.focal_length, people.principal_point
    )
    view = View(people.keypoints, camera, side)
    if frame != "image":
        xy = cameras.image_to_crop(people.keypoints.xy, box)
        view = crop_view(people.keypoints.replace(xy=xy), weak)
    if frame == IGNORES_FOCAL:
        camera = cameras.crop_camera_in_image(weak, box)
    elif frame == "crop_of_image":
        view = view.replace(camera=cameras.in_crop_pixels(camera, box))
    rotmats = prediction.hypotheses.smpl.rotmats
    return InitialFit(prediction, camera, view, rotmat_to_axis_angle(rotmats))


def stack_people(people: Sequence[PersonInput], focal_length_px: float) -> PersonArrays:
    """Returns people as NumPy arrays with a leading axis.

    Args:
      people: at least one person.
      focal_length_px: focal length of photos whose camera is not known, pixels; 0 for
        a lens like the crop's.
    """

    def stack(trees: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    intrinsics = np.stack([person.intrinsics for person in people]).astype(np.float32)
    known_focal_length = intrinsics[:, [0, 1], [0, 1]]
    return PersonArrays(
        encoder_input=stack(
            [p.detection.keypoints if p.crop is None else p.crop for p in people]
        ),
        keypoints=stack([person.keypoints for person in people]),
        image_size=np.array([person.image_size for person in people], np.float32),
        focal_length=np.where(
            known_focal_length > 0, known_focal_length, np.float32(focal_length_px)
        ),
        principal_point=intrinsics[:, :2, 2],
        detection_hash=np.array(
            [detection_hash(person.detection) for person in people], np.uint32
        ),
    )


class Initializer:
    """Predicts where the fits of any number of people start, with one model."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        frame: str,
        focal_length_px: float,
        num_hypotheses: int = 1,
        seed: int = 0,
    ):
        """Keeps what all people have in common.

        Args:
          model: weights, prepared for inference.
          body: body model that the weights were trained with.
          frame: one of `FRAMES`.
          focal_length_px: focal length of photos whose camera is not known, pixels; 0
            for a lens like the crop's.
          num_hypotheses: number of hypotheses of each person, the mode included.
          seed: seed of the samples.
        """
        self._focal_length_px = focal_length_px
        self._initial_fit = functools.partial(
            initial_fit,
            model,
            body,
            jax.random.key(seed),
            num_hypotheses=num_hypotheses,
            frame=frame,
        )

    def __call__(
        self, people: Sequence[PersonInput], size: int
    ) -> tuple[PersonArrays, InitialFit]:
        """Returns people as arrays and where their fits start, both in NumPy.

        Args:
          people: at least one person.
          size: number of people that are predicted at a time.
        """
        arrays = stack_people(people, self._focal_length_px)
        return arrays, map_batches(self._initial_fit, (arrays,), size)


def person_columns(
    people: Sequence[PersonInput], arrays: PersonArrays, initial: InitialFit
) -> dict[str, np.ndarray]:
    """Returns the columns that every table has of people before their fits, NumPy.

    Args:
      people: the people, one for each row.
      arrays: the same people as arrays.
      initial: their initial fits.
    """
    hypotheses, box = initial.prediction.hypotheses, initial.prediction.box
    intrinsics = np.tile(np.eye(3, dtype=np.float32), (len(people), 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = initial.camera.focal_length
    intrinsics[:, :2, 2] = initial.camera.center
    frames = [person.detection.frame for person in people]
    return {
        "source": np.array([person.source for person in people]),
        "person_index": np.array([p.detection.person_index for p in people]),
        "frame": np.array([-1 if frame is None else frame for frame in frames]),
        "photo": np.array([person.photo_name for person in people]),
        "image_id": np.array([p.detection.image_id or "" for p in people]),
        "track_id": np.array([p.detection.track_id or "" for p in people]),
        "keypoints_px": arrays.keypoints.xy,
        "keypoint_confidence": arrays.keypoints.confidence,
        "image_size_px": arrays.image_size.astype(np.int32),
        "box_center_px": box.center,
        "box_size_px": box.size,
        "intrinsics": intrinsics,
        "pose_axis_angle": initial.pose_axis_angle,
        "log_prob": hypotheses.log_prob,
        "joints": initial.prediction.body.joints,
        "betas": hypotheses.smpl.betas[:, 0],
        "translation": initial.camera.translation,
    }
