"""Reconstructs detected people: the distribution of each person's body in the photo.

The demo calls a `Reconstructor`, and bulk fitting loads its model and body with
`load_reconstructor`.
"""

import dataclasses
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import __version__
from prohmr_jax.body import BodyModel, pose_body, shape_body
from prohmr_jax.data.crops import cut_person
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.files.detections import Detection
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import box_from_keypoints
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.judged_results import judged
from prohmr_jax.inference.person_keys import person_key, tree_sha256
from prohmr_jax.inference.plausibility import Limits
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.inference.results import PersonResult, Provenance
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import KEYPOINTS, build_model
from prohmr_jax.structs import Camera, Crop, Keypoints2D
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

# Number of meshes computed at a time: it limits the memory of many hypotheses.
_MESHES_AT_ONCE = 20


@struct.dataclass
class Reconstruction:
    """Holds what `reconstruct` computes of one person: K hypotheses, the mode first."""

    prediction: Prediction
    """Prediction of the model, leading axis [1]."""
    camera: Camera
    """Camera of the photo, pixels, and the translation of the body in front of it."""
    joints_2d_px: Float[Array, "K 44 2"]
    """Projected joints (JOINTS_44), pixels of the photo."""
    pose_rotmat: Float[Array, "K 24 3 3"]
    """Rotation matrices relative to the parents; the root turns body to camera axes."""
    pose_axis_angle: Float[Array, "K 24 3"]
    """The same rotations as axis-angle, radians."""
    meshes: Float[Array, "M V 3"]
    """Vertices of the first M hypotheses, metres, camera axes, before translation."""
    joint_spread: Float[Array, "44"]
    """Spread of the samples of each joint, metres; see `geometry.spread`."""
    vertex_spread: Float[Array, " V"]
    """Spread of the samples of each vertex, metres."""


@jax.jit(static_argnames=("num_hypotheses", "num_meshes"))
def reconstruct(
    model: PreparedProHMR,
    body: BodyModel,
    encoder_input: Keypoints2D | Crop,
    image_size: Float[Array, "2"],
    focal_length: Float[Array, "2"],
    key: jax.Array,
    *,
    num_hypotheses: int,
    num_meshes: int,
) -> Reconstruction:
    """Returns the bodies of one person, placed in front of the photo's camera.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      encoder_input: keypoints (BODY_25) `[25]` in pixels of the photo, or the crop of
        the person.
      image_size: (width, height) of the photo, pixels; zeros where it is not known,
        and the camera then looks at the middle of the person's box.
      focal_length: (fx, fy) of the photo's camera, pixels; zeros for a lens like the
        crop's, whose focal length in box sides is then taken in photo sides.
      key: random key of the samples.
      num_hypotheses: number K of hypotheses, the mode included, at least 3.
      num_meshes: number M of hypotheses that are returned as meshes, at most K.
    """
    batch_of_one = jax.tree.map(lambda a: a[None], encoder_input)
    prediction = predict(model, body, batch_of_one, key, num_hypotheses)
    weak, box, smpl = jax.tree.map(
        lambda a: a[0],
        (
            prediction.hypotheses.camera,
            prediction.box,
            prediction.hypotheses.smpl,
        ),
    )
    camera, _ = cameras.photo_camera(weak, box, image_size, focal_length)
    shaped = shape_body(body, smpl.betas[0])
    vertices = jax.lax.map(
        lambda pose: pose_body(shaped, *pose).vertices,
        (smpl.global_orient, smpl.body_pose),
        batch_size=_MESHES_AT_ONCE,
    )
    joints = prediction.body.joints[0]
    return Reconstruction(
        prediction=prediction,
        camera=camera,
        joints_2d_px=cameras.project(joints, camera),
        pose_rotmat=smpl.rotmats,
        pose_axis_angle=rotmat_to_axis_angle(smpl.rotmats),
        meshes=vertices[:num_meshes],
        # All hypotheses have one shape, and so their kinematic pelvis in one place:
        # the spread is that of the pose about it. The mode is no sample.
        joint_spread=spread(joints[1:]),
        vertex_spread=spread(vertices[1:]),
    )


