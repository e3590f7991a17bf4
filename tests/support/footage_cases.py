"""Footage of a room that three cameras film, for the tests that measure it."""

import hashlib
import json

import cv2
import numpy as np

from tests.support.view_scenes import SIZE, bodies, ring_of_cameras, shown_by

RIG = ring_of_cameras(3)
NAMES = ("left", "middle", "right")
FRAMES = 4


def write_footage(folder, size=SIZE, number=FRAMES):
    """Writes calibration and videos; the pictures themselves are black."""
    (folder / "videos").mkdir(parents=True)
    views = [
        {"K": K.tolist(), "R": R.tolist(), "t": t.tolist()}
        for K, R, t in zip(RIG.intrinsics, RIG.rotation, RIG.translation, strict=True)
    ]
    cameras = dict(zip(NAMES, views, strict=True))
    (folder / "cameras.json").write_text(json.dumps(cameras))
    for name in NAMES:
        path = str(folder / "videos" / f"{name}.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 30.0, size)
        for _ in range(number):
            writer.write(np.zeros((*size[::-1], 3), np.uint8))
        writer.release()


def write_detections(folder, footage, frames=range(FRAMES), people=None):
    """Writes what the detector would have seen: one person per frame, exactly."""
    people = bodies()[: len(frames)] if people is None else people
    for view, name in enumerate(NAMES):
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / f"{name}.npz",
            frame=np.array(frames),
            xy=shown_by(RIG, view, people),
            confidence=np.ones(people.shape[:2]),
            frames=np.array(frames),
            video_sha256=hashlib.sha256(
                (footage / "videos" / f"{name}.mp4").read_bytes()
            ).hexdigest(),
        )
