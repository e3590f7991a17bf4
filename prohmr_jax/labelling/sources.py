"""Where people come from: files of detections, or a dataset on disk."""

import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.boxes import MIN_CONFIDENCE
from prohmr_jax.data.pipeline import dataset_directory
from prohmr_jax.data.records import PersonRecord, from_example
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection, as_body25, read_detections
from prohmr_jax.files.images import image_size
from prohmr_jax.files.photos import photo_of, require_within
from prohmr_jax.labelling.people import Sighting, Source, Unit
from prohmr_jax.skeleton import BODY_25, JOINTS_44, TWINS_44
from prohmr_jax.structs import Keypoints2D

DATASET = "dataset"
_LIST_SUFFIX = ".txt"
_DATASET_FILE = "dataset_info.json"


@dataclasses.dataclass(frozen=True)
class Files:
    """Detections in files, with or without the photos."""

    paths: Sequence[Path]
    names: Sequence[str]
    """What results call the files."""
    photo: str
    """"none", or empty for the photo beside the detections, if any."""
    exif: str
    image_size: tuple[int, int]
    """Of photos that are not there; zeros: not known."""

    def __len__(self) -> int:
        """Returns the number of files."""
        return len(self.paths)

    def fingerprint(self) -> str:
        """Returns a digest of the files' names, sizes and times."""
        digest = hashlib.sha256()
        for path, name in zip(self.paths, self.names, strict=True):
            try:
                found = path.stat()
                digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(f"{name} missing\n".encode())
        return digest.hexdigest()

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
        sizes: dict[Path, tuple[int, int]] = {}
        for person in found.people:
            try:
                people.append(self._with_photo(path, name, person, sizes))
            except InputError as error:
                who = f"{name}: person {person.person_index}"
                photo = Path(error.path).name
                left_out.append(f"{who}: its photo {photo} {error.what}")
        return Unit(people, left_out)

    def _with_photo(self, path, name, person, sizes) -> Sighting:
        photo, size = photo_of(path, person, self.photo), self.image_size
        if photo is not None:
            if photo not in sizes:
                sizes[photo] = image_size(photo, exif=self.exif)
            size = sizes[photo]
            require_within(photo, size, person)
        return Sighting(
            detection=person,
            keypoints=_as_44(person.keypoints),
            source=name,
            photo=photo,
            photo_name="" if photo is None else photo.name,
            image_size=size,
        )


class Records:
    """The people of a dataset on disk, split after split."""

    def __init__(self, directory: Path, name: str):
        """Opens a dataset; InputError if it cannot be read."""
        self._directory, self._name = dataset_directory(directory), name
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
        return Files(files, names, "", "", (0, 0)).fingerprint()

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
            return Unit(left_out=[f"{who}: its photo {error.what}"])
        return Unit([person])

    def _sighting(self, record: PersonRecord, number, keypoints, shown) -> Sighting:
        return Sighting(
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


def _as_44(body_25: Keypoints2D) -> Keypoints2D:
    """The same people with the joints that detectors do not know missing."""
    missing = len(JOINTS_44) - len(BODY_25)
    return Keypoints2D(
        np.pad(body_25.xy, ((0, missing), (0, 0))),
        np.pad(body_25.confidence, (0, missing)),
    )


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


def open_source(
    path: str | os.PathLike, photo: str, exif: str, size: tuple[int, int]
) -> Source:
    """Returns the people of a path.

    Args:
      path: a file of detections; a folder of them, with those in it; a `.txt` file that
        lists them, a path per line, relative to it; or a dataset of `data.records`.
      photo: see `Files`, as the next two.
      exif: see `read_image`.
      size: (width, height).

    Raises:
      InputError: there is no such thing, or it holds nothing.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob(f"**/{_DATASET_FILE}")):
        return Records(path, path.name)
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
    return Files(paths, names, photo, exif, size)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
