"""Reads labelled skeletons of a dataset, such as Human3.6M, without its photos.

`modes.evaluate_lifting` calls it.
"""

import dataclasses

import jax
import numpy as np

from prohmr_jax.data.dataset_reader import (
    Source,
    dataset_builder,
    dataset_directory,
    open_split,
)
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.synthetic.skeleton_pairs import SkeletonPair, from_pelvis, h36m_17


@dataclasses.dataclass(frozen=True)
class LabelledSkeletons:
    """Holds the people of a dataset whose joints of H36M_17 are all labelled."""

    pairs: SkeletonPair
    """Labelled 2D joints and 3D joints, NumPy, leading axis P."""
    actions: np.ndarray
    """[P] str, the action of each person."""
    num_left_out: int
    """Number of other people, of whom a joint is not labelled."""


def read_labelled_skeletons(source: Source) -> LabelledSkeletons:
    """Returns the people of a dataset's split who can be measured.

    Args:
      source: the dataset and its split.

    Raises:
      InputError: there is no such dataset or split, or nobody has all joints.
    """
    directory = dataset_directory(source.directory)
    records = open_split(directory, dataset_builder(directory), source.split)
    xy, joints, actions = [], [], []
    for number in range(len(records)):
        record = records[number]
        two = h36m_17(np.asarray(record.keypoints_2d, np.float32))
        three = np.asarray(record.keypoints_3d, np.float32)
        if np.all(two[:, 2] > 0) and np.all(h36m_17(three)[:, 3] > 0):
            xy.append(two[:, :2])
            joints.append(from_pelvis(three[:, :3]))
            actions.append(record.action)
    if not actions:
        what = f"has nobody in split {source.split!r} with all joints of Human3.6M"
        raise InputError(directory, what)
    seen = Keypoints2D(np.stack(xy), np.ones(np.shape(xy)[:2], np.float32))
    keypoints, _ = in_box(seen)
    return LabelledSkeletons(
        pairs=SkeletonPair(jax.device_get(keypoints), np.stack(joints)),
        actions=np.array(actions),
        num_left_out=len(records) - len(actions),
    )
