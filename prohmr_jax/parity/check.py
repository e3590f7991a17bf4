"""Assigns every file of a golden directory to the check of its family, and runs it.

`tools/check_parity.py` calls `check_directory`.
"""

import fnmatch
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.parity import (
    bodies,
    detections,
    encoders,
    fitting,
    flows,
    geometry,
    layers,
    lifting,
    loss_pieces,
    objectives,
    official_names,
    predictions,
    preprocessing,
    recipe,
    steps,
)
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.report import Report, Row

Check = Callable[[GoldenFile, Report], None]

# Pattern of file names and check of the family; the first match decides.
FAMILIES: tuple[tuple[str, Check], ...] = (
    ("recipe_check.json", recipe.check_recipe),
    ("param_tables.json", official_names.check_param_tables),
    ("geometry*.npz", geometry.check_geometry),
    ("procrustes*.npz", geometry.check_procrustes),
    ("smpl_synth*.npz", bodies.check_smpl_synth),
    ("smpl_forward*.npz", bodies.check_smpl_forward),
    ("layers*.npz", layers.check_layers),
    ("glow_*.npz", flows.check_glow),
    ("smplflow_*.npz", flows.check_smplflow),
    ("resnet50*.npz", encoders.check_resnet),
    ("prohmr_forward*.npz", predictions.check_forward),
    ("loss_pieces*.npz", loss_pieces.check_loss_pieces),
    ("losses_eval*.npz", objectives.check_losses_eval),
    ("train_step*.npz", steps.check_train_step),
    ("proskeleton_*.npz", lifting.check_proskeleton),
    ("gmof*.npz", fitting.check_gmof),
    ("fit_*.npz", fitting.check_fit),
    ("multiview_*.npz", fitting.check_multiview),
    ("preprocessing*.npz", preprocessing.check_preprocessing),
    ("openpose*.npz", detections.check_openpose),
    ("openpose_*_keypoints.json", detections.check_keypoints_file),
    ("openpose_*.png", detections.check_photo),
    ("openpose_*.jpg", detections.check_photo),
    ("synthetic*.png", detections.check_picture),
)

# Pattern of file names and part of the project that will compare them; none is left.
LATER: tuple[tuple[str, str], ...] = ()

_DOCUMENTATION = ("*.md", "*.txt")


def check_directory(path: str | os.PathLike, report: Report) -> Iterator[list[Row]]:
    """Compares every file of a directory, and yields the rows of one after another.

    Args:
      path: directory of golden files.
      report: collects rows, counts and the verdict.

    Raises:
      InputError: the path is not a directory, or it holds no golden files.
    """
    directory = GoldenDirectory(Path(path).resolve())
    names = [n for n in directory.names() if not _matches(n, _DOCUMENTATION)]
    if not names:
        raise InputError(path, "holds no golden files")
    for name in names:
        start = len(report.rows)
        _check_file(directory, name, report)
        yield report.rows[start:]


def _check_file(directory: GoldenDirectory, name: str, report: Report) -> None:
    for pattern, part in LATER:
        if fnmatch.fnmatch(name, pattern):
            case = directory.open(name)
            report.postpone(case, case.keys(), part)
            report.close(case)
            return
    check = next((c for pattern, c in FAMILIES if fnmatch.fnmatch(name, pattern)), None)
    if check is None:
        report.fail(name, "the whole file", "present, not compared: unknown family")
        return
    try:
        case = directory.open(name)
    except InputError as error:
        report.fail(name, "the whole file", error.what)
        return
    try:
        check(case, report)
    except InputError as error:
        report.fail(name, "stopped", str(error))
    except Exception as error:  # noqa: BLE001 - one broken file must not hide others
        report.fail(name, "stopped", f"{type(error).__name__}: {error}")
    report.close(case)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
