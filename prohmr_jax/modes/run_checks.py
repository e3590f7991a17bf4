"""Checks that a run will find what its config names, before any work starts.

`main` calls `require_ready` before every mode, because some modes need a file only
after hours; `doctor` prints the checks one by one. Readers that most runs do not need
are imported where they are called, because importing all of them takes a second.
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

from ml_collections import ConfigDict

from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import IMAGE_ENCODER
from prohmr_jax.files.atomic import require_writable, require_writable_file
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.models.lifter_spec import LifterSpec
from prohmr_jax.weights.headers import read_header, spec_from_header
from prohmr_jax.weights.weight_files import STATES

# Value of `encoder_weights` for the weights that ship.
_SHIPPED = "shipped"
# Modes whose `output` is a folder; that of the others is a file.
_OUTPUT_FOLDERS = (
    "demo", "fit", "multiview", "video", "export", "evaluate_images", "evaluate_real",
    "evaluate_real_video", "evaluate_open_benchmark", "evaluate_detector",
    "evaluate_table", "evaluate_table_fits", "evaluate_table_views",
    "measure_detector", "render_people",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Check:
    """Names one thing that must be there, and finds out whether it is."""

    name: str
    """Name of the thing in what is printed, such as the config key that names it."""
    find: Callable[[], str]
    """Function that returns what is there in a few words, and raises `InputError` where
    it cannot be used."""


def _body(path: str) -> str:
    _, identity = read_identified_body(path)
    return f"the body {identity}, {identity.num_vertices} vertices"


def _model_weights(path: str) -> str:
    spec = spec_from_header(pathlib.Path(path), _saved_header(path))
    return f"{path}: a model with the encoder {spec.encoder!r}"


def _lifter_weights(path: str) -> str:
    spec = spec_from_header(pathlib.Path(path), _saved_header(path), LifterSpec)
    return f"{path}: a lifter of skeletons with the head {spec.head!r}"


def _saved_header(path: str) -> Mapping:
    """Returns the header of weights that are complete, as far as their names tell."""
    header = read_header(pathlib.Path(path))
    if os.path.isdir(path) and not _has_states(pathlib.Path(path)):
        raise InputError(path, "holds no finished checkpoint")
    return header


def _has_states(directory: pathlib.Path) -> bool:
    """Returns whether a training directory holds a state to go on from."""
    return any((directory / STATES).glob("[0-9]*"))


def _encoder_weights(path: str) -> str:
    path = str(IMAGE_ENCODER) if path == _SHIPPED else path
    header = _saved_header(path)
    name = header.get("encoder") or spec_from_header(pathlib.Path(path), header).encoder
    return f"{path}: the encoder {name!r}"


def _pose_bank(path: str) -> str:
    from prohmr_jax.poses.bank import read_pose_bank

    return f"{path}: {len(read_pose_bank(path))} poses"


def _held_out_clips(path: str) -> str:
    from prohmr_jax.poses.bank import read_held_out_clips

    return f"{path}: {len(read_held_out_clips(path))} clips"


def _pose_prior(path: str) -> str:
    from prohmr_jax.priors.gaussian_mixture import load_pose_prior

    return f"{path}: {len(load_pose_prior(path).weights_log)} Gaussians"


def _pose_flow(path: str) -> str:
    from prohmr_jax.priors.pose_flow import load_pose_flow

    load_pose_flow(path)
    return f"{path}: a flow"


def _mocap(path: str) -> str:
    from prohmr_jax.data.datasets.mocap import read_mocap

    return f"{path}: {len(read_mocap(path).poses)} poses"


def _cameras(path: str) -> str:
    from prohmr_jax.files.calibrations.any_format import read_cameras

    return f"{path}: {len(read_cameras(pathlib.Path(path)))} cameras"


def _benchmark(path: str) -> str:
    from prohmr_jax.evaluation.open_benchmark import read_benchmark

    return f"{path}: {len(read_benchmark(path).parts)} people"


def _existing(path: str) -> str:
    if not os.path.exists(path):
        raise InputError(path, "no such file or folder")
    return f"{path} exists"


def _video(path: str) -> str:
    from prohmr_jax.files.videos import describe_video

    return describe_video(path)


def _encoder_of_videos(codec: str) -> str:
    from prohmr_jax.files.video_writer import require_encoder

    return f"{codec}, written by {require_encoder(codec)}"


def _writable_folder(path: str) -> str:
    require_writable(path)
    return f"{path} can be written"


def _writable_file(path: str) -> str:
    require_writable_file(path)
    return f"{path} can be written"


def _dataset(directory: str, split: str) -> str:
    from prohmr_jax.data.dataset_reader import DatasetReader, Source

    people = len(DatasetReader(Source(directory, split, weight=1.0)))
    return f"{directory}, {split}: {people} people"


CHECKED_KEYS: Mapping[str, Callable[[str], str]] = {
    "body": _body,
    "checkpoint": _model_weights,
    "regression": _model_weights,
    "weights": _model_weights,
    "lifter": _lifter_weights,
    "encoder_weights": _encoder_weights,
    "pose_bank": _pose_bank,
    "held_out": _held_out_clips,
    "pose_prior": _pose_prior,
    "pose_flow": _pose_flow,
    "mocap": _mocap,
    "cameras": _cameras,
    "benchmark": _benchmark,
    "input": _existing,
    "labels": _existing,
    "images": _existing,
    "gate": _existing,
    "codec": _encoder_of_videos,
    "model": _writable_file,
    "report": _writable_file,
    "sheet": _writable_file,
    "ratios": _writable_file,
}
"""How the value of a key is checked, in whichever part of a config the key is.

