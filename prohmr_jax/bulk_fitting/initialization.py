"""What the model says of people, and the views that their fits start from."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.person_stream import Sighting
from prohmr_jax.fitting.keypoints import View, crop_view
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.inference.reconstruction import draw_number
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.solver.slots import map_batches
from prohmr_jax.structs import Camera, Crop, Keypoints2D

# Whose pixels the data term counts, under which camera: the crop's, under its own long
# lens; the photo's, under the photo's camera; the crop's, under the photo's camera.
FRAMES = ("crop", "image", "crop_of_image")


@struct.dataclass
class Seen:
    """People as the device gets them; pixels of their photos."""

    shown: Keypoints2D | Crop
    """What the encoder looks at."""
    keypoints: Keypoints2D
    """JOINTS_44, what is fitted to."""
    image_size: Float[Array, "*b 2"]
    """(width, height); zeros where it is not known."""
    focal_length: Float[Array, "*b 2"]
    """Of the photo's camera; zeros for one like the crop's."""
    principal_point: Float[Array, "*b 2"]
    """Zeros for the middle."""
    draw: Int[Array, "*b"]
    """Says which draws are this person's."""


@struct.dataclass
class Guess:
    """What the model says of people, and the fits that start from it."""

    prediction: Prediction
    camera: Camera
    """Of the photo."""
    view: View
    """What is fitted, in the pixels of the frame."""
    pose_axis_angle: Float[Array, "*b K 24 3"]


@functools.partial(jax.jit, static_argnames=("num_hypotheses", "frame"))
def guess(
    model: PreparedProHMR,
    body: BodyModel,
    key: jax.Array,
    seen: Seen,
    *,
    num_hypotheses: int,
    frame: str,
) -> Guess:
    """Returns modes and draws of people, and the views that they are fitted to.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      key: of the draws.
      seen: the people.
      num_hypotheses: K, the mode included.
      frame: see `FRAMES`.
    """

    def one(shown, draw):
        alone = jax.tree.map(lambda a: a[None], shown)
        key_of_person = jax.random.fold_in(key, draw)
        made = predict(model, body, alone, key_of_person, num_hypotheses)
        return jax.tree.map(lambda a: a[0], made)

    prediction = jax.vmap(one)(seen.shown, seen.draw)
    weak, box = prediction.hypotheses.camera, prediction.box
    camera, side = cameras.photo_camera(
        weak, box, seen.image_size, seen.focal_length, seen.principal_point
    )
    view = View(seen.keypoints, camera, side)
    if frame != "image":
        xy = cameras.image_to_crop(seen.keypoints.xy, box)
        view = crop_view(seen.keypoints.replace(xy=xy), weak)
    if frame == "crop":
        camera = cameras.crop_camera_in_image(weak, box)
    elif frame == "crop_of_image":
        view = view.replace(camera=cameras.in_crop_pixels(camera, box))
    smpl = prediction.hypotheses.smpl
    return Guess(prediction, camera, view, rotmat_to_axis_angle(smpl.rotmats))


def gather(people: Sequence[Sighting], focal_length_px: float) -> Seen:
    """Returns people stacked, NumPy.

    Args:
      people: at least one.
      focal_length_px: of photos whose camera is not known; 0: like the crop's.
    """
    stack = lambda trees: jax.tree.map(  # noqa: E731
        lambda *leaves: np.stack(leaves), *trees
    )
    shown = [p.detection.keypoints if p.crop is None else p.crop for p in people]
    known = np.stack([person.intrinsics for person in people]).astype(np.float32)
    focal = known[:, [0, 1], [0, 1]]
    return Seen(
        shown=stack(shown),
        keypoints=stack([person.keypoints for person in people]),
        image_size=np.array([person.image_size for person in people], np.float32),
        focal_length=np.where(focal > 0, focal, np.float32(focal_length_px)),
        principal_point=known[:, :2, 2],
        draw=np.array([draw_number(p.detection) for p in people], np.uint32),
    )


class Guesser:
    """A model, a body and settings, for any number of people."""

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        frame: str,
        focal_length_px: float,
        num_hypotheses: int = 1,
        seed: int = 0,
    ):
        """Takes what every person shares; see `guess`, `gather`."""
        self._focal_length_px = focal_length_px
        self._guess = functools.partial(
            guess,
            model,
            body,
            jax.random.key(seed),
            num_hypotheses=num_hypotheses,
            frame=frame,
        )

    def __call__(self, people: Sequence[Sighting], size: int) -> tuple[Seen, Guess]:
        """Returns people and what the model says of them, NumPy, `size` at a time."""
        seen = gather(people, self._focal_length_px)
        return seen, map_batches(self._guess, (seen,), size)


def person_columns(
    people: Sequence[Sighting], seen: Seen, made: Guess
) -> dict[str, np.ndarray]:
    """Returns what every table says of people before their fits, NumPy."""
    hypotheses, box = made.prediction.hypotheses, made.prediction.box
    intrinsics = np.tile(np.eye(3, dtype=np.float32), (len(people), 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = made.camera.focal_length
    intrinsics[:, :2, 2] = made.camera.center
    frames = [person.detection.frame for person in people]
    return {
        "source": np.array([person.source for person in people]),
        "person_index": np.array([p.detection.person_index for p in people]),
        "frame": np.array([-1 if frame is None else frame for frame in frames]),
        "photo": np.array([person.photo_name for person in people]),
        "keypoints_px": seen.keypoints.xy,
        "keypoint_confidence": seen.keypoints.confidence,
        "image_size_px": seen.image_size.astype(np.int32),
        "box_center_px": box.center,
        "box_size_px": box.size,
        "intrinsics": intrinsics,
        "pose_axis_angle": made.pose_axis_angle,
        "log_prob": hypotheses.log_prob,
        "joints": made.prediction.body.joints,
        "betas": hypotheses.smpl.betas[:, 0],
        "translation": made.camera.translation,
    }
