"""Computes the errors of people seen in images: by person, then means over actions.

The modes that train and evaluate image models call `score`.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.data.evaluated_joints import describe_missing, has_joints
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import Errors, body_errors, h36m_14, smpl_24
from prohmr_jax.evaluation.over_actions import mean_over_actions, person_keys
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.skeleton import EVAL_H36M_14
from prohmr_jax.structs import Body, Crop, ImageBatch


@struct.dataclass
class ImagePersonErrors:
    """Holds the errors of B people in images; in `ImageScores`, their means."""

    h36m_14: Errors
    """Errors of the joints of H36M-14, mm."""
    smpl_24: Errors
    """Errors of SMPL's own joints, mm."""
    mode_error_2d: Float[Array, " B"]
    """Mean distance of the mode's projected joints from the labelled ones, percent of
    the box's side."""
    samples_error_2d: Float[Array, " B"]
    """Mean of the same distance over the samples."""


@functools.partial(jax.jit, static_argnames="num_samples")
def measure(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    batch: ImageBatch,
    keys: jax.Array,
    num_samples: int,
) -> ImagePersonErrors:
    """Returns the errors of a batch of people, by the mode and samples of each.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      baseline: body that an answer which ignores the image gives everybody, without
        leading axes.
      batch: crops and labels, leading axis B.
      keys: random key of each person's samples, [B].
      num_samples: number of samples per person, without the mode.
    """
    crop = Crop(batch.image, batch.box)
    predicted = predict(model, body, crop, keys, 1 + num_samples)
    posed = body_joints(body, batch.smpl)
    truth = Body(batch.keypoints_3d.xyz, posed.kinematic_joints)
    seen = batch.keypoints_2d.confidence[:, None]
    distance = jnp.linalg.norm(
        predicted.joints_2d - batch.keypoints_2d.xy[:, None], axis=-1
    )
    distance = 100.0 * jnp.sum(seen * distance, axis=-1)
    distance = distance / jnp.maximum(jnp.sum(seen, axis=-1), 1.0)
    counts = (num_samples,)
    return ImagePersonErrors(
        h36m_14=body_errors(predicted.body, truth, baseline, h36m_14, counts),
        smpl_24=body_errors(predicted.body, truth, baseline, smpl_24, counts),
        mode_error_2d=distance[:, 0],
        samples_error_2d=jnp.mean(distance[:, 1:], axis=1),
    )


@dataclasses.dataclass(frozen=True)
class ImageScores:
    """Holds the errors of a model on a dataset."""

    means: ImagePersonErrors
    """Means of the errors over the people of each action, then over actions."""
    num_people: int
    """Number of people with labelled joints, whose errors were computed."""
    num_actions: int
    """Number of actions of these people."""
    num_posed: int
    """Number of people with a labelled pose, whose joints of SMPL count; where it is 0,
    these means are NaN."""
    left_out: str
    """How many people lack which labels; empty if nobody does."""


def score(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    batches: Iterable[tuple[ImageBatch, Sequence[str]]],
    num_samples: int,
    seed: int,
    name: str = "dataset",
) -> ImageScores:
    """Returns the errors of a model on a dataset.

    Joints of H36M-14 and projected joints are measured where these joints and the
    pelvis are labelled, and SMPL's own joints where the pose is labelled.

    The random numbers of a person depend on the seed and the person's number alone, so
    that the errors do not depend on the batch size.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      baseline: body that an answer which ignores the image gives everybody; see
        `body_errors.mean_body`.
      batches: crops and labels, with the actions of the people; rows beyond them are
        padding.
      num_samples: number N of samples of which the best is taken, without the mode.
      seed: seed of the samples.
      name: name of the dataset, for the error.

    Raises:
      InputError: nobody has the labels of H36M-14; the message counts what is missing.
    """
    people, actions, confidence, has_pose = [], [], [], []
    for batch, names in batches:
        # A person's number among all people gives the key, whatever the batches are.
        keys = person_keys(seed, len(actions), len(batch.has_pose))
        errors = measure(model, body, baseline, batch, keys, num_samples)
        real = len(names)
        confidence.append(np.asarray(batch.keypoints_3d.confidence)[:real])
        has_pose.append(np.asarray(batch.has_pose)[:real] > 0)
        people.append(jax.tree.map(lambda a, n=real: np.asarray(a)[:n], errors))
        actions += names
    if not actions:
        raise InputError(name, "there is nobody whose photo can be read")
    errors = jax.tree.map(lambda *a: np.concatenate(a), *people)
    confidence, has_pose = np.concatenate(confidence), np.concatenate(has_pose)
    kept = has_joints(confidence, EVAL_H36M_14)
    missing = describe_missing(confidence, EVAL_H36M_14)
    if not kept.any():
        raise InputError(name, f"none of {len(kept)} people can be scored: {missing}")
    without_pose = f"{np.sum(~has_pose)} have no pose" if not has_pose.all() else ""
    return ImageScores(
        means=mean_over_actions(errors, actions, kept).replace(
            smpl_24=mean_over_actions(errors.smpl_24, actions, has_pose)
        ),
        num_people=int(kept.sum()),
        num_actions=len(set(np.asarray(actions)[kept])),
        num_posed=int(has_pose.sum()),
        left_out=", ".join(filter(None, (missing, without_pose))),
    )
