"""One detected person in, the distribution of bodies in the photo out."""

import dataclasses
import hashlib
import os
import pathlib
import zlib

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
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.detections import Detection
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import box_from_keypoints
from prohmr_jax.geometry.rotations import rotmat_to_axis_angle
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.inference.results import PersonResult, Provenance
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import KEYPOINTS, build_model
from prohmr_jax.structs import Camera, Crop, Keypoints2D
from prohmr_jax.weights.weight_files import load_weights

# Meshes computed at a time: bounds the memory of thousands of hypotheses.
_MESHES_AT_ONCE = 20


@struct.dataclass
class Reconstruction:
    """What one jitted call computes of one person; K hypotheses, the mode first."""

    prediction: Prediction
    """Leading axis [1]."""
    camera: Camera
    """Of the photo."""
    joints_2d_px: Float[Array, "K 44 2"]
    pose_rotmat: Float[Array, "K 24 3 3"]
    pose_axis_angle: Float[Array, "K 24 3"]
    meshes: Float[Array, "M V 3"]
    """Of the first hypotheses, metres, camera axes."""
    joint_spread: Float[Array, "44"]
    vertex_spread: Float[Array, " V"]


@jax.jit(static_argnames=("num_hypotheses", "num_meshes"))
def reconstruct(
    model: PreparedProHMR,
    body: BodyModel,
    seen: Keypoints2D | Crop,
    image_size: Float[Array, "2"],
    focal_length: Float[Array, "2"],
    key: jax.Array,
    *,
    num_hypotheses: int,
    num_meshes: int,
) -> Reconstruction:
    """Returns the bodies of one person, and where they are before the photo's camera.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      seen: BODY_25 in image pixels, `[25]`, or the crop of the person.
      image_size: (width, height), pixels; zeros where it is not known: the camera
        then looks at the middle of the person's box.
      focal_length: (fx, fy) of the photo's camera, pixels; zeros for a lens like the
        crop's: as many photo sides as that has box sides.
      key: of the draws.
      num_hypotheses: K >= 3, the mode included.
      num_meshes: M <= K, how many of the first hypotheses to return as meshes.
    """
    one = jax.tree.map(lambda a: a[None], seen)
    prediction = predict(model, body, one, key, num_hypotheses)
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


def draw_number(person: Detection) -> int:
    """Returns what of a person says which draws are theirs: 32 bits of the detection.

    So the same detections give the same draws, whoever else is in the file.
    """
    leaves = jax.tree.leaves((person.keypoints, person.box))
    values = [np.asarray(a, np.float32).tobytes() for a in leaves]
    return zlib.crc32(b"".join(values))


def person_key(seed: int, person: Detection) -> jax.Array:
    """Returns the key of a person's draws: of the seed and of its own detection."""
    return jax.random.fold_in(jax.random.key(seed), draw_number(person))


def fingerprint(tree) -> str:
    """Returns the SHA-256 of a pytree's arrays: what they hold, not where they lie."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        name = jax.tree_util.keystr(path)
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Reconstructor:
    """A model and a body, loaded once for any number of people."""

    model: PreparedProHMR
    body: BodyModel
    made_by: Provenance
    """Of every result; source, person and photo are still to be filled in."""
    num_hypotheses: int
    num_meshes: int
    focal_length_px: float
    crop_px: int | None = None
    """Side of the crops that the model looks at; None: it looks at keypoints."""

    def __call__(
        self,
        person: Detection,
        image: np.ndarray | None,
        image_size: tuple[int, int],
        **source,
    ) -> tuple[PersonResult, np.ndarray]:
        """Returns a person's result, and the meshes `[M, V, 3]`, the mode first.

        Args:
          person: whose keypoints, or box, are in pixels of the photo.
          image: the photo [H, W, 3], uint8; an image model needs it.
          image_size: (width, height), pixels; zeros where it is not known.
          **source: `source`, `person_index` and `photo` of `Provenance`.
        """
        keypoints = person.keypoints
        made = reconstruct(
            self.model,
            self.body,
            self._seen(person, image),
            jnp.asarray(image_size, jnp.float32),
            jnp.full(2, self.focal_length_px, jnp.float32),
            person_key(self.made_by.seed, person),
            num_hypotheses=self.num_hypotheses,
            num_meshes=min(self.num_meshes, self.num_hypotheses),
        )
        made = jax.device_get(made)
        hypotheses, box = jax.tree.map(
            lambda a: a[0], (made.prediction.hypotheses, made.prediction.box)
        )
        posed = jax.tree.map(lambda a: a[0], made.prediction.body)
        result = PersonResult(
            provenance=dataclasses.replace(self.made_by, **source),
            pose_rotmat=made.pose_rotmat,
            pose_axis_angle=made.pose_axis_angle,
            betas=hypotheses.smpl.betas[0],
            log_prob=hypotheses.log_prob,
            joints=posed.joints,
            kinematic_joints=posed.kinematic_joints,
            joints_2d_px=made.joints_2d_px,
            joint_spread=made.joint_spread,
            vertices=made.meshes[0],
            vertex_spread=made.vertex_spread,
            faces=np.asarray(self.body.faces),
            weak_camera=np.array([hypotheses.camera.scale, *hypotheses.camera.xy]),
            translation=made.camera.translation,
            intrinsics=_intrinsics(made.camera),
            box_center_px=box.center,
            box_size_px=box.size,
            image_size_px=np.array(image_size, np.int32),
            keypoints_px=np.asarray(keypoints.xy, np.float32),
            keypoint_confidence=np.asarray(keypoints.confidence, np.float32),
        )
        return result, made.meshes

    def _seen(self, person: Detection, image: np.ndarray | None) -> Keypoints2D | Crop:
        """What the model looks at."""
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
) -> Reconstructor:
    """Returns a reconstructor of a weights file or training directory, and a body.

    Args:
      checkpoint: see `load_weights`; empty for the weights that ship.
      body: see `read_body`; it must have the shape space that was trained with.
      seed: of the draws.
      num_hypotheses: per person, the mode included.
      num_meshes: how many of them are returned as meshes.
      focal_length_px: of the photos' camera; 0: like the crop's, see `reconstruct`.

    Raises:
      InputError: a file cannot be used, or the two do not fit together.
    """
    checkpoint = pathlib.Path(checkpoint or KEYPOINT_WEIGHTS)
    body_model = read_body(body)
    spec, variables = load_weights(checkpoint)
    if spec.num_betas != body_model.num_betas:
        raise InputError(
            checkpoint,
            f"predicts {spec.num_betas} shape coefficients, "
            f"but the body {os.fspath(body)} has {body_model.num_betas}",
        )
    made_by = Provenance(
        source="",
        person_index=0,
        photo="",
        weights=checkpoint.name,
        weights_sha256=fingerprint(variables),
        body=pathlib.Path(body).name,
        body_sha256=fingerprint(body_model),
        package_version=__version__,
        seed=seed,
    )
    return Reconstructor(
        # As inputs of the jitted call they are put on the device once, here.
        model=jax.device_put(prepare(build_model(spec), variables)),
        body=jax.device_put(body_model),
        made_by=made_by,
        num_hypotheses=num_hypotheses,
        num_meshes=num_meshes,
        focal_length_px=focal_length_px,
        crop_px=None if spec.encoder == KEYPOINTS else spec.input_size,
    )


def _intrinsics(camera: Camera) -> np.ndarray:
    matrix = np.eye(3, dtype=np.float32)
    matrix[[0, 1], [0, 1]] = camera.focal_length
    matrix[:2, 2] = camera.center
    return matrix
