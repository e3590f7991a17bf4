"""Holds people whose bodies can be shown, whichever mode they are results of.

`readers` makes them, and `scene` poses their bodies. Everybody is in the axes of a
camera, x right and y down.
"""

import dataclasses
from pathlib import Path

import numpy as np

FIT, MODE, SAMPLE, VIEW = "fit", "mode", "sample", "view"
"""Kinds of bodies: fitted, the mode, a sample, and the mode of one of several views."""


@dataclasses.dataclass(frozen=True)
class ShownBodies:
    """Holds one body of a person in each of F frames; a picture is one frame."""

    kind: str
    """`FIT`, `MODE`, `SAMPLE`, or `VIEW` for the mode of one view."""
    label: str
    """What the body is, in words."""
    rotmats: np.ndarray
    """Rotations relative to the parents, [F, 24, 3, 3]; the root turns body axes to
    camera axes."""
    betas: np.ndarray
    """Shape coefficients, [F, S]."""
    translation: np.ndarray
    """Translation in front of the camera, [F, 3], metres."""
    log_prob: float = float("nan")
    """Natural log-density of the pose; NaN where it is not known or there are several
    frames."""


@dataclasses.dataclass(frozen=True)
class ShownCamera:
    """Holds a camera: x_camera = rotation x + translation, and pixels."""

    name: str
    """Name of the camera, or of what it sees."""
    rotation: np.ndarray
    """Rotation from the axes that bodies are in to camera axes, [3, 3]."""
    translation: np.ndarray
    """Translation of the camera, [3], metres, camera axes."""
    intrinsics: np.ndarray
    """Matrix K [3, 3], pixels."""
    image_size_px: np.ndarray
    """(width, height) of the picture, pixels; zeros where it is not known."""


@dataclasses.dataclass(frozen=True)
class ShownPerson:
    """Holds what is shown of one person; the first bodies are the answer."""

    name: str
    """Name of the person."""
    verdict: str | None
    """Why the answer is implausible; empty if it is plausible; None if nobody judged
    it."""
    bodies: tuple[ShownBodies, ...]
    """Answer, then what it is compared with: the mode, samples, or modes of views."""
    frames: np.ndarray
    """Numbers of the frames, [F], ascending."""
    body: str = ""
    """Name of the body model that the bodies are of; empty if it is not stated."""
    body_sha256: str = ""
    """SHA-256 of its arrays, `tree_sha256`; empty if it is not stated."""
    cameras: tuple[ShownCamera, ...] = ()
    """Cameras, the first with the axes that the bodies are in."""
    pictures: tuple[Path, ...] = ()
    """Pictures that were written of the person."""
    vertex_spread: np.ndarray | None = None
    """Spread of the samples at each vertex, [V], metres; None if it is not known."""
    joint_spread: np.ndarray | None = None
    """Spread of the samples of the joints (JOINTS_44), [44], metres; None without."""
    confidence: np.ndarray | None = None
    """Confidence of the keypoints (BODY_25), [25], in [0, 1]; None without."""

    def of_kind(self, *kinds: str) -> list[ShownBodies]:
        """Returns the bodies of some kinds, in order."""
        return [bodies for bodies in self.bodies if bodies.kind in kinds]
