"""Reads people to evaluate, measures them, and leaves out those who lack labels.

The modes that make the paper's tables call `score_people` with the people of a dataset
or of the open benchmark.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import numpy as np

from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.evaluated_joints import describe_missing, has_joints
from prohmr_jax.data.pipeline import evaluation_batches
from prohmr_jax.data.view_groups import view_batches
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.hypothesis_errors import JointErrors, People
from prohmr_jax.evaluation.open_benchmark import BenchmarkPeople
from prohmr_jax.evaluation.over_actions import person_keys
from prohmr_jax.fitting.keypoints import body_25_as_44
from prohmr_jax.geometry.boxes import confident
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec
from prohmr_jax.skeleton import BODY_25, JOINTS_44, JointSet
from prohmr_jax.structs import Crop, ImageBatch, Keypoints2D, Keypoints3D

Measure = Callable[[People, jax.Array, int], dict[str, JointErrors]]
"""Function of people, their random keys and the number of the first of them, which
returns errors by the name of the method."""

# A model of keypoints sees no photo, so that its crops need no detail.
_UNSEEN_CROP_PX = 8


class NobodyScored(InputError):
    """Says that nobody of a dataset has the labels that an evaluation needs."""


@dataclasses.dataclass(frozen=True)
class ScoredPeople:
    """Holds the errors of the P people, or views of people, who have the labels."""

    errors: dict[str, JointErrors]
    """Errors by the name of the method, NumPy arrays [P], millimetres."""
    actions: np.ndarray
    """Action of each person, [P], text; empty where the dataset has none."""
    person: np.ndarray
    """Number of the person of each row, [P]: rows of one number are views of one."""
    num_read: int
    """Number of people who were read, with and without labels."""
    left_out: str
    """Why the others were left out, counted per cause; empty if nobody was."""


def dataset_people(
    source: Source, spec: ModelSpec, batch_size: int, num_people: int | None = None
) -> Iterator[tuple[People, list[str]]]:
    """Yields the people of a dataset, and the actions of those who are no padding.

    A model of photos sees the crops. A model of keypoints sees the labelled keypoints
    of BODY_25 instead.

    Args:
      source: split of a dataset.
      spec: what the model is.
      batch_size: number of rows of every batch; the last one is filled up.
      num_people: number of people, evenly spread over the dataset; None for all.

    Raises:
      InputError: the dataset cannot be used.
    """
    side = _UNSEEN_CROP_PX if spec.encoder == KEYPOINTS else spec.input_size
    for batch, actions in evaluation_batches(source, batch_size, side, num_people):
        yield _people(batch, spec), actions


def dataset_views(
    source: Source, spec: ModelSpec, batch_size: int, num_people: int | None = None
) -> Iterator[tuple[People, list[str]]]:
    """Yields people of a dataset with all their views, like `dataset_people`.

    Args:
      source: split of a dataset.
      spec: what the model is.
      batch_size: number of people of every batch, whose views are consecutive rows.
      num_people: number of people, evenly spread over the dataset; None for all.

    Raises:
      InputError: the dataset cannot be used.
    """
    side = _UNSEEN_CROP_PX if spec.encoder == KEYPOINTS else spec.input_size
    batches = view_batches(source, batch_size, side, num_people)
    for batch, actions, num_views in batches:
        yield _people(batch, spec).replace(num_views=num_views), actions


def _people(batch: ImageBatch, spec: ModelSpec) -> People:
    return People(
        encoder_input=_encoder_input(batch, spec),
        truth=batch.keypoints_3d,
        keypoints=batch.keypoints_2d,
    )


def _encoder_input(batch: ImageBatch, spec: ModelSpec) -> Keypoints2D | Crop:
    if spec.encoder != KEYPOINTS:
        return Crop(batch.image, batch.box)
    body = np.array(BODY_25.positions_in(JOINTS_44))
    return jax.tree.map(lambda a: a[:, body], batch.keypoints_2d)


def benchmark_people(
    benchmark: BenchmarkPeople,
    part: str,
    condition: str,
    batch_size: int,
    num_people: int | None = None,
) -> Iterator[tuple[People, list[str]]]:
    """Yields the people of a part of the open benchmark, like `dataset_people`.

    Args:
      benchmark: the benchmark.
      part: name of the part.
      condition: name of the condition under which the model gets the keypoints.
      batch_size: number of rows of every batch; the last one is filled up.
      num_people: number of people, evenly spread over the part; None for all.
    """
    number = benchmark.conditions.index(condition)
    members = np.flatnonzero(np.array(benchmark.parts) == part)
    count = min(num_people or len(members), len(members))
    members = members[np.linspace(0, len(members) - 1, count).round().astype(int)]
    joints = benchmark.body.joints
    truth = Keypoints3D(joints, np.ones(joints.shape[:2], np.float32))
    keypoints = jax.tree.map(lambda a: a[number], benchmark.keypoints)
    people = People(keypoints, truth, body_25_as_44(keypoints))
    for start in range(0, len(members), batch_size):
        rows = members[start : start + batch_size]
        actions = [benchmark.actions[row] for row in rows]
        rows = np.append(rows, np.full(batch_size - len(rows), rows[-1]))
        yield jax.tree.map(lambda a, rows=rows: a[rows], people), actions


def score_people(
    name: str | os.PathLike,
    batches: Iterable[tuple[People, Sequence[str]]],
    joint_set: JointSet,
    measure: Measure,
    seed: int,
    are_fitted: bool = False,
) -> ScoredPeople:
    """Returns the errors of all people who have the labels that are needed.

    The random numbers of a person depend on the seed and the person's number alone.

    Args:
      name: name of the data, for errors.
      batches: people, and the actions of those who are no padding.
      joint_set: joints of the protocol; these and the pelvis have to be labelled.
      measure: function that measures a batch.
      seed: seed of the samples.
      are_fitted: whether people without a keypoint to fit to are left out as well.

    Raises:
      NobodyScored: nobody can be scored; the message counts the causes.
    """
    parts, actions, confidence, is_seen, has_keypoints = [], [], [], [], []
    person: list[int] = []
    for people, names in batches:
        keys = person_keys(seed, len(actions), len(people.truth.confidence))
        errors = measure(people, keys, len(actions))
        real = len(names)
        parts.append({n: _rows(e, real) for n, e in errors.items()})
        confidence.append(np.asarray(people.truth.confidence)[:real])
        is_seen.append(_is_seen(people.encoder_input, real))
        has_keypoints.append(_has_keypoints(people, real) | (not are_fitted))
        first = person[-1] + 1 if person else 0
        person += [first + row // people.num_views for row in range(real)]
        actions += names
    if not actions:
        raise NobodyScored(name, "there is nobody")
    confidence, is_seen = np.concatenate(confidence), np.concatenate(is_seen)
    has_keypoints = np.concatenate(has_keypoints)
    kept = has_joints(confidence, joint_set) & is_seen & has_keypoints
    causes = [describe_missing(confidence, joint_set)]
    if not is_seen.all():
        causes.append(f"{np.sum(~is_seen)} have no 2D keypoint of BODY_25 to see")
    if not has_keypoints.all():
        causes.append(f"{np.sum(~has_keypoints)} have no 2D keypoint to fit to")
    left_out = ", ".join(filter(None, causes))
    if not kept.any():
        who = f"none of {len(kept)} people can be scored on {joint_set.label}"
        raise NobodyScored(name, f"{who}: {left_out}")
    return ScoredPeople(
        errors={
            method: jax.tree.map(
                lambda *a: np.concatenate(a)[kept], *(part[method] for part in parts)
            )
            for method in parts[0]
        },
        actions=np.array(actions)[kept],
        person=np.array(person)[kept],
        num_read=len(kept),
        left_out=left_out,
    )


def _rows(errors: JointErrors, count: int) -> JointErrors:
    return jax.tree.map(lambda a: np.asarray(a)[:count], errors)


def _is_seen(encoder_input: Keypoints2D | Crop, count: int) -> np.ndarray:
    """Returns whether the encoder sees something of each person."""
    if isinstance(encoder_input, Crop):
        return np.ones(count, bool)
    return np.asarray(confident(encoder_input)).any(axis=-1)[:count]


def _has_keypoints(people: People, count: int) -> np.ndarray:
    """Returns whether there is a keypoint to fit each person to."""
    if people.keypoints is None:
        return np.zeros(count, bool)
    return (np.asarray(people.keypoints.confidence) > 0).any(axis=-1)[:count]
