"""The dataset of rendered people: made from a seed, read like every other dataset.

  make_synthetic_humans("data", SyntheticSettings(num_train=8000, num_test=600))

writes `data/synthetic_humans/1.0.0/` (tensorflow-datasets, ArrayRecord). Example i of
a split is the view `i % views` of the person `i // views`, and depends on the seed, the
split and i alone: any number of workers gives the same bytes, and a larger dataset
starts with the smaller one.

The splits share no person (shape, clothes), no cluster of poses (see `people`) and no
room; two kinds of texture are seen in the test alone. `action` names the cluster, so
that errors can be averaged over clusters.
"""

import concurrent.futures
import dataclasses
import functools
import itertools
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from prohmr_jax.body import BodyModel
from prohmr_jax.boxes import box_around
from prohmr_jax.data.records import PersonRecord, record_features, to_example
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.pose_prior import load_pose_prior
from prohmr_jax.synthetic.body_map import map_body
from prohmr_jax.synthetic.cameras import PictureCamera, frame_person
from prohmr_jax.synthetic.people import Scene, Split, sample_scenes
from prohmr_jax.synthetic.pictures import Assignment, take_pictures
from prohmr_jax.synthetic.textures import TEST_KINDS, TRAIN_KINDS

_TEXTURES = {Split.TRAIN: TRAIN_KINDS, Split.TEST: TEST_KINDS}
# People whose bodies are computed together; always this many, so that a person's
# numbers do not depend on how many are asked for.
_PEOPLE_PER_BATCH = 32


@dataclasses.dataclass(frozen=True)
class SyntheticSettings:
    """What decides the content of the dataset."""

    num_train: int = 8000
    """Pictures."""
    num_test: int = 600
    views: int = 4
    """Pictures of a person."""
    seed: int = 0
    image_size: int = 192
    """Side of the pictures, pixels."""
    body: str = "open"
    """Any body file."""
    pose_prior: str = ""
    """File of a mixture; empty: the one that ships."""


