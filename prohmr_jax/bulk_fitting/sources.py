"""Reads the people to fit from photos, files of detections or a dataset on disk.

The mode "fit" opens its input with `open_source`.
"""

import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prohmr_jax.bulk_fitting.detected_people import person_input
from prohmr_jax.bulk_fitting.person_stream import PersonInput, Source, SourceItem
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.dataset_reader import (
    dataset_builder,
    dataset_directory,
    open_split,
)
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.errors import InputError
from prohmr_jax.files.detected_keypoints import as_body25
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import image_size
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.skeleton import BODY_25, TWINS_44
from prohmr_jax.structs import Box, Keypoints2D

DATASET = "dataset"
"""Name of the format of detections that come from a dataset's labels."""
_DATASET_FILE = "dataset_info.json"


def files_fingerprint(paths: Sequence[Path], names: Sequence[str]) -> str:
    """Returns a digest of the names, sizes and modification times of files.

    Args:
      paths: the files; a missing one counts as such.
      names: name of each file in the digest, the same wherever the input lies.
    """
    digest = hashlib.sha256()
    for path, name in zip(paths, names, strict=True):
        try:
            status = path.stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{name} missing\n".encode())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class PeopleFiles:
    """Reads people from photos and from files of detections."""

    files: Sequence[InputFile]
    """The files, in the order of results."""
    reader: PeopleReader
    """Reader of their people."""
    crop_px: int | None
    """Side of the crops that an image encoder sees, pixels; None for a keypoint
    encoder."""

    def __len__(self) -> int:
        """Returns the number of files."""
        return len(self.files)

    def fingerprint(self) -> str:
        """Returns a digest of the files' names, sizes and modification times."""
        paths, names = [f.path for f in self.files], [f.name for f in self.files]
        return files_fingerprint(paths, names)

    def read(self, number: int) -> SourceItem:
        """Returns the people of a file."""
        file, people = self.files[number], []
        try:
            in_file = self.reader.read(file)
        except InputError as error:
            return SourceItem(left_out=[f"{file.name}: {fault_of(file.path, error)}"])
        faults = [(p.person_index, p.reason) for p in in_file.left_out]
        for person in in_file.people:
            try:
                whole = person_input(self.reader, person, file.name, self.crop_px)
            except InputError as error:
                what = f"cannot be seen: {fault_of(file.path, error)}"
                faults.append((person.detection.person_index, what))
            else:
                people.append(whole)
        lines = [f"{file.name}: person {n} {reason}" for n, reason in sorted(faults)]
        return SourceItem(people, lines)


def fault_of(path: Path, error: InputError) -> str:
    """Returns what is wrong with a file, or with the photo of its people.

    Args:
      path: the file.
      error: an error that names the file or its photo.
    """
    if Path(error.path) == path:
        return error.what
    return f"the photo ({Path(error.path).name}) {error.what}"


