"""From datasets on disk to batches: shuffled, mixed, augmented, shared among hosts.

Everything is a function of the seed and the number of the example, whatever the number
of hosts, workers and threads. A global batch is B examples in a row; a host reads its
own rows of it only, and the position that a checkpoint keeps is one number per host.
"""

import dataclasses
import functools
import logging
import pathlib
import re
from collections.abc import Iterator, Sequence

import grain
import jax
import numpy as np
import tensorflow_datasets as tfds
from absl import flags
from scipy.spatial.transform import Rotation

from prohmr_jax.data.augmentation import AugmentationSettings, Draw, draw
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.examples import make_example
from prohmr_jax.data.records import MocapArrays, PersonRecord, from_example
from prohmr_jax.errors import InputError
from prohmr_jax.structs import ImageBatch, ImageTrainingBatch, MocapPoses

# So many damaged photos in a row are no accident.
_MOST_DAMAGED = 20
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Source:
    """A part of a dataset on disk."""

    directory: str
    """Of the dataset, or one above it."""
    split: str
    weight: float
    """Share in the mixture, relative to the other sources."""


def dataset_directory(path: str | pathlib.Path) -> pathlib.Path:
    """Returns where the dataset lies that a user names: there, or below.

    Raises:
      InputError: there is none, or more than one.
    """
    found = sorted(pathlib.Path(path).glob("**/dataset_info.json"))
    # What a killed build leaves behind is hidden, or called incomplete.
    whole = [
        file.parent
        for file in found
        if not re.search(r"(^|/)\.|incomplete", file.relative_to(path).as_posix())
    ]
    if len(whole) != 1:
        fault = "holds no dataset" if not whole else f"holds {len(whole)} datasets"
        raise InputError(path, fault)
    return whole[0]


class People:
    """The people of a source: labels and decoded photos, in random access.

    A photo that is damaged is named once, counted, and replaced by the next one.
    """

    def __init__(self, source: Source):
        """Opens the files; InputError if there is no such dataset or split."""
        directory = dataset_directory(source.directory)
        self.skipped: set[str] = set()
        try:
            builder = tfds.builder_from_directory(directory)
            self._records = builder.as_data_source(
                source.split, decoders={"image": tfds.decode.SkipDecoding()}
            )
        except (ValueError, KeyError, OSError) as error:
            fault = f"has no split {source.split!r} that can be read: {error}"
            raise InputError(directory, fault) from error
        if not len(self._records):
            raise InputError(directory, f"has nobody in split {source.split!r}")

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self._records)

    def __getitem__(self, number: int) -> tuple[PersonRecord, np.ndarray]:
        """Returns a record, and its photo [H, W, 3], uint8."""
        for offset in range(_MOST_DAMAGED):
            record = from_example(self._records[(number + offset) % len(self)])
            try:
                return record, decode_image(record.image, record.name)
            except InputError as error:
                if record.name not in self.skipped:
                    self.skipped.add(record.name)
                    count = len(self.skipped)
                    _LOG.warning("skipped, %d so far: %s", count, error)
        raise InputError(record.name, f"and {_MOST_DAMAGED - 1} before it are damaged")


class HostRows:
    """This host's rows of endless global batches, one after another."""

    def __init__(
        self,
        examples: grain.MapDataset,
        coarse_examples: grain.MapDataset,
        num_coarse: int,
        batch_size: int,
        host: range,
    ):
        """Takes examples in global order, and which rows of a batch are this host's.

        The first `num_coarse` batches are of `coarse_examples`.
        """
        self._examples, self._coarse_examples = examples, coarse_examples
        self._num_coarse, self._batch_size, self._host = num_coarse, batch_size, host

    def __len__(self) -> int:
        """Returns a number that no run reaches."""
        return len(self._examples) // self._batch_size * len(self._host)

    def __getitem__(self, number: int) -> ImageBatch:
        """Returns an example."""
        step, row = divmod(number, len(self._host))
        is_coarse = step < self._num_coarse
        examples = self._coarse_examples if is_coarse else self._examples
        return examples[step * self._batch_size + self._host[row]]


