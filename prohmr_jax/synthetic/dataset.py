"""Builds the dataset of rendered people from a seed; it is read like other datasets.

  make_synthetic_humans("data/synthetic", SyntheticSettings(num_train=8000))

Example i of a split is the view `i % views` of the person `i // views`. It depends only
on the seed, the split and i, so that any number of workers gives the same bytes, and a
larger dataset starts with the examples of a smaller one.

The splits have no person (shape, clothes, room) and no cluster of poses (see
`pose_source`) in common, and two kinds of texture appear in the test split alone. The
field `action` of a record names the cluster, so that errors can be averaged over
clusters. The modes that render people and that train on them call it.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jax
import numpy as np

from prohmr_jax.data.dataset_reader import dataset_builder, dataset_directory
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.prefetch import map_in_processes
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.geometry.boxes import box_around
from prohmr_jax.synthetic.body_map import BodyMap, map_body
from prohmr_jax.synthetic.picture_camera import PictureCamera, frame_person
from prohmr_jax.synthetic.pose_source import PoseSource, Split, read_poses
from prohmr_jax.synthetic.render_pictures import PictureRequest, render_pictures
from prohmr_jax.synthetic.scenes import Scene, sample_scenes
from prohmr_jax.synthetic.textures import TEST_KINDS, TRAIN_KINDS

_NAME = "synthetic_humans"
_TEXTURES = {Split.TRAIN: TRAIN_KINDS, Split.TEST: TEST_KINDS}
# Number of people whose bodies are computed together. It is the same for every dataset,
# so that rounding in a person's numbers does not depend on the size of the dataset.
_PEOPLE_PER_BATCH = 32
# Number that keeps the random numbers of cameras apart from those of pictures.
_CAMERAS = 1
# Number of shape coefficients in a record; a body may have fewer.
_NUM_BETAS = 10


@dataclasses.dataclass(frozen=True)
class SyntheticSettings:
    """Holds the settings that decide the content of the dataset."""

    num_train: int = 8000
    """Number of pictures in the split "train"."""
    num_test: int = 600
    """Number of pictures in the split "test"."""
    views: int = 4
    """Number of pictures of each person."""
    seed: int = 0
    """Seed of all random numbers."""
    image_size: int = 192
    """Side of the pictures, pixels; the person's box fills 0.55 to 0.74 of it."""
    body: str = "open"
    """Path of a body file, as `read_body` takes it."""
    pose_prior: str = ""
    """Path of a pose prior; empty for the one that ships."""
    pose_bank: str = ""
    """Path of a bank of poses for the split "train"; empty to draw them from the
    prior."""

    def __post_init__(self):
        """Raises InputError if the settings give no picture."""
        least = {"num_train": 0, "num_test": 0, "views": 1, "seed": 0, "image_size": 16}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(name, f"is {getattr(self, name)}, not {low} or more")
        if not self.num_train + self.num_test:
            raise InputError("num_train", "and num_test ask for no picture")


def make_synthetic_humans(
    directory: str | os.PathLike, settings: SyntheticSettings, workers: int = 1
) -> Path:
    """Builds the dataset unless it exists, and returns its versioned directory.

    Args:
      directory: directory of this dataset alone.
      settings: content of the dataset.
      workers: number of processes that render; 1 renders in this process.

    Raises:
      InputError: the directory holds something else or a dataset of other settings, it
        cannot be written, or a file that the settings name cannot be used.
    """
    if workers < 1:
        raise InputError("workers", f"is {workers}, not 1 or more")
    if Path(directory).is_dir() and any(Path(directory).iterdir()):
        _check_same(directory, settings)
        return dataset_directory(directory)
    counts = {Split.TRAIN: settings.num_train, Split.TEST: settings.num_test}
    splits = {
        split.value: RenderedPeople(settings, split, count, workers)
        for split, count in counts.items()
        if count
    }
    write_dataset(
        directory, _NAME, splits, settings=_described(settings), num_threads=1
    )
    return dataset_directory(directory)


def _described(settings: SyntheticSettings) -> dict[str, str]:
    return {name: str(value) for name, value in dataclasses.asdict(settings).items()}


def _check_same(directory: str | os.PathLike, settings: SyntheticSettings) -> None:
    stored = dataset_builder(dataset_directory(directory)).info.metadata
    for name, wanted in _described(settings).items():
        if (stored or {}).get(name) != wanted:
            is_other = (
                f"has {name} {stored[name]!r}" if stored else "is another dataset"
            )
            fault = f"{is_other}, not {wanted!r}: remove it or name another directory"
            raise InputError(directory, fault)


