"""Where people come from: files of detections, or a dataset on disk."""

import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import tensorflow_datasets as tfds

from prohmr_jax.boxes import MIN_CONFIDENCE, box_from_keypoints
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.pipeline import dataset_directory
from prohmr_jax.data.records import PersonRecord, from_example
from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection, as_body25, read_detections
from prohmr_jax.files.images import image_size, read_image
from prohmr_jax.files.photos import photo_of, require_within
from prohmr_jax.labelling.people import Sighting, Source, Unit
from prohmr_jax.skeleton import BODY_25, JOINTS_44, TWINS_44
from prohmr_jax.structs import Box, Keypoints2D

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
    crop_px: int | None = None
    """Side of the crops that the model looks at, if it looks at photos."""

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
        photos = _Photos(self.exif, self.crop_px is not None)
        for person in found.people:
            try:
                people.append(self._with_photo(path, name, person, photos))
            except InputError as error:
                who = f"{name}: person {person.person_index}"
                left_out.append(f"{who}: {Path(error.path).name} {error.what}")
        return Unit(people, left_out)

    def _with_photo(self, path, name, person: Detection, photos: "_Photos") -> Sighting:
        photo, size = photo_of(path, person, self.photo), self.image_size
        if photo is not None:
            size = photos.size(photo)
            require_within(photo, size, person)
        sighting = Sighting(
            detection=person,
            keypoints=_as_44(person.keypoints),
            source=name,
            photo=photo,
            photo_name="" if photo is None else photo.name,
            image_size=size,
        )
        if self.crop_px is None:
            return sighting
        box = jax.device_get(box_from_keypoints(person.keypoints))
        pixels = None if photo is None else photos.pixels(photo)
        return sighting.cropped(pixels, box, self.crop_px)


@dataclasses.dataclass
class _Photos:
    """The photos of one file: each is opened once, and only the last one is kept."""

    exif: str
    decode: bool
    sizes: dict[Path, tuple[int, int]] = dataclasses.field(default_factory=dict)
    last: tuple[Path, np.ndarray] | None = None

    def size(self, path: Path) -> tuple[int, int]:
        """Returns (width, height)."""
        if path not in self.sizes:
            self.sizes[path] = (
                self.pixels(path).shape[1::-1]
                if self.decode
                else image_size(path, exif=self.exif)
            )
        return self.sizes[path]

    def pixels(self, path: Path) -> np.ndarray:
        """Returns the photo [H, W, 3]."""
        if self.last is None or self.last[0] != path:
            self.last = path, read_image(path, exif=self.exif)
        return self.last[1]


class Records:
    """The people of a dataset on disk, split after split."""

    def __init__(self, directory: Path, name: str, crop_px: int | None = None):
        """Opens a dataset; InputError if it cannot be read.

        Args:
          directory: of the dataset, or one above it.
          name: what results call it.
          crop_px: see `Files`.
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
    path: str | os.PathLike,
    photo: str,
    exif: str,
    size: tuple[int, int],
    crop_px: int | None = None,
) -> Source:
    """Returns the people of a path.

    Args:
      path: a file of detections; a folder of them, with those in it; a `.txt` file that
        lists them, a path per line, relative to it; or a dataset of `data.records`.
      photo: see `Files`, as the next two.
      exif: see `read_image`.
      size: (width, height).
      crop_px: see `Files`.

    Raises:
      InputError: there is no such thing, or it holds nothing.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob(f"**/{_DATASET_FILE}")):
        return Records(path, path.name, crop_px)
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
    return Files(paths, names, photo, exif, size, crop_px)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
