"""Reads datasets of people from disk, in random access.

`pipeline` makes batches of what is read; the writers of datasets check with it what
they have written.
"""

import contextlib
import dataclasses
import logging
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.records import PersonRecord, from_example
from prohmr_jax.errors import InputError

# More damaged photos in a row than this are no accident.
_MOST_DAMAGED = 20
# As many characters of a library's message are shown.
_LONGEST_FAULT = 200
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Source:
    """Names one split of a dataset on disk, and its share in a mixture."""

    directory: str
    """Directory of the dataset, or one above it."""
    split: str
    """Name of the split, such as "train"."""
    weight: float
    """Share in the mixture, relative to the other sources."""


def dataset_directory(path: str | pathlib.Path) -> pathlib.Path:
    """Returns the directory of the one dataset that lies in a directory or below it.

    Raises:
      InputError: there is no dataset, or more than one.
    """
    descriptions = sorted(pathlib.Path(path).glob("**/dataset_info.json"))
    # What a killed build leaves behind is hidden, or called incomplete.
    directories = [
        file.parent
        for file in descriptions
        if not re.search(r"(^|/)\.|incomplete", file.relative_to(path).as_posix())
    ]
    if len(directories) != 1:
        count = len(directories)
        raise InputError(path, f"holds {count or 'no'} dataset{'s' if count else ''}")
    return directories[0]


class SplitRecords:
    """Reads the records of one split of a dataset."""

    def __init__(self, directory: pathlib.Path, split: str, data_source: Sequence):
        """Keeps what reads the records.

        Args:
          directory: directory of the dataset, for messages.
          split: name of the split, for messages.
          data_source: records of the split, as tensorflow-datasets gives them.
        """
        self._directory, self._split = directory, split
        self._data_source = data_source

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self._data_source)

    def __getitem__(self, number: int) -> PersonRecord:
        """Returns a record, whose photo has not been decoded.

        Raises:
          InputError: the file of the record is damaged.
        """
        what = f"record {number} of {self._split!r} is damaged"
        with _faults_named(self._directory, what):
            return from_example(self._data_source[number])


def dataset_builder(directory: pathlib.Path) -> tfds.core.DatasetBuilder:
    """Returns what tensorflow-datasets knows of a dataset.

    Args:
      directory: directory of the dataset, as `dataset_directory` returns it.

    Raises:
      InputError: the description of the dataset is damaged.
    """
    with _faults_named(directory, "has a damaged description"):
        return tfds.builder_from_directory(directory)


def open_split(
    directory: pathlib.Path, builder: tfds.core.DatasetBuilder, split: str
) -> SplitRecords:
    """Returns the records of a split.

    Args:
      directory: directory of the dataset.
      builder: as `dataset_builder` returns it.
      split: name of the split.

    Raises:
      InputError: there is no such split, or its files are damaged.
    """
    with _faults_named(directory, f"has no split {split!r} that can be read"):
        decoders = {"image": tfds.decode.SkipDecoding()}
        records = builder.as_data_source(split, decoders=decoders)
        len(records)  # Files are opened only now.
        return SplitRecords(directory, split, records)


@contextlib.contextmanager
def _faults_named(directory: pathlib.Path, what: str) -> Iterator[None]:
    """Turns what tensorflow-datasets raises into an InputError of one line.

    Args:
      directory: directory of the dataset.
      what: what is wrong then.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Damaged files give errors of several libraries.
        fault = str(error)[:_LONGEST_FAULT] or type(error).__name__
        raise InputError(directory, f"{what}: {fault}") from error


class DatasetReader:
    """Reads the records of a source and decodes their photos.

    A record or a photo that is damaged is logged once and replaced by the next one.

    Attributes:
      skipped: names of the damaged photos and records that were met so far.
    """

    def __init__(self, source: Source):
        """Opens the files of a source.

        Raises:
          InputError: there is no such dataset or split, or nobody is in it.
        """
        directory = dataset_directory(source.directory)
        self.skipped: set[str] = set()
        builder = dataset_builder(directory)
        self._records = open_split(directory, builder, source.split)
        if not len(self._records):
            raise InputError(directory, f"has nobody in split {source.split!r}")

    def __len__(self) -> int:
        """Returns the number of people."""
        return len(self._records)

    def __getitem__(self, number: int) -> tuple[PersonRecord, np.ndarray]:
        """Returns a record and its photo, [H, W, 3], uint8, RGB.

        Raises:
          InputError: this photo and many after it are damaged.
        """
        for offset in range(_MOST_DAMAGED):
            try:
                return self._read((number + offset) % len(self))
            except InputError as error:
                name = error.path
        raise InputError(name, f"and {_MOST_DAMAGED - 1} before it are damaged")

    def person_of(self, number: int) -> str:
        """Returns the text that all views of a person share, empty where there is none.

        Raises:
          InputError: the record is damaged.
        """
        return self._records[number].person

    def whole(self, number: int) -> tuple[PersonRecord, np.ndarray] | None:
        """Returns a record and its photo, or None where one of them is damaged.

        Evaluations leave such people out, so that nobody counts twice.
        """
        try:
            return self._read(number)
        except InputError:
            return None

    def _read(self, number: int) -> tuple[PersonRecord, np.ndarray]:
        """Returns a record and its photo; raises InputError, which is logged once."""
        name = f"record {number}"
        try:
            record = self._records[number]
            name = record.name
            return record, decode_image(record.image, name)
        except InputError as error:
            if name not in self.skipped:
                self.skipped.add(name)
                count = len(self.skipped)
                _LOG.warning("skipped, %d so far: %s", count, error)
            raise InputError(name, error.what) from error
