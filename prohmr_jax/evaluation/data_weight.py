"""Measures how much a fit should trust keypoints beside the model's distribution.

A fit minimises w E + 16 |z|^2 plus a shape prior, where E is the data term (Eq. 11). It
is a posterior: up to a constant, exp(-w E / 32) times the model's density. The model
has already seen the same keypoints as its input, so the best weight w is not known from
the detector's noise alone. It is the one under which the true pose is most likely; the
mode "choose_data_weight" computes that likelihood for many people and weights.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.evaluation.keypoint_errors import people_shown
from prohmr_jax.fitting.keypoints import body_25_as_44, crop_view, without_hips
from prohmr_jax.fitting.objectives import (
    GMOF_SIGMA_PX,
    KEYPOINT_LATENT_WEIGHT,
    reprojection,
)
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.geometry.cameras import project
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.structs import Camera, Keypoints2D

_PLACING_STEPS = 8


def log_likelihood_gain(
    truth_energy: Float[Array, "*b"],
    samples_energy: Float[Array, "*b N"],
    weights: Float[Array, " W"],
) -> Float[Array, "*b W"]:
    """Returns how much likelier the truth is under posteriors than under the model.

    The posterior of weight w is the model's density times exp(-w E / 32), normalised;
    32 is twice the weight of |z|^2 in Eq. 11. The gain is
    -w E(truth) / 32 - ln mean_n exp(-w E(sample n) / 32), in nats, where the mean over
    samples of the model estimates the normalisation. It is 0 at w = 0.

    Args:
      truth_energy: data term of the true pose.
      samples_energy: data terms of N samples of the model.
      weights: the weights w of the data term.
    """
    scale = weights / (2.0 * KEYPOINT_LATENT_WEIGHT)
    exponents = -scale * samples_energy[..., :, None]
    log_count = jnp.log(samples_energy.shape[-1])
    normalisation = jax.nn.logsumexp(exponents, axis=-2) - log_count
    return -scale * truth_energy[..., None] - normalisation


def placed_energy(
    joints: Float[Array, "*b 44 3"],
    keypoints: Keypoints2D,
    camera: Camera,
    image_side: Float[Array, "*b"],
) -> Float[Array, "*b"]:
    """Returns the data term of bodies where it is least over their translation.

    The translation is found by Gauss-Newton steps on iteratively reweighted squares
    from the camera's own; the least value on the way counts.

    Args:
      joints: metres, camera axes, before the camera's translation.
      keypoints: detections of the same joints, pixels.
      camera: camera of the image, pixels, with the translation to start from.
      image_side: larger side of the image, pixels.
    """

    def residual(translation, joints, keypoints, camera):
        moved = camera.replace(translation=translation)
        difference = project(joints, moved) - keypoints.xy
        return jnp.where(keypoints.confidence[..., None] > 0, difference, 0.0)

    jacobian = jnp.vectorize(
        lambda t, j, xy, c, f, p: jax.jacfwd(residual)(
            t, j, Keypoints2D(xy, c), Camera(t, f, p)
        ),
        signature="(3),(j,3),(j,2),(j),(2),(2)->(j,2,3)",
    )

    def step(translation, _):
        moved = camera.replace(translation=translation)
        distance = residual(translation, joints, keypoints, camera)
        slope = jacobian(
            translation, joints, keypoints.xy, keypoints.confidence,
            camera.focal_length, camera.center,
        )  # fmt: skip
        robust = (GMOF_SIGMA_PX**2 / (GMOF_SIGMA_PX**2 + distance**2)) ** 2
        weight = keypoints.confidence[..., None] ** 2 * robust
        weighted = weight[..., None] * slope
        matrix = jnp.sum(weighted[..., :, None] * slope[..., None, :], axis=(-4, -3))
        gradient = jnp.sum(weighted * distance[..., None], axis=(-3, -2))
        # A little of the diagonal keeps people with one keypoint where they were.
        damping = 1e-6 * jnp.trace(matrix, axis1=-2, axis2=-1) + 1e-12
        matrix = matrix + damping[..., None, None] * jnp.eye(3)
        change = jnp.linalg.solve(matrix, gradient[..., None])[..., 0]
        energy = reprojection(joints, keypoints, moved, image_side)
        return translation - change, energy

    start = jnp.broadcast_to(camera.translation, (*joints.shape[:-2], 3))
    _, energies = jax.lax.scan(step, start, None, length=_PLACING_STEPS)
    return jnp.min(energies, axis=0)


def make_gain(
    model: PreparedProHMR,
    body: BodyModel,
    condition: Callable,
    weights: Float[Array, " W"],
    num_samples: int,
) -> Callable[[Float[Array, "B 24 3"], jax.Array], Float[Array, "B W"]]:
    """Returns the compiled `(poses, keys) -> gains`; see `log_likelihood_gain`.

    Poses are axis-angle, radians, with keys [B]. The truth is shown with its own shape,
    the samples with the shape that the model predicts; both are placed by
    `placed_energy` in front of the crop's camera.

    Args:
      model: prepared weights of a keypoint model.
      body: the body that the weights were trained on.
      condition: one of `keypoint_errors.CONDITIONS`.
      weights: weights of the data term, relative to the published one.
      num_samples: number of samples per person.
    """
    show = people_shown(condition)

    def gain(poses, keys):
        keys = jax.vmap(jax.random.split)(keys)
        truth, _, keypoints = show(keys[:, 0], poses, body)
        return _gain(
            model, body, truth.joints, keypoints, keys[:, 1], weights, num_samples
        )

    return gain


# Weights are arguments: as constants of the program they would be folded for minutes.
@functools.partial(jax.jit, static_argnames="num_samples")
def _gain(model, body, truth_joints, keypoints, keys, weights, num_samples):
    """Returns the gains [B, W] of people with these joints and detections."""
    prediction = predict(model, body, keypoints, keys, 1 + num_samples)
    in_crop = body_25_as_44(in_box(keypoints)[0])
    view = crop_view(without_hips(in_crop), prediction.hypotheses.camera)
    joints = [truth_joints[:, None], prediction.body.joints[:, 1:]]
    view = jax.tree.map(lambda a: a[:, None], view)
    energy = placed_energy(
        jnp.concatenate(joints, axis=1), view.keypoints, view.camera, view.image_side
    )
    return log_likelihood_gain(energy[:, 0], energy[:, 1:], weights)