def training_batches(
    sources: Sequence[Source],
    mocap: MocapArrays,
    *,
    batch_size: int,
    input_size: int,
    num_betas: int,
    samples_per_image: int,
    seed: int,
    augmentation: AugmentationSettings,
    coarse_size: int = 0,
    num_coarse: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    num_workers: int = 0,
    num_threads: int = 4,
) -> grain.DatasetIterator:
    """Returns an endless iterator of `ImageTrainingBatch`es, this host's rows.

    Args:
      sources: datasets, mixed by weight; each is shuffled anew in every pass.
      mocap: poses for the discriminator, drawn anew for every batch.
      batch_size: people of a global batch.
      input_size: side of the crops, pixels.
      num_betas: shape coefficients of the body.
      samples_per_image: mocap rows per image.
      seed: of all that is random.
      augmentation: how much is varied.
      coarse_size: side of the crops of the first batches.
      num_coarse: how many of them there are.
      process_index: number of this host.
      process_count: of hosts; they share a batch evenly, in order.
      num_workers: processes that read; 0 reads in threads of this one.
      num_threads: that read ahead, in each process.

    Raises:
      InputError: a dataset cannot be used, or hosts cannot share a batch.
    """
    if batch_size % process_count:
        fault = f"{batch_size} people on {process_count} hosts"
        raise InputError("batch_size", fault)
    parts, weights = [], []
    for number, source in enumerate(sources):
        people = grain.MapDataset.source(People(source)).seed(seed + number)
        parts.append(people.shuffle().repeat())
        weights.append(source.weight)
    mixed = parts[0] if len(parts) == 1 else grain.MapDataset.mix(parts, weights)

    def augmented(element, rng: np.random.Generator, side_px: int) -> ImageBatch:
        record, photo = element
        drawn = draw(augmentation, rng)
        return make_example(record, photo, drawn, side_px, num_betas)

    def cropped(side_px: int) -> grain.MapDataset:
        of_this_side = functools.partial(augmented, side_px=side_px)
        return mixed.seed(seed).random_map(of_this_side)

    share = batch_size // process_count
    host = range(process_index * share, (process_index + 1) * share)
    all_rows = HostRows(
        cropped(input_size), cropped(coarse_size), num_coarse, batch_size, host
    )
    rows = grain.MapDataset.source(all_rows)
    poses = _MocapRows(mocap, num_betas, samples_per_image, seed, batch_size, host)
    batches = rows.batch(share, batch_fn=_stack).map_with_index(poses.join)
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=8)
    stream = batches.to_iter_dataset(options)
    if num_workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # worker processes read flags
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers))
    return iter(stream)


@dataclasses.dataclass(frozen=True)
class _MocapRows:
    """Adds poses for the discriminator to a batch, by the batch's number."""

    mocap: MocapArrays
    num_betas: int
    samples_per_image: int
    seed: int
    batch_size: int
    host: range

    def join(self, number: int, images: ImageBatch) -> ImageTrainingBatch:
        rng = np.random.default_rng((self.seed, number))
        rows = rng.integers(
            len(self.mocap.body_pose), size=(self.batch_size, self.samples_per_image)
        )
        rows = rows[self.host.start : self.host.stop].ravel()
        rotmats = Rotation.from_rotvec(self.mocap.body_pose[rows].reshape(-1, 3))
        betas = np.zeros((len(rows), self.num_betas), np.float32)
        known = self.mocap.betas[rows, : self.num_betas]
        betas[:, : known.shape[1]] = known
        shape = (len(rows), -1, 3, 3)
        matrices = rotmats.as_matrix().astype(np.float32).reshape(shape)
        return ImageTrainingBatch(images, MocapPoses(matrices, betas))


def _stack(examples: Sequence[ImageBatch]) -> ImageBatch:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *examples)


def evaluation_batches(
    source: Source,
    batch_size: int,
    input_size: int,
    num_people: int | None = None,
    num_betas: int = 10,
) -> Iterator[tuple[ImageBatch, list[str]]]:
    """Yields plain crops in order, with the actions of those that are people.

    The last batch is filled up with its last person; the actions then are fewer than
    the rows.

    Args:
      source: a part of a dataset.
      batch_size: rows of every batch.
      input_size: side of the crops, pixels.
      num_people: evenly spread over the dataset; None: all.
      num_betas: shape coefficients of the body.

    Raises:
      InputError: the dataset cannot be used.
    """
    people = People(source)
    count = min(num_people or len(people), len(people))
    chosen = np.linspace(0, len(people) - 1, count).round().astype(int)
    for start in range(0, count, batch_size):
        rows = chosen[start : start + batch_size]
        found = [people[int(row)] for row in rows]
        actions = [record.action for record, _ in found]
        found += [found[-1]] * (batch_size - len(rows))
        yield _stack([
            make_example(record, photo, Draw(), input_size, num_betas)
            for record, photo in found
        ]), actions  # fmt: skip
