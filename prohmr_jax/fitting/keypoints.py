"""Fits bodies to detected keypoints under the image's own distribution (Eq. 11).

  view = image_view(keypoints_px, weak_camera, box, image_size, focal_length)
  fit = fit_keypoints(model, context, betas, view)

Each person is solved alone: what comes out does not depend on who else is fitted.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
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
    """Detections and the camera that a fit starts from, in pixels of one frame."""

    keypoints: Keypoints2D
    """JOINTS_44."""
    camera: Camera
    image_side: Float[Array, "*b"]
    """The larger side of that frame."""


@struct.dataclass
class KeypointFit:
    """B fitted people."""

    smpl: SmplParams
    body: Body
    """Joints, metres, camera axes; `camera.translation` places them."""
    camera: Camera
    """Pixels."""
    z: Float[Array, "*b 144"]
    minimum: Minimum
    """Loss, steps, evaluations and why each fit ended."""


def image_view(
    keypoints_px: Keypoints2D,
    weak: WeakCamera,
    box: Box,
    image_size: Float[Array, "*b 2"],
    focal_length: Float[Array, "*b 2"] | float = cameras.FOCAL_LENGTH_PX,
    center: Float[Array, "*b 2"] | None = None,
) -> View:
    """Returns the fit's view of whole images.

    The data term is relative to the image's larger side: a person who is small in a
    large photo weighs little (as officially); `crop_view` does not depend on that.

    Args:
      keypoints_px: JOINTS_44, image pixels.
      weak: the network's camera.
      box: where the crop was taken.
      image_size: (width, height), pixels.
      focal_length: of the true camera, pixels, or the official constant.
      center: principal point, pixels; None: the image's middle, as officially.
    """
    twice = image_size if center is None else 2.0 * center
    camera = cameras.image_camera(weak, box, twice, focal_length)
    return View(keypoints_px, camera, jnp.max(image_size, axis=-1))


def crop_view(keypoints: Keypoints2D, weak: WeakCamera) -> View:
    """Returns the fit's view of crops, in pixels of the network's input.

    Args:
      keypoints: JOINTS_44, crop units.
      weak: the network's camera.
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

    Annotators and detectors place these elsewhere than the body model does.
    """
    hips = jnp.asarray(skeleton.HIPS_44)
    return keypoints.replace(confidence=keypoints.confidence.at[..., hips].set(0.0))


@functools.partial(jax.jit, static_argnames="use_hips")
def keypoint_problem(
    model: FittingModel,
    context: Float[Array, "B C"],
    betas: Float[Array, "B S"],
    view: View,
    use_hips: bool = False,
) -> tuple[KeypointParams, KeypointData]:
    """Returns where fits start (the mode) and what they are fitted to.

    The context is projected here, once per image.
    """
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
    """Returns people fitted to keypoints, each alone, from the mode.

    Args:
      model: prepared flow, and the body it was trained on.
      context: conditioning vectors.
      betas: shape that the network predicts, where the fit starts.
      view: detections and first camera; `image_view` or `crop_view`.
      use_hips: False leaves the detected hips and pelvis out, as the official default.
      settings: of the optimiser.
      slots: None solves all people at once; a number solves that many at a time, and
        compiles nothing for any other number of people.
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
    """Returns the bodies at the end of fits."""
    found = minimum.params
    smpl, body = decode_body(model, found.z, found.betas, data.context)
    camera = Camera(found.translation, data.focal_length, data.center)
    return KeypointFit(smpl, body, camera, found.z, minimum)