@dataclasses.dataclass(frozen=True)
class Reconstructor:
    """Holds a model and a body model that reconstruct any number of people."""

    model: PreparedProHMR
    """Weights, prepared for inference."""
    body: BodyModel
    """Body model that the weights were trained with."""
    provenance: Provenance
    """Provenance of every result, without source, person and photo."""
    num_hypotheses: int
    """Number of hypotheses of each person, the mode included."""
    num_meshes: int
    """Number of hypotheses that are returned as meshes."""
    focal_length_px: float
    """Focal length of the photos' camera, pixels; 0 for a lens like the crop's."""
    crop_px: int | None = None
    """Side of the crops that the encoder sees, pixels; None if it sees keypoints."""
    limits: Limits | None = None
    """Limits by which results are judged; None does not judge them."""
    other_body: bool = False
    """Whether the weights were trained on another body."""

    def __call__(
        self,
        person: Detection,
        image: np.ndarray | None,
        image_size: tuple[int, int],
        **source: str | int,
    ) -> tuple[PersonResult, np.ndarray]:
        """Returns a person's result, and the meshes `[M, V, 3]`, the mode first.

        Args:
          person: detection whose keypoints, or box, are in pixels of the photo.
          image: photo [H, W, 3] uint8; None only for a model that sees keypoints.
          image_size: (width, height) of the photo, pixels; zeros where not known.
          **source: the fields `source`, `person_index`, `photo`, `image_id`, `frame`
            and `track_id` of `Provenance`.
        """
        keypoints = person.keypoints
        reconstruction = reconstruct(
            self.model,
            self.body,
            self._encoder_input(person, image),
            jnp.asarray(image_size, jnp.float32),
            jnp.full(2, self.focal_length_px, jnp.float32),
            person_key(self.provenance.seed, person),
            num_hypotheses=self.num_hypotheses,
            num_meshes=min(self.num_meshes, self.num_hypotheses),
        )
        reconstruction = jax.device_get(reconstruction)
        prediction = reconstruction.prediction
        hypotheses, posed, box = jax.tree.map(
            lambda a: a[0], (prediction.hypotheses, prediction.body, prediction.box)
        )
        result = PersonResult(
            provenance=dataclasses.replace(self.provenance, **source),
            pose_rotmat=reconstruction.pose_rotmat,
            pose_axis_angle=reconstruction.pose_axis_angle,
            betas=hypotheses.smpl.betas[0],
            log_prob=hypotheses.log_prob,
            joints=posed.joints,
            kinematic_joints=posed.kinematic_joints,
            joints_2d_px=reconstruction.joints_2d_px,
            joint_spread=reconstruction.joint_spread,
            vertices=reconstruction.meshes[0],
            vertex_spread=reconstruction.vertex_spread,
            faces=np.asarray(self.body.faces),
            weak_camera=np.array([hypotheses.camera.scale, *hypotheses.camera.xy]),
            translation=reconstruction.camera.translation,
            intrinsics=_intrinsics(reconstruction.camera),
            box_center_px=box.center,
            box_size_px=box.size,
            image_size_px=np.array(image_size, np.int32),
            keypoints_px=np.asarray(keypoints.xy, np.float32),
            keypoint_confidence=np.asarray(keypoints.confidence, np.float32),
        )
        if self.limits is not None:
            result = judged(result, self.body, self.limits, self.other_body)
        return result, reconstruction.meshes

    def _encoder_input(
        self, person: Detection, image: np.ndarray | None
    ) -> Keypoints2D | Crop:
        if self.crop_px is None:
            as_floats = lambda a: jnp.asarray(a, jnp.float32)  # noqa: E731
            return jax.tree.map(as_floats, person.keypoints)
        box = person.box
        if box is None:
            box = jax.device_get(box_from_keypoints(person.keypoints))
        return jax.tree.map(jnp.asarray, cut_person(image, box, self.crop_px))


def load_reconstructor(
    checkpoint: str | os.PathLike,
    body: str | os.PathLike,
    *,
    seed: int,
    num_hypotheses: int,
    num_meshes: int,
    focal_length_px: float,
    limits: Limits | None = None,
) -> Reconstructor:
    """Returns a reconstructor with the weights and the body model of two files.

    Args:
      checkpoint: weights file or training directory, see `load_weights`; empty for the
        weights that come with the package.
      body: body file, see `read_body`; it needs as many shape coefficients as the
        weights predict. Another body than that of the training is warned of.
      seed: seed of the samples.
      num_hypotheses: number of hypotheses of each person, the mode included.
      num_meshes: number of them that are returned as meshes.
      focal_length_px: focal length of the photos' camera, pixels; 0 for a lens like
        the crop's, see `reconstruct`.
      limits: limits by which results are judged; None does not judge them.

    Raises:
      InputError: a file cannot be used, or weights and body do not fit together.
    """
    checkpoint = pathlib.Path(checkpoint or KEYPOINT_WEIGHTS)
    body_model, identity = read_identified_body(body)
    spec, variables = load_weights(checkpoint)
    if spec.num_betas != body_model.num_betas:
        raise InputError(
            checkpoint,
            f"predicts {spec.num_betas} shape coefficients, "
            f"but the body {os.fspath(body)} has {body_model.num_betas}",
        )
    other_body = warn_of_other_body(checkpoint, identity)
    provenance = Provenance(
        source="",
        person_index=0,
        photo="",
        weights=checkpoint.name,
        weights_sha256=tree_sha256(variables),
        body=pathlib.Path(body).name,
        body_sha256=tree_sha256(body_model),
        package_version=__version__,
        seed=seed,
    )
    return Reconstructor(
        # Put on the device once, here, because every jitted call takes them as inputs.
        model=jax.device_put(prepare(build_model(spec), variables)),
        body=jax.device_put(body_model),
        provenance=provenance,
        num_hypotheses=num_hypotheses,
        num_meshes=num_meshes,
        focal_length_px=focal_length_px,
        crop_px=None if spec.encoder == KEYPOINTS else spec.input_size,
        limits=limits,
        other_body=other_body,
    )


def _intrinsics(camera: Camera) -> np.ndarray:
    """Returns the matrix K [3, 3] of a camera, pixels."""
    matrix = np.eye(3, dtype=np.float32)
    matrix[[0, 1], [0, 1]] = camera.focal_length
    matrix[:2, 2] = camera.center
    return matrix
