"""Keeps what a detector found in rendered views, beside the views' true geometry.

The mode "measure_detector" writes a file for each chunk of views, and reads them all to
fit `priors.detector_errors.DetectorErrors`.
"""

import dataclasses
import json
import os
from pathlib import Path

import jax
import numpy as np
from flax import struct
from jaxtyping import Array, Bool

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.skeleton import COCO_17, SMPL_24
from prohmr_jax.structs import Keypoints2D, PictureFeatures
from prohmr_jax.synthetic.detector_views import TrueViews, ViewSettings

_FILE_NAME = "views_{:05d}.npz"
_JOINTS = len(COCO_17)
_EXPECTED = {
    "settings": Expected((), "text"),
    "held_out": Expected((), "integer"),
    "axis_angle": Expected(("N", len(SMPL_24), 3)),
    "betas": Expected(("N", "S")),
    "translation": Expected(("N", 3)),
    "focal_length": Expected(("N",)),
    "center": Expected(("N", 2)),
    "xy": Expected(("N", _JOINTS, 2)),
    "confidence": Expected(("N", _JOINTS)),
    "covered": Expected(("N", _JOINTS), "integer"),
}


@struct.dataclass
class MeasuredViews:
    """Holds N views and what a detector found in them."""

    true: TrueViews
    """True geometry."""
    detected: Keypoints2D
    """Detections [N, 17] of COCO_17, pixels of the picture."""
    covered: Bool[Array, "N 17"]
    """Whether the joint is behind an object or outside the picture."""


def chunk_path(directory: str | os.PathLike, chunk: int) -> Path:
    """Returns the path of the file of a chunk."""
    return Path(directory) / _FILE_NAME.format(chunk)


def write_chunk(
    path: str | os.PathLike,
    views: MeasuredViews,
    settings: ViewSettings,
    held_out: bool,
    features: PictureFeatures | None = None,
) -> None:
    """Writes the views of a chunk in one step.

    Args:
      path: the file.
      views: the views.
      settings: how the views were made.
      held_out: whether they are kept for tests.
      features: what the detector sees of the person in each view, written as float16;
        None for none.

    Raises:
      InputError: the file cannot be written.
    """
    arrays = {
        field.name: np.asarray(getattr(views.true, field.name), np.float32)
        for field in dataclasses.fields(views.true)
    }
    arrays |= {
        "settings": np.array(_described(settings)),
        "held_out": np.array(int(held_out)),
        "xy": np.asarray(views.detected.xy, np.float32),
        "confidence": np.asarray(views.detected.confidence, np.float32),
        "covered": np.asarray(views.covered, np.uint8),
    }
    if features is not None:
        arrays |= {
            field.name: np.asarray(getattr(features, field.name), np.float16)
            for field in dataclasses.fields(features)
        }
    write_npz(path, arrays)


def has_features(path: str | os.PathLike) -> bool:
    """Returns whether a chunk exists and holds the features of its pictures.

    Raises:
      InputError: the file is damaged.
    """
    if not os.path.exists(path):
        return False
    expected = Expected(("N", None), optional=True)
    return "pooled" in read_npz(path, {"pooled": expected})


def read_chunks(
    directory: str | os.PathLike, settings: ViewSettings
) -> tuple[MeasuredViews, MeasuredViews]:
    """Returns the views of all chunks: those to fit to, and those held out.

    Args:
      directory: directory of the chunks.
      settings: how the views were made.

    Raises:
      InputError: a file is damaged or was made with other settings, or there is no
        view to fit to or none that is held out.
    """
    parts: dict[bool, list[MeasuredViews]] = {False: [], True: []}
    for path in sorted(Path(directory).glob(_FILE_NAME.replace("{:05d}", "*"))):
        arrays = read_npz(path, _EXPECTED)
        if str(arrays["settings"]) != _described(settings):
            what = f"was made with other settings: {arrays['settings']}"
            raise InputError(path, what)
        names = [field.name for field in dataclasses.fields(TrueViews)]
        views = MeasuredViews(
            TrueViews(**{name: arrays[name] for name in names}),
            Keypoints2D(arrays["xy"], arrays["confidence"]),
            arrays["covered"].astype(bool),
        )
        parts[bool(arrays["held_out"])].append(views)
    if not all(parts.values()):
        raise InputError(directory, "holds no views to fit to, or none to test on")
    join = lambda *arrays: np.concatenate(arrays)  # noqa: E731
    return tuple(jax.tree.map(join, *parts[held_out]) for held_out in (False, True))


def _described(settings: ViewSettings) -> str:
    return json.dumps(dataclasses.asdict(settings))
