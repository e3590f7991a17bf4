"""A photographed person as every dataset stores it: one record, one schema.

Records are written and read through tensorflow-datasets (ArrayRecord files, no
TensorFlow). Frames and joint order are those of `structs`; whatever a source does
differently is mended where it is read, so that nothing behind this knows of sources.
"""

import dataclasses
import io

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.skeleton import JOINTS_44, SMPL_24

_JOINTS = len(JOINTS_44)


@dataclasses.dataclass(frozen=True)
class PersonRecord:
    """One person in one photo, NumPy; what is not labelled is zero and marked so."""

    image: bytes
    """The photo, or a part of it, as a JPEG or PNG file."""
    name: str
    """Of the photo, relative to its dataset; what messages name."""
    box_center: np.ndarray
    """[2], (x, y), pixels of `image`."""
    box_size: float
    """Side of the square around the person, pixels of `image`."""
    keypoints_2d: np.ndarray
    """[44, 3]: x, y in pixels of `image`, confidence."""
    keypoints_3d: np.ndarray
    """[44, 4]: x, y, z in metres, camera axes, any origin; confidence."""
    axis_angle: np.ndarray
    """[24, 3], radians; joint 0 turns body axes to camera axes."""
    betas: np.ndarray
    """[10]."""
    has_pose: bool
    has_betas: bool
    action: str = ""
    """Errors are averaged over these."""
    person: str = ""
    """The same in every view of one person at one instant; empty: seen once."""
    intrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 3)))
    """K of the photo's camera, pixels of `image`; zeros where it is not known."""
    extrinsics: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((3, 4)))
    """[R | t], world to camera, metres; zeros where they are not known."""


@dataclasses.dataclass(frozen=True)
class MocapArrays:
    """Real poses and shapes, NumPy."""

    body_pose: np.ndarray
    """[M, 69], axis-angles, radians."""
    betas: np.ndarray
    """[M, 10]."""


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
    """Returns a record as tensorflow-datasets takes it; the image is not re-encoded."""
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
    """Returns the record of an example that was read with `SkipDecoding`."""
    text = {
        name: value.decode()
        for name, value in example.items()
        if isinstance(value, bytes) and name != "image"
    }
    return PersonRecord(**{**example, **text})
