"""A dataset of people on disk, small, with a damaged photo where one is asked for."""

import cv2
import numpy as np

from prohmr_jax.data.datasets.builder import PeopleBuilder
from prohmr_jax.data.records import PersonRecord, to_example
from prohmr_jax.skeleton import JOINTS_44, SMPL_24


def make_record(number, size=(80, 60), damaged=False):
    rng = np.random.default_rng(number)
    width, height = size
    noise = rng.integers(0, 255, (height // 10, width // 10, 3), dtype=np.uint8)
    photo = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 92])
    data = data.tobytes()
    xy = rng.uniform(0.2, 0.8, (len(JOINTS_44), 2)) * size
    return PersonRecord(
        image=data[: len(data) // 3] if damaged else data,
        name=f"photo{number}.jpg",
        box_center=np.array(size) / 2.0,
        box_size=0.7 * height,
        keypoints_2d=np.concatenate([xy, np.ones((len(xy), 1))], axis=1),
        keypoints_3d=rng.normal(size=(len(JOINTS_44), 4)) ** 2,
        axis_angle=rng.normal(size=(len(SMPL_24), 3)),
        betas=rng.normal(size=10),
        has_pose=number % 2 == 0,
        has_betas=True,
        action=f"action{number % 3}",
    )


def write_people(directory, records):
    """Writes records as they are, split "train" of a dataset below the directory."""
    splits = {"train": map(to_example, records)}
    options = {"data_dir": directory, "file_format": "array_record"}
    PeopleBuilder("people", {}, splits, **options).download_and_prepare()
    return directory
