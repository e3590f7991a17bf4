"""Counts what the people of a new dataset have labels for.

`builder` counts while it writes, and `tools/make_dataset.py` prints the counts, so that
whoever makes a dataset knows at once which evaluations it serves.
"""

import dataclasses

import numpy as np

from prohmr_jax.data.evaluated_joints import EVALUATED_JOINTS, has_joints
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.skeleton import BODY_25, JOINTS_44


@dataclasses.dataclass
class LabelCounts:
    """Counts the people of a split, and those who have labels of each kind."""

    people: int = 0
    """Number of people."""
    joints: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(EVALUATED_JOINTS, 0)
    )
    """Number of people who have all 3D joints of a list of `EVALUATED_JOINTS`."""
    poses: int = 0
    """Number of people with a pose."""
    keypoints: int = 0
    """Number of people with a 2D keypoint of BODY_25."""
    views: int = 0
    """Number of people whose record says which views show the same person."""

    def add(self, record: PersonRecord) -> None:
        """Counts a person."""
        body = list(BODY_25.positions_in(JOINTS_44))
        for name, joints in EVALUATED_JOINTS.items():
            self.joints[name] += int(has_joints(record.keypoints_3d[:, 3], joints))
        self.people += 1
        self.poses += bool(record.has_pose)
        self.keypoints += bool(np.any(record.keypoints_2d[body, 2] > 0))
        self.views += bool(record.person)

    def describe(self) -> str:
        """Returns the counts as sentences."""
        text = f"{self.people} people: " + ", ".join(
            f"{count} have all 3D joints of {name}"
            for name, count in self.joints.items()
        )
        text += (
            f", {self.poses} a pose, {self.keypoints} 2D keypoints of BODY_25, "
            f"{self.views} a name that views share"
        )
        if not any(self.joints.values()):
            text += "; no evaluation can score anybody, because errors need 3D joints"
        return text
