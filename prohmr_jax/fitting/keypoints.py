"""Fits bodies to detected keypoints under the image's own distribution (Eq. 11).

  view = image_view(keypoints_px, weak_camera, box, image_size, focal_length)
  fit = fit_keypoints(model, context, betas, view)

Each person is fitted alone, so results do not depend on who else is fitted. The demo,
bulk fitting and the evaluation of fits call these functions.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.fitting.detector_terms import weighted_by_score
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointData,
    KeypointParams,
    bind_keypoints,
    decode_body,
)
from prohmr_jax.geometry import cameras
from prohmr_jax.models.prepared_flow import project_context
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.solver.minimise import minimise_batch
from prohmr_jax.solver.problem import Minimum, Settings
from prohmr_jax.solver.slots import map_batches, minimise_many
from prohmr_jax.structs import Body, Box, Camera, Keypoints2D, SmplParams, WeakCamera


@struct.dataclass
class View:
    """Holds detections and the camera that a fit starts from, in the same pixels."""

    keypoints: Keypoints2D
    """Detections of JOINTS_44, pixels."""
    camera: Camera
    """Camera that the network predicts, pixels."""
    image_side: Float[Array, "*b"]
    """Larger side of the frame (the image or the crop), pixels."""


@struct.dataclass
class KeypointFit:
    """Holds B fitted people."""

    smpl: SmplParams
    """Pose and shape, body frame to camera frame."""
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    """Camera of the view, pixels."""
    z: Float[Array, "*b 144"]
    """Latent of the pose."""
    minimum: Minimum
    """Unknowns and loss, number of steps and evaluations, and why each fit ended."""


def image_view(
    keypoints_px: Keypoints2D,
    weak: WeakCamera,
    box: Box,
    image_size: Float[Array, "*b 2"],
    focal_length: Float[Array, "*b 2"] | float = cameras.FOCAL_LENGTH_PX,
    center: Float[Array, "*b 2"] | None = None,
) -> View:
    """Returns the view of people in whole images.

    As in the official code, the data term is relative to the larger side of the image,
    so that the keypoints of a small person in a large photo have little weight.
    `crop_view` does not depend on the size of the photo.

    Args:
      keypoints_px: JOINTS_44, image pixels.
      weak: the network's camera of the crop.
      box: where the crop was taken, image pixels.
      image_size: (width, height), pixels.
      focal_length: focal length of the true camera, or the official constant, pixels.
      center: principal point, pixels; None for the centre of the image, as in the
        official code.
    """
    twice = image_size if center is None else 2.0 * center
    camera = cameras.image_camera(weak, box, twice, focal_length)
    return View(keypoints_px, camera, jnp.max(image_size, axis=-1))


def crop_view(keypoints: Keypoints2D, weak: WeakCamera) -> View:
    """Returns the view of people in their crops, in pixels of the network's input.

    Args:
      keypoints: JOINTS_44, crop units.
      weak: the network's camera of the crop.
    """
    size = cameras.CROP_SIZE_PX
    crop = cameras.crop_camera(weak)
    camera = Camera(
        translation=crop.translation,
        focal_length=crop.focal_length * size,
        center=crop.center * size + size / 2.0,
    )
    keypoints_px = keypoints.replace(xy=keypoints.xy * size + size / 2.0)
    return View(keypoints_px, camera, jnp.full_like(weak.scale, size))


def body_25_as_44(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns BODY_25 keypoints as JOINTS_44; joints not in BODY_25 have confidence 0.

    NumPy arrays give NumPy arrays, so that a thread that reads files does not wait for
    the device.
    """
    missing = len(skeleton.JOINTS_44) - keypoints.confidence.shape[-1]
    arrays = keypoints.confidence.__array_namespace__()
    leading_axes = [(0, 0)] * (keypoints.confidence.ndim - 1)
    return Keypoints2D(
        xy=arrays.pad(keypoints.xy, [*leading_axes, (0, missing), (0, 0)]),
        confidence=arrays.pad(keypoints.confidence, [*leading_axes, (0, missing)]),
    )


def without_hips(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns JOINTS_44 with the confidence of hips and pelvis set to zero.

    Annotators and detectors place these joints differently from the body model.
    """
    hips = jnp.asarray(skeleton.HIPS_44)
    return keypoints.replace(confidence=keypoints.confidence.at[..., hips].set(0.0))


@functools.partial(jax.jit, static_argnames="use_hips")
def keypoint_problem(
    model: FittingModel,
    context: Float[Array, "*b C"],
    betas: Float[Array, "*b S"],
    view: View,
    use_hips: bool = False,
) -> tuple[KeypointParams, KeypointData]:
    """Returns the unknowns at the start of fits, and what people are fitted to.

    Fits start at the mode. The context is projected here, once per image.

    Args: see `fit_keypoints`.
    """
    if model.detector is not None:
        # The body is moved to where this detector puts hips, so they count.
        keypoints = weighted_by_score(model.detector, view.keypoints)
    else:
        keypoints = view.keypoints if use_hips else without_hips(view.keypoints)
    start = KeypointParams(
        z=jnp.zeros((*betas.shape[:-1], POSE_FEATURES), betas.dtype),
        betas=betas,
        translation=view.camera.translation,
    )
    data = KeypointData(
        context=project_context(model.flow, context),
        keypoints=keypoints,
        focal_length=view.camera.focal_length,
        center=view.camera.center,
        image_side=view.image_side,
    )
    return start, data


def fit_keypoints(
    model: FittingModel,
    context: Float[Array, "B C"],
    betas: Float[Array, "B S"],
    view: View,
    use_hips: bool = False,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    slots: int | None = None,
) -> KeypointFit:
    """Returns people fitted to keypoints, each person alone, starting at the mode.

    Args:
      model: the folded flow and the body model that it was trained with.
      context: contexts of the images.
      betas: shape coefficients that the network predicts, where the fit starts.
      view: detections and the camera to start from; see `image_view` and `crop_view`.
      use_hips: False ignores the detected hips and pelvis, as the official default;
        where the model has a detector, its hips are always used.
      settings: when the solver stops.
      slots: number of people who are solved at a time, which is also the only compiled
        size; None solves all people at once.
    """
    problem = functools.partial(keypoint_problem, model, use_hips=use_hips)
    finish = functools.partial(fitted, model)
    objective = bind_keypoints(model)
    people = context, betas, view
    if slots is None:
        start, data = problem(*people)
        return finish(data, minimise_batch(objective, start, data, settings))
    start, data = map_batches(problem, people, slots)
    minimum = minimise_many(objective, start, data, settings, slots).minimum
    return map_batches(finish, (data, minimum), slots)


@jax.jit
def fitted(model: FittingModel, data: KeypointData, minimum: Minimum) -> KeypointFit:
    """Returns the bodies at the end of fits.

    Args:
      model: the folded flow and the body model.
      data: what people were fitted to.
      minimum: the minima of `keypoint_objective`.
    """
    params = minimum.params
    smpl, body = decode_body(model, params.z, params.betas, data.context)
    camera = Camera(params.translation, data.focal_length, data.center)
    return KeypointFit(smpl, body, camera, params.z, minimum)
