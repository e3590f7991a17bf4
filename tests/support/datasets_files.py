"""Files in the layouts of the official datasets, small; what tests share."""

import numpy as np

from tests.support.datasets_case import make_record

NAMES = (
    "S9_Directions_1.54138969_000001.jpg",
    "S9_Directions_1.60457274_000001.jpg",
    "S11_WalkingDog.60457274_000006.jpg",
)


def write_photos(folder, names=NAMES):
    """Writes one photo of 80 x 60 pixels per name, and returns the folder."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(make_record(number).image)
    return folder


def official_arrays(names=NAMES, seed=0):
    """The arrays of an official annotation file."""
    rng = np.random.default_rng(seed)
    count = len(names)

    def keypoints(joints, columns):
        values = rng.uniform(10, 50, (count, joints, columns))
        values[..., -1] = rng.uniform(0.3, 1, (count, joints))
        return values

    return {
        "imgname": np.array(names, np.str_),
        "center": rng.uniform(20, 40, (count, 2)),
        "scale": rng.uniform(30, 60, count),
        "body_pose": rng.normal(size=(count, 72)),
        "betas": rng.normal(size=(count, 10)),
        "has_body_pose": (np.arange(count) != 1).astype(float),
        "has_betas": np.ones(count),
        "body_keypoints_2d": keypoints(25, 3),
        "extra_keypoints_2d": keypoints(19, 3),
        "body_keypoints_3d": keypoints(25, 4),
        "extra_keypoints_3d": keypoints(19, 4),
    }


def spin_arrays(names=NAMES, seed=0):
    """The same labels in SPIN's layout; the face is annotated for the first only."""
    official = official_arrays(names, seed)
    part = np.zeros((len(names), 24, 3))
    part[:, :19] = official["extra_keypoints_2d"]
    part[0, 19:] = (7.0, 8.0, 1.0)
    joints = np.zeros((len(names), 24, 4))
    joints[:, :19] = official["extra_keypoints_3d"]
    return {
        "imgname": official["imgname"],
        "center": official["center"],
        "scale": official["scale"] / 200,
        "pose": official["body_pose"],
        "shape": official["betas"],
        "has_smpl": official["has_body_pose"],
        "openpose": official["body_keypoints_2d"],
        "part": part,
        "S": joints,
    }