class DatasetRecords:
    """Reads people from a dataset in the format of `data.records`, split by split."""

    def __init__(self, directory: Path, name: str, crop_px: int | None = None):
        """Opens a dataset.

        Args:
          directory: folder of the dataset, or a folder above it.
          name: name of the dataset in results and messages.
          crop_px: side of the crops that an image encoder sees, pixels; None for a
            keypoint encoder.

        Raises:
          InputError: the dataset cannot be read, or is empty.
        """
        self._directory, self._name = dataset_directory(directory), name
        self._crop_px = crop_px
        builder = dataset_builder(self._directory)
        self._splits = [
            open_split(self._directory, builder, split)
            for split in sorted(builder.info.splits)
        ]
        self._ends = np.cumsum([len(split) for split in self._splits])
        if not len(self):
            raise InputError(self._directory, "holds no records")

    def __len__(self) -> int:
        """Returns the number of records."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def fingerprint(self) -> str:
        """Returns a digest of the dataset's files: names, sizes, modification times."""
        files = sorted(file for file in self._directory.iterdir() if file.is_file())
        return files_fingerprint(files, [file.name for file in files])

    def read(self, number: int) -> SourceItem:
        """Returns the one person of a record."""
        split = int(np.searchsorted(self._ends, number, side="right"))
        row = number - int(self._ends[split]) + len(self._splits[split])
        try:
            record = self._splits[split][row]
        except InputError as error:
            return SourceItem(left_out=[f"{self._name}: record {number}: {error.what}"])
        labels = record.keypoints_2d.astype(np.float32)
        keypoints = Keypoints2D(labels[:, :2], np.clip(labels[:, 2], 0.0, 1.0))
        encoder_keypoints = _encoder_keypoints(keypoints)
        who = f"{self._name}: record {number} ({record.name})"
        if not np.isfinite(keypoints.xy[keypoints.confidence > 0]).all():
            return SourceItem(left_out=[f"{who} has a keypoint that is not finite"])
        seen = encoder_keypoints.confidence > MIN_CONFIDENCE
        if np.sum(seen) < 2 or np.ptp(encoder_keypoints.xy[seen], axis=0).max() <= 0:
            return SourceItem(left_out=[f"{who} has fewer than two distinct keypoints"])
        try:
            person = self._person_input(record, number, keypoints, encoder_keypoints)
        except InputError as error:
            return SourceItem(left_out=[f"{who}: {error.what}"])
        return SourceItem([person])

    def _person_input(
        self,
        record: PersonRecord,
        number: int,
        keypoints: Keypoints2D,
        encoder_keypoints: Keypoints2D,
    ) -> PersonInput:
        person = PersonInput(
            detection=Detection(encoder_keypoints, number, DATASET, record.name),
            keypoints=keypoints,
            source=self._name,
            photo=record.image,
            photo_name=record.name,
            # The labels refer to the pixels as they are stored, not as EXIF turns them.
            image_size=image_size(
                io.BytesIO(record.image), exif="ignore", name=record.name
            ),
            intrinsics=np.asarray(record.intrinsics),
        )
        if self._crop_px is None:
            return person
        box = Box(record.box_center.astype(np.float32), np.float32(record.box_size))
        photo = decode_image(record.image, record.name)
        return person.cropped(photo, box, self._crop_px)


def _encoder_keypoints(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns labels (JOINTS_44) as the BODY_25 keypoints that the encoder sees.

    A joint without a label takes the position of its twin, the joint of another
    protocol that lies at the same place. Neck and mid-hip, if still missing, are the
    midpoints of shoulders and hips.
    """
    xy, confidence = keypoints.xy.copy(), keypoints.confidence.copy()
    for joint, twin in TWINS_44:
        if confidence[joint] == 0 and confidence[twin] > 0:
            xy[joint], confidence[joint] = xy[twin], confidence[twin]
    # `as_body25` computes the midpoints for joints that have no name.
    names = [
        name if confidence[joint] > 0 else f"no {name}"
        for joint, name in enumerate(BODY_25.names)
    ]
    labelled = Keypoints2D(xy[: len(names)], confidence[: len(names)])
    body_25 = as_body25(labelled, names)
    return Keypoints2D(
        body_25.xy.astype(np.float32), body_25.confidence.astype(np.float32)
    )


def open_source(
    path: str | os.PathLike, reader: PeopleReader, output: Path, crop_px: int | None
) -> Source:
    """Returns the people of photos and detections, or of a dataset.

    Args:
      path: a photo, a file of detections, a folder or list of both (see
        `detection.input_files`), or the folder of a dataset of `data.records`.
      reader: reader of photos and detections.
      output: folder of the results; what lies there is no input.
      crop_px: side of the crops that an image encoder sees, pixels; None for a keypoint
        encoder.

    Raises:
      InputError: the path does not exist, or holds nothing to read.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob(f"**/{_DATASET_FILE}")):
        return DatasetRecords(path, path.name, crop_px)
    return PeopleFiles(reader.files(path, output), reader, crop_px)
