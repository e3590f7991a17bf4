"""Holds labels of many people as columns, and turns them into records.

The readers of annotation files make such tables.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from prohmr_jax.data.datasets.h36m_names import parse_photo
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.skeleton import BODY_25, BODY_25_SOURCE, JOINTS_44, SMPL_24

# Joints of OpenPose inside the body. The official code ignores their 3D labels, since
# they are at other places than the body model's. Nose, eyes, ears and feet remain.
_INNER_JOINTS = JOINTS_44.indices(
    *(
        name
        for name, source in zip(BODY_25.names, BODY_25_SOURCE, strict=True)
        if source < len(SMPL_24)
    )
)


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """Holds labels of N people without their photos.

    Frames and units are those of `PersonRecord`. Iteration yields one record per
    person.
    """

    names: np.ndarray
    """Names of the photos, [N], text."""
    box_centers: np.ndarray
    """Centres of the boxes, [N, 2], pixels."""
    box_sizes: np.ndarray
    """Sides of the boxes, [N], pixels."""
    keypoints_2d: np.ndarray
    """2D joints, [N, 44, 3], pixels and confidence."""
    keypoints_3d: np.ndarray
    """3D joints, [N, 44, 4], metres and confidence. Labels of OpenPose's joints inside
    the body do not get into records."""
    axis_angle: np.ndarray
    """Poses, [N, 24, 3], radians."""
    betas: np.ndarray
    """Shape coefficients, [N, 10]."""
    has_pose: np.ndarray
    """Whether the pose is labelled, [N], bool."""
    has_betas: np.ndarray
    """Whether the shape is labelled, [N], bool."""
    people: np.ndarray | None = None
    """Texts that are equal in all views of one person, [N]; None where the names of the
    photos tell it, as in Human3.6M, or nothing does."""

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self.names)

    def __iter__(self) -> Iterator[PersonRecord]:
        """Yields the record of each person, in order, without the photo."""
        for row, name in enumerate(map(str, self.names)):
            photo = parse_photo(name)
            person = photo.instant if photo else ""
            keypoints_3d = self.keypoints_3d[row].astype(np.float64)
            keypoints_3d[list(_INNER_JOINTS), 3] = 0.0
            yield PersonRecord(
                image=b"",
                name=name,
                box_center=self.box_centers[row].astype(np.float64),
                box_size=float(self.box_sizes[row]),
                keypoints_2d=self.keypoints_2d[row].astype(np.float64),
                keypoints_3d=keypoints_3d,
                axis_angle=self.axis_angle[row].astype(np.float64),
                betas=self.betas[row].astype(np.float64),
                has_pose=bool(self.has_pose[row]),
                has_betas=bool(self.has_betas[row]),
                action=photo.action if photo else "",
                person=person if self.people is None else str(self.people[row]),
            )
