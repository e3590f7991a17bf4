"""Reads datasets of people from disk, in random access.

`pipeline` makes batches of what is read; the writers of datasets check with it what
they have written.
"""

import dataclasses
import logging
import pathlib
import re

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.records import PersonRecord, from_example
from prohmr_jax.errors import InputError

# More damaged photos in a row than this are no accident.
_MOST_DAMAGED = 20
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


class DatasetReader:
    """Reads the records of a source and decodes their photos.

    A photo that is damaged is logged once and replaced by the next one.

    Attributes:
      skipped: names of the damaged photos that were met so far.
    """

    def __init__(self, source: Source):
        """Opens the files of a source.

        Raises:
          InputError: there is no such dataset or split, or nobody is in it.
        """
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
        """Returns a record and its photo, [H, W, 3], uint8, RGB.

        Raises:
          InputError: this photo and many after it are damaged.
        """
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