Empty values, for which a run uses what ships or nothing, are not checked. Outputs and
datasets have checks of their own.
"""
# Keys of modes that only skip rows of their table where a file is missing.
_OPTIONAL = {
    "evaluate_table": ("benchmark",),
    "evaluate_table_fits": ("benchmark",),
    "evaluate_table_views": ("held_out",),
}
_STARTS = ("weights", "encoder_weights")


def run_checks(config: ConfigDict, workdir: pathlib.Path | None = None) -> list[Check]:
    """Returns the checks of everything that a run reads and writes.

    What a training starts from is left out where the training goes on from a saved
    state, which needs it no more.

    Args:
      config: config of the run.
      workdir: directory of a training run; None for other modes.
    """
    checks = []
    resumed = workdir is not None and _has_states(workdir)
    if workdir is not None:
        checks.append(_check("--workdir", _writable_folder, str(workdir)))
    for key, value in _texts(config):
        name = key.rpartition(".")[2]
        if key == "input" and config.mode == "video":
            checks.append(_check("config.input", _video, value))
        elif key == "codec" and not config.draw:
            continue
        elif name in _OPTIONAL.get(config.mode, ()) and not os.path.exists(value):
            continue
        elif name in CHECKED_KEYS and not (resumed and name in _STARTS):
            checks.append(_check(f"config.{key}", CHECKED_KEYS[name], value))
        elif key == "output" and config.mode in _OUTPUT_FOLDERS:
            checks.append(_check("config.output", _writable_folder, value))
        elif name == "output":
            checks.append(_check(f"config.{key}", _writable_file, value))
    return checks + list(_dataset_checks(config))


def require_ready(config: ConfigDict, workdir: pathlib.Path | None = None) -> None:
    """Refuses to start a run that would fail later; see `run_checks`.

    Args:
      config: config of the run.
      workdir: directory of a training run; None for other modes.

    Raises:
      InputError: something that the run reads cannot be used, or something that it
        writes cannot be written.
    """
    for check in run_checks(config, workdir):
        check.find()


def _check(name: str, find: Callable[..., str], *values: str) -> Check:
    return Check(name, functools.partial(find, *values))


def _texts(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields all keys of a config, and of its parts, whose value is a text."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _texts(value, f"{prefix}{key}.")
        elif isinstance(value, str) and value:
            yield prefix + key, value


def _dataset_checks(config: ConfigDict) -> Iterator[Check]:
    """Yields the checks of the datasets that a config names."""
    if config.mode == "evaluate_images" or (
        config.mode == "evaluate_lifting" and config.dataset
    ):
        yield _check("config.dataset", _dataset, config.dataset, config.split)
    if config.mode != "train_images":
        return
    rendered = config.synthetic.directory
    if rendered:
        yield _check("config.synthetic.directory", _writable_folder, rendered)
    sources = {f"sources.{name}": part for name, part in config.sources.items()}
    if config.evaluation.every:
        sources["validation"] = config.validation
    for name, source in sources.items():
        is_rendered = bool(rendered) and _same_path(source.directory, rendered)
        if os.path.isdir(source.directory) or not is_rendered:
            values = source.directory, source.split
            yield _check(f"config.{name}", _dataset, *values)


def _same_path(path: str, other: str) -> bool:
    return os.path.abspath(path) == os.path.abspath(other)