@dataclasses.dataclass(frozen=True)
class RenderedPeople:
    """Iterates over the records of a split in order, and renders them meanwhile."""

    settings: SyntheticSettings
    split: Split
    count: int
    """Number of pictures."""
    workers: int = 1
    """Number of processes that render; 1 renders in this process."""

    def __len__(self) -> int:
        """Returns the number of pictures."""
        return self.count

    def __iter__(self) -> Iterator[PersonRecord]:
        """Yields records; this process computes the labels, workers the pictures."""
        body = read_body(self.settings.body)
        poses = read_poses(self.settings.pose_prior, self.settings.pose_bank)
        scenes = zip(itertools.count(), self._scenes(body, poses), strict=False)
        jobs, labelled = itertools.tee(
            (number, scene, self._cameras(number, scene)) for number, scene in scenes
        )
        requests = (
            PictureRequest(
                self._seed(number), scene.vertices, cameras, _TEXTURES[self.split]
            )
            for number, scene, cameras in jobs
        )
        pictures = render_all(map_body(body), requests, self.workers)
        records = (
            record
            for files, (number, scene, cameras) in zip(pictures, labelled, strict=False)
            for record in _records(self.split, number, scene, cameras, files)
        )
        return itertools.islice(records, self.count)

    def _seed(self, number: int) -> tuple[int, ...]:
        return self.settings.seed, list(Split).index(self.split), number

    def _scenes(self, body, poses: PoseSource) -> Iterator[Scene]:
        settings = self.settings
        num_people = -(-self.count // settings.views)
        for first in range(0, num_people, _PEOPLE_PER_BATCH):
            numbers = np.arange(first, first + _PEOPLE_PER_BATCH)
            batch = sample_scenes(
                body, poses, self.split, settings.seed, numbers, settings.views
            )
            for row in range(min(_PEOPLE_PER_BATCH, num_people - first)):
                yield jax.tree.map(lambda a, row=row: a[row], batch)

    def _cameras(self, number: int, scene: Scene) -> list[PictureCamera]:
        rng = np.random.default_rng((*self._seed(number), _CAMERAS))
        size = self.settings.image_size
        return [
            frame_person(rng, rotation, translation, scene.joints, size)
            for rotation, translation in zip(
                scene.rotation, scene.translation, strict=True
            )
        ]


def _records(
    split: Split,
    number: int,
    scene: Scene,
    cameras: list[PictureCamera],
    files: list[bytes],
) -> Iterator[PersonRecord]:
    person = f"{split.value}_{number:06d}"
    for view, (camera, file) in enumerate(zip(cameras, files, strict=True)):
        joints = camera.to_camera(scene.joints)
        xy = camera.view.project(joints)
        inside = np.all((xy >= -0.5) & (xy <= camera.size - 0.5), axis=-1)
        box = box_around(xy, inside)
        xy, confidence = np.where(inside[:, None], xy, 0.0), inside[:, None]
        yield PersonRecord(
            image=file,
            name=f"{person}_{view}.jpg",
            box_center=np.asarray(box.center),
            box_size=float(box.size),
            keypoints_2d=np.concatenate([xy, confidence], axis=1),
            keypoints_3d=np.concatenate([joints, np.ones_like(confidence)], axis=1),
            axis_angle=np.stack([scene.global_orient[view], *scene.body_pose]),
            betas=np.pad(scene.betas, (0, _NUM_BETAS - len(scene.betas))),
            has_pose=True,
            has_betas=True,
            action=f"poses_{scene.component:02d}",
            person=person,
            intrinsics=camera.intrinsics(),
            extrinsics=camera.extrinsics(),
        )


def render_all(
    body: BodyMap,
    requests: Iterable[PictureRequest],
    workers: int,
    function: Callable[[BodyMap, PictureRequest], list] = render_pictures,
) -> Iterator[list]:
    """Yields the pictures of each request in order, by default as JPEG files.

    Args:
      body: map of the body of all requests.
      requests: people with their cameras.
      workers: number of processes that render; 1 renders in this process.
      function: renders one request, as the functions of `render_pictures` do.

    Raises:
      InputError: a process was killed, probably because memory ran out.
    """
    yield from map_in_processes(functools.partial(function, body), requests, workers)