class SyntheticHumans(tfds.core.GeneratorBasedBuilder):
    """Rendered people with all SMPL labels."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        settings: SyntheticSettings | None = None,
        workers: int = 1,
        **kwargs,
    ):
        """Takes what to make; a dataset on disk is read without settings."""
        self._settings = settings or SyntheticSettings()
        self._workers = workers
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Rendered people with all SMPL labels.",
            features=record_features(),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(dataclasses.asdict(self._settings)),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing is downloaded
        sizes = {
            Split.TRAIN: self._settings.num_train,
            Split.TEST: self._settings.num_test,
        }
        return {
            split.value: self._generate_examples(split, size)
            for split, size in sizes.items()
            if size
        }

    def _generate_examples(self, split: Split, num_pictures: int):
        records = generate_records(self._settings, split, num_pictures, self._workers)
        progress = tqdm(records, f"synthetic_humans {split.value}", num_pictures)
        for number, record in enumerate(progress):
            yield number, to_example(record)


def make_synthetic_humans(
    directory: str | os.PathLike, settings: SyntheticSettings, workers: int = 1
) -> Path:
    """Makes the dataset unless it is there; returns its folder, ready for tfds.

    Args:
      directory: gets the folder `synthetic_humans/1.0.0`.
      settings: its content.
      workers: processes that render; 1 renders in this one.

    Raises:
      InputError: settings without sense, a dataset of other settings is there, or the
        directory cannot be written.
    """
    _check_settings(settings)
    try:
        builder = SyntheticHumans(
            settings=settings, workers=workers, data_dir=os.fspath(directory)
        )
        folder = Path(builder.data_dir)
        if folder.exists():
            _check_same(folder, builder.info.metadata, settings)
            return folder
        tfds.disable_progress_bar()
        builder.download_and_prepare()
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise InputError(directory, what) from error
    return folder


def _check_settings(settings: SyntheticSettings) -> None:
    least = {"num_train": 0, "num_test": 0, "views": 1, "seed": 0, "image_size": 16}
    for name, low in least.items():
        if getattr(settings, name) < low:
            raise InputError(name, f"is {getattr(settings, name)}, not {low} or more")
    if not settings.num_train + settings.num_test:
        raise InputError("num_train", "and num_test ask for no picture")


def _check_same(folder: Path, found: dict, settings: SyntheticSettings) -> None:
    for name, wanted in dataclasses.asdict(settings).items():
        if found.get(name) != wanted:
            raise InputError(
                folder,
                f"was made with {name} {found.get(name)!r}, not {wanted!r}; "
                "name another directory or remove this one",
            )


def generate_records(
    settings: SyntheticSettings, split: Split, num_pictures: int, workers: int = 1
) -> Iterator[PersonRecord]:
    """Yields the pictures of a split in order, with labels.

    Args:
      settings: of the dataset.
      split: which people.
      num_pictures: how many.
      workers: processes that render; 1 renders in this one.
    """
    body = read_body(settings.body)
    people = -(-num_pictures // settings.views)
    scenes = _scenes(body, settings, split, people)
    assigned, labelled = itertools.tee(
        (number, scene, _cameras(settings, split, number, scene))
        for number, scene in scenes
    )
    assignments = (
        Assignment(
            (settings.seed, list(Split).index(split), number),
            scene.vertices, cameras, _TEXTURES[split],
        )
        for number, scene, cameras in assigned
    )  # fmt: skip
    take = functools.partial(take_pictures, map_body(body))
    records = (
        record
        for files, (number, scene, cameras) in zip(
            _parallel(take, assignments, workers), labelled, strict=False
        )
        for record in _label(split, number, scene, cameras, files)
    )
    return itertools.islice(records, num_pictures)


def _scenes(
    body: BodyModel, settings: SyntheticSettings, split: Split, num_people: int
) -> Iterator[tuple[int, Scene]]:
    prior = load_pose_prior(settings.pose_prior or None)
    for first in range(0, num_people, _PEOPLE_PER_BATCH):
        numbers = np.arange(first, first + _PEOPLE_PER_BATCH)
        batch = sample_scenes(
            body, prior, split, settings.seed, numbers, settings.views
        )
        for row, number in enumerate(numbers[: num_people - first]):
            yield int(number), jax.tree.map(lambda a, row=row: a[row], batch)


def _parallel(work, inputs, workers: int) -> Iterator:
    """Yields work(x) for each input in order; few inputs are taken in advance."""
    if workers == 1:
        yield from map(work, inputs)
        return
    # Forked processes would share the device's threads and locks.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, spawn) as pool:
        inputs = iter(inputs)
        waiting = [pool.submit(work, x) for x in itertools.islice(inputs, 3 * workers)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(work, x) for x in itertools.islice(inputs, 1)]


def _cameras(
    settings: SyntheticSettings, split: Split, number: int, scene: Scene
) -> list[PictureCamera]:
    # The last number sets this stream apart from that of the pictures.
    seed = settings.seed, list(Split).index(split), number, settings.views
    rng = np.random.default_rng(seed)
    return [
        frame_person(rng, rotation, translation, scene.joints, settings.image_size)
        for rotation, translation in zip(scene.rotation, scene.translation, strict=True)
    ]


def _label(
    split: Split,
    number: int,
    scene: Scene,
    cameras: list[PictureCamera],
    files: list[bytes],
) -> Iterator[PersonRecord]:
    for view, (camera, file) in enumerate(zip(cameras, files, strict=True)):
        joints = camera.to_camera(scene.joints)
        xy = camera.view.project(joints)
        inside = np.all((xy >= -0.5) & (xy <= camera.size - 0.5), axis=-1)
        seen = inside.astype(float)[:, None]
        box = box_around(xy, inside)
        yield PersonRecord(
            image=file,
            name=f"{split.value}_{number:06d}_{view}.jpg",
            box_center=np.asarray(box.center),
            box_size=float(box.size),
            keypoints_2d=np.concatenate([xy, seen], axis=1),
            keypoints_3d=np.concatenate([joints, np.ones_like(seen)], axis=1),
            axis_angle=np.concatenate(
                [scene.global_orient[view][None], scene.body_pose]
            ),
            betas=scene.betas,
            has_pose=True,
            has_betas=True,
            action=f"poses_{scene.component:02d}",
            person=f"{split.value}_{number:06d}",
            intrinsics=camera.intrinsics(),
            extrinsics=camera.extrinsics(),
        )
