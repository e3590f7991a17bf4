"""Where people come from: files of detections, or a dataset on disk."""

import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.bulk_fitting.detected_people import Photos, PhotoSettings
from prohmr_jax.bulk_fitting.person_stream import Sighting, Source, Unit
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.pipeline import dataset_directory
from prohmr_jax.data.records import PersonRecord, from_example
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection, as_body25, read_detections
from prohmr_jax.files.images import image_size
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.skeleton import BODY_25, TWINS_44
from prohmr_jax.structs import Box, Keypoints2D

DATASET = "dataset"
_LIST_SUFFIX = ".txt"
_DATASET_FILE = "dataset_info.json"


def fingerprint(paths: Sequence[Path], names: Sequence[str]) -> str:
    """Returns a digest of files' names, sizes and times."""
    digest = hashlib.sha256()
    for path, name in zip(paths, names, strict=True):
        try:
            found = path.stat()
            digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{name} missing\n".encode())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Files:
    """Detections in files, with or without the photos."""

    paths: Sequence[Path]
    names: Sequence[str]
    """What results call the files."""
    settings: PhotoSettings

    def __len__(self) -> int:
        """Returns the number of files."""
        return len(self.paths)

    def fingerprint(self) -> str:
        """Returns a digest of the files' names, sizes and times."""
        return fingerprint(self.paths, self.names)

    def read(self, number: int) -> Unit:
        """Returns the people of a file."""
        path, name = self.paths[number], self.names[number]
        try:
            found = read_detections(path)
        except InputError as error:
            return Unit(left_out=[f"{name}: {error.what}"])
        people = []
        left_out = [
            f"{name}: person {person.person_index} {person.reason}"
            for person in found.left_out
        ]
        photos = Photos(self.settings)
        for person in found.people:
            try:
                people.append(photos.sighting(path, name, person))
            except InputError as error:
                who = f"{name}: person {person.person_index}"
                left_out.append(f"{who}: {Path(error.path).name} {error.what}")
        return Unit(people, left_out)


class Records:
    """The people of a dataset on disk, split after split."""

    def __init__(self, directory: Path, name: str, crop_px: int | None = None):
        """Opens a dataset; InputError if it cannot be read.

        Args:
          directory: of the dataset, or one above it.
          name: what results call it.
          crop_px: see `PhotoSettings`.
        """
        self._directory, self._name = dataset_directory(directory), name
        self._crop_px = crop_px
        try:
            builder = tfds.builder_from_directory(self._directory)
            self._splits = [
                builder.as_data_source(
                    split, decoders={"image": tfds.decode.SkipDecoding()}
                )
                for split in sorted(builder.info.splits)
            ]
        except (ValueError, KeyError, OSError) as error:
            raise InputError(self._directory, f"cannot be read: {error}") from error
        self._ends = np.cumsum([len(split) for split in self._splits])
        if not len(self):
            raise InputError(self._directory, "holds no records")

    def __len__(self) -> int:
        """Returns the number of records."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def fingerprint(self) -> str:
        """Returns a digest of the names, sizes and times of the dataset's files."""
        files = sorted(file for file in self._directory.iterdir() if file.is_file())
        names = [file.name for file in files]
        return fingerprint(files, names)

    def read(self, number: int) -> Unit:
        """Returns the one person of a record."""
        split = int(np.searchsorted(self._ends, number, side="right"))
        place = number - int(self._ends[split]) + len(self._splits[split])
        record = from_example(self._splits[split][place])
        keypoints = record.keypoints_2d.astype(np.float32)
        keypoints = Keypoints2D(keypoints[:, :2], np.clip(keypoints[:, 2], 0.0, 1.0))
        shown = _shown_of(keypoints)
        who = f"{self._name}: record {number} ({record.name})"
        if not np.isfinite(keypoints.xy[keypoints.confidence > 0]).all():
            return Unit(left_out=[f"{who} has a keypoint that is not finite"])
        seen = shown.confidence > MIN_CONFIDENCE
        if np.sum(seen) < 2 or np.ptp(shown.xy[seen], axis=0).max() <= 0:
            return Unit(left_out=[f"{who} has fewer than two keypoints apart"])
        try:
            person = self._sighting(record, number, keypoints, shown)
        except InputError as error:
            return Unit(left_out=[f"{who}: {error.what}"])
        return Unit([person])

    def _sighting(self, record: PersonRecord, number, keypoints, shown) -> Sighting:
        sighting = Sighting(
            detection=Detection(shown, number, DATASET, record.name),
            keypoints=keypoints,
            source=self._name,
            photo=record.image,
            photo_name=record.name,
            # As the labels, in the frame of the stored pixels.
            image_size=image_size(
                io.BytesIO(record.image), exif="ignore", name=record.name
            ),
            intrinsics=np.asarray(record.intrinsics),
        )
        if self._crop_px is None:
            return sighting
        box = Box(record.box_center.astype(np.float32), np.float32(record.box_size))
        photo = decode_image(record.image, record.name)
        return sighting.cropped(photo, box, self._crop_px)


def _shown_of(keypoints: Keypoints2D) -> Keypoints2D:
    """BODY_25 for the encoder: a joint that is missing stands where its twin does."""
    xy, confidence = keypoints.xy.copy(), keypoints.confidence.copy()
    for joint, twin in TWINS_44:
        if confidence[joint] == 0 and confidence[twin] > 0:
            xy[joint], confidence[joint] = xy[twin], confidence[twin]
    # Neck and mid-hip, if missing, are between shoulders and hips.
    known = [
        name if confidence[joint] > 0 else f"no {name}"
        for joint, name in enumerate(BODY_25.names)
    ]
    body_25 = Keypoints2D(xy[: len(known)], confidence[: len(known)])
    shown = as_body25(body_25, known)
    return Keypoints2D(shown.xy.astype(np.float32), shown.confidence.astype(np.float32))


def open_source(path: str | os.PathLike, settings: PhotoSettings) -> Source:
    """Returns the people of a path.

    Args:
      path: a file of detections; a folder of them, with those in it; a `.txt` file that
        lists them, a path per line, relative to it; or a dataset of `data.records`.
      settings: of their photos.

    Raises:
      InputError: there is no such thing, or it holds nothing.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob(f"**/{_DATASET_FILE}")):
        return Records(path, path.name, settings.crop_px)
    if path.is_dir():
        paths = sorted(file for file in path.rglob("*.json") if file.is_file())
        names = [file.relative_to(path).as_posix() for file in paths]
    elif path.suffix == _LIST_SUFFIX:
        names = _lines(path)
        paths = [path.parent / name for name in names]
    else:
        paths, names = [path], [path.name]
        if not path.exists():
            raise InputError(path, "no such file or folder")
    if not paths:
        raise InputError(path, "holds no .json file" if path.is_dir() else "is empty")
    return Files(paths, names, settings)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
