"""Labels of many people as columns, and the records that they are."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from prohmr_jax.data.datasets.h36m_names import parse_photo
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.skeleton import BODY_25, BODY_25_SOURCE, JOINTS_44, SMPL_24

# OpenPose's joints inside the body, of which the official code takes no 3D labels: they
# are at other places than the body model's. The nose, eyes, ears and feet remain.
_INNER_JOINTS = JOINTS_44.indices(
    *(
        name
        for name, source in zip(BODY_25.names, BODY_25_SOURCE, strict=True)
        if source < len(SMPL_24)
    )
)


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """Labels of N people without their photos; frames and units as in records."""

    names: np.ndarray
    """[N], text, of the photos."""
    box_centers: np.ndarray
    """[N, 2]."""
    box_sizes: np.ndarray
    """[N]."""
    keypoints_2d: np.ndarray
    """[N, 44, 3]."""
    keypoints_3d: np.ndarray
    """[N, 44, 4]; labels of joints inside the body are not used, see above."""
    axis_angle: np.ndarray
    """[N, 24, 3]."""
    betas: np.ndarray
    """[N, 10]."""
    has_pose: np.ndarray
    """[N], bool."""
    has_betas: np.ndarray
    """[N], bool."""
    people: np.ndarray | None = None
    """[N], text, equal in views of one person; None: known by Human3.6M's names."""

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self.names)

    def __iter__(self) -> Iterator[PersonRecord]:
        """Yields one record after the other."""
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
