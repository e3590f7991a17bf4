"""Makes batches from datasets on disk: shuffled, mixed, augmented, shared among hosts.

The modes that train and evaluate image models call it. Every batch is a function of the
seed and its number, whatever the number of hosts, workers and threads. A global batch
consists of consecutive examples; a host reads its own rows of it only, and the position
that a checkpoint keeps is one number per host.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import grain
import jax
import numpy as np
from absl import flags
from scipy.spatial.transform import Rotation

from prohmr_jax.data.augmentation import AugmentationSettings, Draw, draw
from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.examples import make_example
from prohmr_jax.data.records import MocapArrays
from prohmr_jax.errors import InputError
from prohmr_jax.structs import ImageBatch, ImageTrainingBatch, MocapPoses


@dataclasses.dataclass(frozen=True)
class BatchSettings:
    """Holds the sizes of training batches."""

    batch_size: int
    """Number of people of a global batch, of all hosts together."""
    input_size: int
    """Side of the crops, pixels."""
    num_betas: int
    """Number of shape coefficients of the body."""
    poses_per_image: int
    """Number of captured poses per image, as many as the bodies that are predicted."""
    coarse_size: int = 0
    """Side of the crops of the first batches, pixels."""
    num_coarse: int = 0
    """Number of these first batches."""


@dataclasses.dataclass(frozen=True)
class ReadingSettings:
    """Holds which part of a batch this host reads, and with how many helpers."""

    process_index: int = 0
    """Number of this host."""
    process_count: int = 1
    """Number of hosts; they share a batch evenly, in order."""
    num_workers: int = 0
    """Number of processes that read; 0 reads in threads of this process."""
    num_threads: int = 4
    """Number of threads that read ahead, in each process."""

    def rows(self, batch_size: int) -> range:
        """Returns the rows of a global batch that this host reads.

        Raises:
          InputError: the hosts cannot share the batch evenly.
        """
        if batch_size % self.process_count:
            fault = f"{batch_size} people on {self.process_count} hosts"
            raise InputError("batch_size", fault)
        share = batch_size // self.process_count
        return range(self.process_index * share, (self.process_index + 1) * share)


class HostRows:
    """Reads this host's rows of an endless sequence of global batches."""

    def __init__(
        self,
        examples: grain.MapDataset,
        coarse_examples: grain.MapDataset,
        settings: BatchSettings,
        host: range,
    ):
        """Keeps the examples and the part of them that this host reads.

        Args:
          examples: endless examples in global order.
          coarse_examples: the same for the first `settings.num_coarse` batches.
          settings: sizes of the batches.
          host: rows of a batch that this host reads.
        """
        self._examples, self._coarse_examples = examples, coarse_examples
        self._settings, self._host = settings, host

    def __len__(self) -> int:
        """Returns a number that no run reaches."""
        return len(self._examples) // self._settings.batch_size * len(self._host)

    def __getitem__(self, number: int) -> ImageBatch:
        """Returns an example, without a batch axis."""
        step, row = divmod(number, len(self._host))
        is_coarse = step < self._settings.num_coarse
        examples = self._coarse_examples if is_coarse else self._examples
        return examples[step * self._settings.batch_size + self._host[row]]


def training_batches(
    sources: Sequence[Source],
    mocap: MocapArrays,
    settings: BatchSettings,
    augmentation: AugmentationSettings,
    seed: int,
    reading: ReadingSettings | None = None,
) -> grain.DatasetIterator:
    """Returns an endless iterator of `ImageTrainingBatch`es with this host's rows.

    Args:
      sources: datasets, which are mixed by weight; each is shuffled anew in every pass.
      mocap: captured poses for the discriminator, drawn anew for every batch.
      settings: sizes of the batches.
      augmentation: how much examples are varied.
      seed: seed of all random numbers.
      reading: which rows are read, and how; None reads all in this process.

    Raises:
      InputError: a dataset cannot be used, or the hosts cannot share a batch.
    """
    reading = reading or ReadingSettings()
    host = reading.rows(settings.batch_size)
    parts, weights = [], []
    for number, source in enumerate(sources):
        people = grain.MapDataset.source(DatasetReader(source)).seed(seed + number)
        parts.append(people.shuffle().repeat())
        weights.append(source.weight)
    mixed = parts[0] if len(parts) == 1 else grain.MapDataset.mix(parts, weights)

    def augmented(element, rng: np.random.Generator, side_px: int) -> ImageBatch:
        record, photo = element
        drawn = draw(augmentation, rng)
        return make_example(record, photo, drawn, side_px, settings.num_betas)

    def cropped(side_px: int) -> grain.MapDataset:
        with_side = functools.partial(augmented, side_px=side_px)
        return mixed.seed(seed).random_map(with_side)

    all_rows = HostRows(
        cropped(settings.input_size), cropped(settings.coarse_size), settings, host
    )
    rows = grain.MapDataset.source(all_rows)
    poses = _MocapRows(mocap, settings, seed, host)
    batches = rows.batch(len(host), batch_fn=_stack).map_with_index(poses.join)
    options = grain.ReadOptions(num_threads=reading.num_threads, prefetch_buffer_size=8)
    stream = batches.to_iter_dataset(options)
    if reading.num_workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # worker processes read flags
        options = grain.MultiprocessingOptions(reading.num_workers)
        stream = stream.mp_prefetch(options)
    return iter(stream)


@dataclasses.dataclass(frozen=True)
class _MocapRows:
    """Adds captured poses for the discriminator to batches."""

    mocap: MocapArrays
    settings: BatchSettings
    seed: int
    host: range

    def join(self, number: int, images: ImageBatch) -> ImageTrainingBatch:
        """Returns a batch with poses that depend on its number and the seed alone."""
        rng = np.random.default_rng((self.seed, number))
        shape = self.settings.batch_size, self.settings.poses_per_image
        rows = rng.integers(len(self.mocap.body_pose), size=shape)
        rows = rows[self.host.start : self.host.stop].ravel()
        rotmats = Rotation.from_rotvec(self.mocap.body_pose[rows].reshape(-1, 3))
        betas = np.zeros((len(rows), self.settings.num_betas), np.float32)
        labelled = self.mocap.betas[rows, : self.settings.num_betas]
        betas[:, : labelled.shape[1]] = labelled
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
    """Yields crops without augmentation, in order, and the actions of their people.

    People whose photo is damaged are logged and left out. The last batch is filled up
    with its last person; it then has fewer actions than rows.

    Args:
      source: split of a dataset.
      batch_size: number of rows of every batch.
      input_size: side of the crops, pixels.
      num_people: number of people, evenly spread over the dataset; None for all.
      num_betas: number of shape coefficients of the body.

    Raises:
      InputError: the dataset cannot be used.
    """
    people = DatasetReader(source)
    count = min(num_people or len(people), len(people))
    chosen = np.linspace(0, len(people) - 1, count).round().astype(int)
    whole = filter(None, (people.whole(int(row)) for row in chosen))
    while members := list(itertools.islice(whole, batch_size)):
        actions = [record.action for record, _ in members]
        members += [members[-1]] * (batch_size - len(members))
        yield _stack([
            make_example(record, photo, Draw(), input_size, num_betas)
            for record, photo in members
        ]), actions  # fmt: skip
