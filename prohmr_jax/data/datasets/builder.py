"""Writes records of people as a dataset that tensorflow-datasets reads.

`tools/make_dataset.py` and `synthetic.dataset` call it. The files are ArrayRecords;
TensorFlow is not needed. A dataset appears complete or not at all; people whose photo
is missing or damaged are logged, left out and counted.
"""

import concurrent.futures
import dataclasses
import functools
import itertools
import logging
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from prohmr_jax.data.datasets.attach_photos import with_photo
from prohmr_jax.data.datasets.cleaning import clean
from prohmr_jax.data.datasets.label_counts import LabelCounts
from prohmr_jax.data.prefetch import map_ahead
from prohmr_jax.data.records import PersonRecord, record_features, to_example
from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import make_directory_atomically

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# If the first people, so many of them, all have no photo, the folder is the wrong one.
_MOST_SKIPPED_AT_FIRST = 100
# A shard of so many whole photos has 50 to 100 MB.
_PEOPLE_PER_SHARD = 1000
_PEOPLE_PER_WRITE = 100


@dataclasses.dataclass
class Tally:
    """Counts the people of a dataset that were written or left out."""

    people: dict[str, int] = dataclasses.field(default_factory=dict)
    """Split -> number of records."""
    labels: dict[str, LabelCounts] = dataclasses.field(default_factory=dict)
    """Split -> what its people have labels for."""
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    """Reason why people were left out -> number of these people."""

    @property
    def skipped(self) -> int:
        """Number of people left out, in all splits."""
        return sum(self.faults.values())


def write_dataset(
    output: str | os.PathLike,
    name: str,
    splits: Mapping[str, Iterable[PersonRecord]],
    *,
    images: str | os.PathLike | None = None,
    box_px: int | None = None,
    settings: Mapping[str, str] | None = None,
    num_threads: int = 4,
) -> Tally:
    """Writes a dataset, with a progress bar on stderr.

    Args:
      output: directory of the dataset, which has to be new or empty.
      name: name of the dataset: lower-case letters, digits and "_".
      splits: name of a split -> its people, in the order in which they are stored. Each
        iterable is read once. The photo of a record that has none is looked for in
        `images`.
      images: folder of photos.
      box_px: None keeps whole photos; otherwise see `attach_photos.with_photo`.
      settings: description of how the dataset was made, kept beside the data.
      num_threads: number of threads that read and encode photos.

    Returns:
      The numbers of people that were written and left out.

    Raises:
      InputError: no person can be used, a name has other characters, or the output is
        not empty or cannot be written. Errors of the iterables are passed on.
    """
    for word in (name, *splits):
        if not _NAME.fullmatch(word):
            raise InputError(word, "is no name of lower-case letters, digits and _")
    prepare = functools.partial(_prepare, images=images, box_px=box_px)
    tally = Tally()

    def fill(directory: Path) -> None:
        examples = {
            split: _examples(prepare, tally, split, records, images, num_threads)
            for split, records in splits.items()
        }
        builder = PeopleBuilder(
            name, settings or {}, examples, data_dir=directory,
            file_format="array_record",
        )  # fmt: skip
        try:
            builder.download_and_prepare()
        except RuntimeError as error:  # of the writer, which is not in Python
            raise InputError(output, f"cannot be written: {error}") from error

    with logging_redirect_tqdm():
        make_directory_atomically(output, fill)
    return tally


class PeopleBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes the examples of one dataset, in order."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        name: str,
        settings: Mapping[str, str],
        splits: Mapping[str, Iterator[dict]],
        **options: object,
    ):
        """Keeps what is to be written.

        Args:
          name: name of the dataset.
          settings: description of how it was made.
          splits: name of a split -> its examples, which are read once.
          **options: options of the base class.
        """
        self.name = name
        self._settings = dict(settings)
        self._splits = splits
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=record_features(),
            metadata=tfds.core.MetadataDict(self._settings),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: object) -> Mapping[str, Iterator[dict]]:
        return self._splits

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        return enumerate(self._splits[split])

    def download_and_prepare(self) -> None:
        """Writes all splits; nothing is downloaded.

        The writer of the base class would sort the examples, and above 1 GB it does so
        in files that only TensorFlow opens. This one writes them as they come.
        """
        Path(self.data_dir).mkdir(parents=True)
        writer = tfds.core.SequentialWriter(
            self.info, _PEOPLE_PER_SHARD, file_format="array_record"
        )
        writer.initialize_splits(list(self._splits))
        for split in self._splits:
            examples = (example for _, example in self._generate_examples(split))
            while chunk := list(itertools.islice(examples, _PEOPLE_PER_WRITE)):
                writer.add_examples({split: chunk})
        writer.close_all()


def _examples(
    prepare: Callable[[PersonRecord], PersonRecord | InputError],
    tally: Tally,
    split: str,
    records: Iterable[PersonRecord],
    images: str | os.PathLike | None,
    num_threads: int,
) -> Iterator[dict]:
    """Yields the examples of a split, and counts people in the tally."""
    tally.people[split] = skipped = 0
    tally.labels[split] = LabelCounts()
    first = "there is nobody"
    total = operator.length_hint(records) or None
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        ready = map_ahead(pool, prepare, records, 2 * num_threads)
        for record in tqdm(ready, desc=split, total=total, unit=" people"):
            if isinstance(record, PersonRecord):
                yield to_example(record)
                tally.people[split] += 1
                tally.labels[split].add(record)
                continue
            fault = str(record)
            first = first if skipped else fault
            skipped += 1
            tally.faults[fault] = tally.faults.get(fault, 0) + 1
            if tally.faults[fault] == 1:
                _LOG.warning("skipped, %d so far: %s", tally.skipped, fault)
            if skipped >= _MOST_SKIPPED_AT_FIRST and not tally.people[split]:
                break
    if not tally.people[split]:
        what = f"nobody of split {split!r} can be used; the first: {first}"
        raise InputError(images or split, what)


def _prepare(
    record: PersonRecord, images: str | os.PathLike | None, box_px: int | None
) -> PersonRecord | InputError:
    try:
        return with_photo(clean(record), images, box_px)
    except InputError as fault:
        return fault
