"""Draws people over the pictures of a video; the mode "video" writes them as MP4."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.bulk_fitting.before_after import PlacedBody, placed_vertices
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.files.videos import Video
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.rendering.side_view import SideView
from prohmr_jax.rendering.video_pictures import DrawnPerson, frame_picture
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.solver.slots import map_batches

# Frames whose meshes are in memory at a time, and meshes that are computed at a time.
_FRAMES = 16
_MESHES = 16
# Width of the view from the side over its height.
_SIDE_ASPECT = 0.9


@dataclasses.dataclass(frozen=True)
class VideoPerson:
    """Holds what is drawn of one person in F frames, NumPy."""

    number: int
    """Number of the person."""
    frame: np.ndarray
    """Numbers of the frames, [F]."""
    placed: PlacedBody
    """Bodies, leading axis F."""
    joints: np.ndarray
    """Joints (JOINTS_44), [F, 44, 3], metres, camera frame."""
    measured: np.ndarray
    """Whether the person was detected, [F]."""
    plausible: np.ndarray
    """Whether the bodies are plausible, [F]."""
    keypoints: np.ndarray
    """Keypoints (BODY_25), [F, 25, 2], pixels."""
    confidence: np.ndarray
    """Confidences of the keypoints, [F, 25]."""

    @classmethod
    def of_columns(cls, number: int, columns: Columns) -> "VideoPerson":
        """Returns what is drawn of a person.

        Args:
          number: number of the person.
          columns: columns of the person's `VideoTable`.
        """
        detected = slice(len(BODY_25))
        confidence = columns["keypoint_confidence"][:, detected]
        translation = columns["fit_translation"]
        return cls(
            number=number,
            frame=columns["frame"],
            placed=PlacedBody(
                columns["fit_pose_axis_angle"], columns["fit_betas"], translation
            ),
            joints=columns["fit_joints"] + translation[:, None],
            measured=columns["measured"] > 0,
            plausible=columns["fit_plausible"] > 0,
            keypoints=columns["keypoints_px"][:, detected],
            confidence=np.where(confidence > MIN_CONFIDENCE, confidence, 0.0),
        )

    def describe(self) -> str:
        """Returns when the person is seen, in words."""
        gaps, bad = int((~self.measured).sum()), int((~self.plausible).sum())
        return (
            f"frames {self.frame[0]} to {self.frame[-1]}, {gaps} of them filled in, "
            f"{bad} implausible"
        )


def video_pictures(
    video: Video,
    body: BodyModel,
    intrinsics: np.ndarray,
    people: Sequence[VideoPerson],
    *,
    height_px: int,
    with_keypoints: bool,
) -> Iterator[np.ndarray]:
    """Yields the pictures of all frames, RGB uint8 [h, w, 3].

    Args:
      video: the video.
      body: body model of the people.
      intrinsics: matrix K of the camera, [3, 3], pixels.
      people: the people.
      height_px: height of the pictures, pixels.
      with_keypoints: whether detected keypoints are drawn.
    """
    view = Perspective(
        tuple(np.diagonal(intrinsics)[:2].tolist()), tuple(intrinsics[:2, 2].tolist())
    )
    size = round(_SIDE_ASPECT * height_px), height_px
    side = SideView.around(joints_to_show(people), size)
    faces = np.asarray(body.faces)
    frames = video.frames()
    for first in range(0, len(video), _FRAMES):
        shown = _drawn(body, people, range(first, first + _FRAMES), with_keypoints)
        for frame in itertools.islice(frames, _FRAMES):
            present = shown.get(frame.number, [])
            yield frame_picture(frame.image, present, faces, view, side)


def joints_to_show(people: Sequence[VideoPerson]) -> np.ndarray:
    """Returns the joints that a view of all frames should hold, [N, 3], metres.

    They are those of plausible bodies, if there are any: a false detection that stands
    a hundred metres away would make everybody else small.
    """
    everybody = [(person.joints, person.plausible) for person in people]
    joints, plausible = (
        np.concatenate(parts) for parts in zip(*everybody, strict=True)
    )
    return (joints[plausible] if plausible.any() else joints).reshape(-1, 3)


def _drawn(
    body: BodyModel,
    people: Sequence[VideoPerson],
    frames: range,
    with_keypoints: bool,
) -> dict[int, list[DrawnPerson]]:
    """Returns the people of some frames, with their meshes, by the frame's number."""
    rows = [
        (person, row)
        for person in people
        for row in np.flatnonzero(np.isin(person.frame, frames)).tolist()
    ]
    if not rows:
        return {}
    placed = PlacedBody(
        *(
            np.stack([getattr(person.placed, name)[row] for person, row in rows])
            for name in ("pose", "betas", "translation")
        )
    )
    meshes = map_batches(lambda some: placed_vertices(body, some), (placed,), _MESHES)
    shown: dict[int, list[DrawnPerson]] = {}
    for (person, row), vertices in zip(rows, meshes, strict=True):
        drawn = DrawnPerson(
            number=person.number,
            vertices=vertices,
            measured=bool(person.measured[row]),
            plausible=bool(person.plausible[row]),
            keypoints=person.keypoints[row] if with_keypoints else None,
            confidence=person.confidence[row],
        )
        shown.setdefault(int(person.frame[row]), []).append(drawn)
    return shown
