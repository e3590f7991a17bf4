"""Defines the record that every dataset stores for a photographed person.

Records are written and read through tensorflow-datasets (ArrayRecord files, no
TensorFlow). Frames and joint order are those of `structs`; what a source does
differently is converted where the source is read, so that readers of records need not
know the source.
"""

import dataclasses
import io

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.skeleton import JOINTS_44, SMPL_24

_JOINTS = len(JOINTS_44)


@dataclasses.dataclass(frozen=True)
class PersonRecord:
    """Holds one person in one photo as NumPy arrays.

    What is not labelled is zero: the confidence of a keypoint is 0, and `has_pose` or
    `has_betas` is False.
    """

    image: bytes
    """JPEG or PNG file of the photo, or of a part of it."""
    name: str
    """Name of the photo relative to its dataset, which messages show."""
    box_center: np.ndarray
    """Centre of the box around the person, [2], (x, y), pixels of `image`."""
    box_size: float
    """Side of the square box around the person, pixels of `image`."""
    keypoints_2d: np.ndarray
    """2D joints, [44, 3]: x and y in pixels of `image`, and confidence; JOINTS_44."""
    keypoints_3d: np.ndarray
    """3D joints, [44, 4]: x, y and z in metres, camera axes, any origin, and
    confidence; JOINTS_44."""
    axis_angle: np.ndarray
    """Pose, [24, 3], axis-angles in radians; joint 0 turns body axes to camera axes."""
    betas: np.ndarray
    """Shape coefficients, [10]."""
    has_pose: bool
    """Whether the pose is labelled."""
    has_betas: bool
    """Whether the shape is labelled."""
    action: str = ""
    """Action in the photo; errors are averaged over actions."""
    person: str = ""
    """Text that all views of one person at one instant share; empty where there is only
    one view."""
    intrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 3)))
    """Intrinsic matrix of the photo's camera, [3, 3], pixels of `image`; zeros where it
    is not known."""
    extrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 4)))
    """Matrix [R | t] from world to camera, [3, 4], metres; zeros where it is not
    known."""


@dataclasses.dataclass(frozen=True)
class MocapArrays:
    """Holds M captured poses and shapes as NumPy arrays."""

    body_pose: np.ndarray
    """Poses without the root, [M, 69], axis-angles in radians."""
    betas: np.ndarray
    """Shape coefficients, [M, 10]."""


def record_features() -> tfds.features.FeaturesDict:
    """Returns the schema of a record on disk."""
    tensor = lambda *shape: tfds.features.Tensor(shape=shape, dtype=np.float32)  # noqa: E731
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "name": tfds.features.Text(),
            "box_center": tensor(2),
            "box_size": tensor(),
            "keypoints_2d": tensor(_JOINTS, 3),
            "keypoints_3d": tensor(_JOINTS, 4),
            "axis_angle": tensor(len(SMPL_24), 3),
            "betas": tensor(10),
            "has_pose": tfds.features.Scalar(dtype=np.bool_),
            "has_betas": tfds.features.Scalar(dtype=np.bool_),
            "action": tfds.features.Text(),
            "person": tfds.features.Text(),
            "intrinsics": tensor(3, 3),
            "extrinsics": tensor(3, 4),
        }
    )


def to_example(record: PersonRecord) -> dict:
    """Returns a record as tensorflow-datasets writes it; the image is kept as it is."""
    example = {
        field.name: getattr(record, field.name) for field in dataclasses.fields(record)
    }
    for name, value in example.items():
        if isinstance(value, np.ndarray):
            example[name] = value.astype(np.float32)
    return {
        **example,
        "image": io.BytesIO(record.image),
        "box_size": np.float32(record.box_size),
    }


def from_example(example: dict) -> PersonRecord:
    """Returns the record of an example, whose image has not been decoded.

    Args:
      example: field name -> value, read by tensorflow-datasets with `SkipDecoding` of
        the image.
    """
    text = {
        name: value.decode()
        for name, value in example.items()
        if isinstance(value, bytes) and name != "image"
    }
    return PersonRecord(**{**example, **text})
