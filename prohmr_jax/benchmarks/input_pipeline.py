"""Measures the input pipeline on photos cut from the portrait in the package.

The benchmark of training and its tests use it.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from prohmr_jax.data.augmentation import AugmentationSettings
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.pipeline import (
    BatchSettings,
    ReadingSettings,
    training_batches,
)
from prohmr_jax.data.records import MocapArrays, PersonRecord
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.skeleton import JOINTS_44, SMPL_24

PHOTO_SIZE = (640, 480)
"""(width, height) of the photos, pixels, as most photos of COCO have."""
_BOX_PX = 400.0
_JPEG_QUALITY = 95
_MOCAP_ROWS = 1000
# Batches that are read before the clock starts: the processes have started by then, and
# the batches that they had read ahead are used up.
_BATCHES_AHEAD = 24


def photographed(count: int) -> Iterator[PersonRecord]:
    """Yields people with random labels, each in another part of the portrait.

    Args:
      count: number of people.
    """
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
    """Writes a dataset of photos and returns its one split.

    Args:
      directory: folder of the dataset.
      count: number of photos.
      box_px: side to which the person's box is scaled in stored crops, pixels; None
        stores whole photos.
    """
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
    """Returns the batches of training on one source, with the official augmentation.

    Args:
      source: split of a dataset.
      batch_size: number of images in a batch.
      input_size: side of the crops, pixels.
      samples: number of motion capture poses for each image.
      num_betas: number of shape coefficients.
      num_workers: number of processes that read; 0 reads in this one.
    """
    rng = np.random.default_rng(0)
    joints = len(SMPL_24) - 1
    mocap = MocapArrays(
        body_pose=rng.normal(0.0, 0.3, (_MOCAP_ROWS, 3 * joints)).astype(np.float32),
        betas=rng.normal(size=(_MOCAP_ROWS, num_betas)).astype(np.float32),
    )
    return training_batches(
        [source],
        mocap,
        BatchSettings(batch_size, input_size, num_betas, samples),
        AugmentationSettings(),
        seed=0,
        reading=ReadingSettings(num_workers=num_workers),
    )


def images_per_second(
    source: Source, batch_size: int, input_size: int, num_workers: int, num_batches: int
) -> tuple[float, float]:
    """Returns images per second, and images per second of CPU time of this process.

    Pipelines are measured one after another and not in turn, because a pipeline that
    waits reads ahead.

    Args:
      source: split of a dataset.
      batch_size: number of images in a batch.
      input_size: side of the crops, pixels.
      num_workers: number of processes that read; 0 reads in this one.
      num_batches: number of batches that are timed.
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
