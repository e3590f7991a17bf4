"""Rates of the input pipeline, on photos that are cut from the portrait that ships."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from prohmr_jax.data.augmentation import AugmentationSettings
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.pipeline import Source, training_batches
from prohmr_jax.data.records import MocapArrays, PersonRecord
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.skeleton import JOINTS_44, SMPL_24

# (width, height) of the photos, as most of COCO's; the person fills much of them.
PHOTO_SIZE = (640, 480)
_BOX_PX = 400.0
_JPEG_QUALITY = 95
_MOCAP_ROWS = 1000
# Read before the clock starts: processes start, and what they had read ahead is gone.
_BATCHES_AHEAD = 24


def photographed(count: int) -> Iterator[PersonRecord]:
    """Yields people with random labels, each in another part of the portrait."""
    width, height = PHOTO_SIZE
    portrait = decode_image(DEMO_PHOTO.read_bytes(), DEMO_PHOTO.name)
    portrait = cv2.resize(portrait, (width + 60, width + 60))
    for number in range(count):
        rng = np.random.default_rng(number)
        top = rng.integers(len(portrait) - height)
        left = rng.integers(len(portrait) - width)
        part = portrait[top : top + height, left : left + width, ::-1]
        _, file = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        xy = rng.uniform(0.1, 0.9, (len(JOINTS_44), 2)) * PHOTO_SIZE
        known = np.ones((len(xy), 1))
        yield PersonRecord(
            image=file.tobytes(),
            name=f"{number:06d}.jpg",
            box_center=np.array(PHOTO_SIZE) / 2.0,
            box_size=_BOX_PX,
            keypoints_2d=np.concatenate([xy, known], axis=1),
            keypoints_3d=np.concatenate([rng.normal(size=(len(xy), 3)), known], axis=1),
            axis_angle=0.3 * rng.normal(size=(len(SMPL_24), 3)),
            betas=rng.normal(size=10),
            has_pose=True,
            has_betas=True,
        )


def write_photos(directory: Path, count: int, box_px: int | None = None) -> Source:
    """Writes a dataset of photos, or of crops with boxes of that side, in one split."""
    write_dataset(directory, "photos", {"train": photographed(count)}, box_px=box_px)
    return Source(str(directory), "train", weight=1.0)


def batches_of(
    source: Source,
    batch_size: int,
    input_size: int,
    samples: int = 2,
    num_betas: int = 10,
    num_workers: int = 0,
):
    """Returns the iterator of training, augmenting as officially, over one source."""
    rng = np.random.default_rng(0)
    joints = len(SMPL_24) - 1
    mocap = MocapArrays(
        body_pose=rng.normal(0.0, 0.3, (_MOCAP_ROWS, 3 * joints)).astype(np.float32),
        betas=rng.normal(size=(_MOCAP_ROWS, num_betas)).astype(np.float32),
    )
    return training_batches(
        [source],
        mocap,
        batch_size=batch_size,
        input_size=input_size,
        num_betas=num_betas,
        samples_per_image=samples,
        seed=0,
        augmentation=AugmentationSettings(),
        num_workers=num_workers,
    )


def images_per_second(
    source: Source, batch_size: int, input_size: int, num_workers: int, num_batches: int
) -> tuple[float, float]:
    """Returns images per second, and per second that a core worked in this process.

    Not in turn with others: whoever waits reads ahead.
    """
    batches = batches_of(source, batch_size, input_size, num_workers=num_workers)
    for _ in itertools.islice(batches, _BATCHES_AHEAD):
        pass
    start, worked = time.perf_counter(), time.process_time()
    for _ in itertools.islice(batches, num_batches):
        pass
    images = num_batches * batch_size
    end = time.perf_counter(), time.process_time()
    return images / (end[0] - start), images / (end[1] - worked)
