"""Errors of people seen in images: per person, then means over actions."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.evaluation.body_errors import Errors, body_errors, h36m_14, smpl_24
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.structs import Body, Crop, ImageBatch


@struct.dataclass
class ImagePersonErrors:
    """All that is measured of people in images."""

    h36m_14: Errors
    smpl_24: Errors
    mode_error_2d: Float[Array, " B"]
    """Mean distance of projected from labelled joints, percent of the box."""
    samples_error_2d: Float[Array, " B"]
    counts: Float[Array, " B"]
    """1 where all joints of H36M-14 and the pose are labelled, else 0."""


@functools.partial(jax.jit, static_argnames="num_hypotheses")
def measure(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    batch: ImageBatch,
    key: jax.Array,
    num_hypotheses: int,
) -> ImagePersonErrors:
    """Returns errors of a batch; the mode and `num_hypotheses - 1` draws of each."""
    crop = Crop(batch.image, batch.box)
    found = predict(model, body, crop, key, num_hypotheses)
    posed = body_joints(body, batch.smpl)
    truth = Body(batch.keypoints_3d.xyz, posed.kinematic_joints)
    seen = batch.keypoints_2d.confidence[:, None]
    distance = jnp.linalg.norm(
        found.joints_2d - batch.keypoints_2d.xy[:, None], axis=-1
    )
    distance = 100.0 * jnp.sum(seen * distance, axis=-1)
    distance = distance / jnp.maximum(jnp.sum(seen, axis=-1), 1.0)
    listed = skeleton.EVAL_H36M_14.positions_in(skeleton.JOINTS_44)
    labelled = jnp.all(batch.keypoints_3d.confidence[:, listed] > 0, axis=-1)
    return ImagePersonErrors(
        h36m_14=body_errors(found.body, truth, baseline, h36m_14),
        smpl_24=body_errors(found.body, truth, baseline, smpl_24),
        mode_error_2d=distance[:, 0],
        samples_error_2d=jnp.mean(distance[:, 1:], axis=1),
        counts=labelled * batch.has_pose,
    )


@dataclasses.dataclass(frozen=True)
class ImageScores:
    """Means over people of each action, then over actions (macro)."""

    means: ImagePersonErrors
    num_people: int
    num_actions: int
    left_out: int
    """People without the labels that are needed."""


def score(
    model: PreparedProHMR,
    body: BodyModel,
    baseline: Body,
    batches: Iterable[tuple[ImageBatch, Sequence[str]]],
    num_samples: int,
    seed: int,
) -> ImageScores:
    """Returns the scores of a model.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      baseline: what an answer that ignores the image is; see `body_errors.mean_body`.
      batches: crops with the actions of those that are people; padding has none.
      num_samples: N of best-of-N, the mode not counted.
      seed: of the samples.
    """
    people, actions = [], []
    for number, (batch, names) in enumerate(batches):
        key = jax.random.fold_in(jax.random.key(seed), number)
        errors = measure(model, body, baseline, batch, key, 1 + num_samples)
        real = len(names)
        people.append(jax.tree.map(lambda a, n=real: np.asarray(a)[:n], errors))
        actions += names
    errors = jax.tree.map(lambda *a: np.concatenate(a), *people)
    kept = errors.counts > 0
    groups = [kept & (np.array(actions) == name) for name in sorted(set(actions))]
    groups = [group for group in groups if group.any()]
    macro = lambda a: float(np.mean([a[g].mean() for g in groups] or [np.nan]))  # noqa: E731
    return ImageScores(
        means=jax.tree.map(macro, errors),
        num_people=int(kept.sum()),
        num_actions=len(groups),
        left_out=int(np.sum(~kept)),
    )
