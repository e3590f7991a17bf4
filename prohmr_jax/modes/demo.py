"""Runs the mode "demo": reconstructs people in photos, and writes bodies and pictures.

For each person in the photo `X.jpg`, or in the detections `X.json`, it writes
`X_person0.npz` (docs/result_files.md), the mode as `.glb` and `.obj`, and
`X_person0_sheet.png`; for each photo `X_overlay.png`; and for the whole run `index.md`
and `report.html`, the page to look at.
Every file is written as a whole or not at all.

A file, a photo or a person that cannot be used is skipped and reported at the end, and
the run fails only if nobody could be reconstructed.
"""

import dataclasses
import logging
import pathlib
import time

import ml_collections
import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from prohmr_jax.detection.input_files import InputFile
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.detection.types import PersonInPicture
from prohmr_jax.errors import InputError, OutputError, count_by_reason
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.atomic import require_writable
from prohmr_jax.files.images import write_png
from prohmr_jax.files.meshes import write_glb, write_obj, write_ply
from prohmr_jax.files.photos import NO_PHOTO
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.inference.reconstruction import Reconstructor, load_reconstructor
from prohmr_jax.inference.result_pictures import draw_overlay, draw_sheet
from prohmr_jax.inference.results import PersonResult, write_result
from prohmr_jax.modes.config_checks import INPUT_WORDS, require_least, require_words
from prohmr_jax.modes.demo_names import output_names, picture_labels
from prohmr_jax.modes.demo_progress import DemoProgress
from prohmr_jax.modes.demo_report import DemoReport, PersonSummary
from prohmr_jax.modes.plausible_limits import read_limits
from prohmr_jax.rendering.sheet import MAX_GHOSTS

_MESH_WRITERS = {"glb": write_glb, "obj": write_obj, "ply": write_ply}
_LEAST = {
    "num_hypotheses": 3,  # the mode and two draws: a spread needs two samples
    "seed": 0,
    "focal_length_px": 0,
    "overlay.longest_side_px": 16,
    "sheet.num_shown": 0,
    "sheet.panel_px": 64,
    "image_size": 0,
    "min_score": 0,
}
_LOG = logging.getLogger(__name__)
_PACKAGE_LOG = logging.getLogger("prohmr_jax")


@dataclasses.dataclass(frozen=True)
class DemoSettings:
    """Says what is written for each person."""

    output: pathlib.Path
    """Folder that everything is written to."""
    meshes: tuple[str, ...]
    """Formats of mesh files to write, among the keys of `_MESH_WRITERS`."""
    overlay: bool
    """Whether overlays are written."""
    overlay_longest_side_px: int
    """Longest side of an overlay, pixels."""
    overlay_keypoints: bool
    """Whether overlays show the detected keypoints."""
    report: bool
    """Whether a page with pictures and turnable bodies is written."""
    sheet: bool
    """Whether a sheet is written for each person."""
    sheet_num_shown: int
    """Number of samples that have a column of their own on a sheet."""
    sheet_panel_px: int
    """Height of a sheet's panels, pixels."""


@dataclasses.dataclass(frozen=True)
class _Run:
    """Holds what all files of a run share."""

    settings: DemoSettings
    reader: PeopleReader
    reconstructor: Reconstructor
    report: DemoReport
    progress: DemoProgress


def run(config: ml_collections.ConfigDict) -> DemoReport:
    """Reconstructs the people in a photo, file or folder, and returns the report.

    Args:
      config: see `configs/demo.py`.

    Raises:
      InputError: the config, body, weights or output folder cannot be used, or nobody
        in the input could be reconstructed.
    """
    source = pathlib.Path(config.input or DEMO_PHOTO)
    settings, limits = _settings(config), read_limits(config.plausible)
    reading = _reading(config)
    files = PeopleReader(reading).files(source, settings.output)
    require_writable(settings.output)
    _LOG.info("reading the body and the weights")
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=config.num_hypotheses,
        num_meshes=1 + max(settings.sheet_num_shown, MAX_GHOSTS),
        focal_length_px=config.focal_length_px,
        limits=limits,
    )
    if reconstructor.crop_px is not None:
        reading = dataclasses.replace(reading, needs_photo=True, accept_boxes=True)
    report = DemoReport(photos_wanted=config.photo != NO_PHOTO)
    with (
        logging_redirect_tqdm([_PACKAGE_LOG]),
        DemoProgress(len(files), settings.sheet, settings.overlay) as progress,
    ):
        shared = _Run(settings, PeopleReader(reading), reconstructor, report, progress)
        for number, (file, name) in enumerate(
            zip(files, output_names(files), strict=True), start=1
        ):
            _LOG.info("file %d of %d: %s", number, len(files), file.path)
            try:
                _reconstruct_file(file, name, shared)
            except InputError as error:
                if len(files) == 1 or isinstance(error, OutputError):
                    raise
                report.skip(error)
            progress.end_file()
    if not report.people:
        reasons = "; ".join(count_by_reason(report.faults))
        raise InputError(
            source, f"none of its {len(files)} files can be used; {reasons}"
        )
    report.write_pages(settings.output, settings.report)
    print("\n".join([*report.lines(), *report.last_lines(config.output, config.input)]))
    return report


def _settings(config: ml_collections.ConfigDict) -> DemoSettings:
    """Returns the settings of a config; refuses values that would only fail later."""
    allowed = {
        "meshes": tuple(_MESH_WRITERS),
        "pictures": ("overlay", "sheet", "report"),
    }
    for key, names in allowed.items():
        for name in config[key]:
            if name not in names:
                raise InputError(
                    f"config.{key}", f"{name!r} is not one of {', '.join(names)}"
                )
    require_words(config, INPUT_WORDS)
    require_least(config, _LEAST)
    return DemoSettings(
        output=pathlib.Path(config.output),
        meshes=tuple(config.meshes),
        overlay="overlay" in config.pictures,
        overlay_longest_side_px=config.overlay.longest_side_px,
        overlay_keypoints=config.overlay.keypoints,
        report="report" in config.pictures,
        sheet="sheet" in config.pictures,
        sheet_num_shown=config.sheet.num_shown,
        sheet_panel_px=config.sheet.panel_px,
    )


def _reading(config: ml_collections.ConfigDict) -> ReadingSettings:
    """Returns what a config says about the people and their photos."""
    return ReadingSettings(
        photo=config.photo,
        exif=config.exif,
        image_size=tuple(config.image_size),
        people=config.people,
        min_score=config.min_score,
        focal_length_px=config.focal_length_px,
        joint_order=config.format,
    )


def _reconstruct_file(file: InputFile, name: str, shared: _Run) -> None:
    """Writes all results of a file, and adds them to the report."""
    settings, reader, report = shared.settings, shared.reader, shared.report
    in_file = reader.read(file)
    for left_out in in_file.left_out:
        what = f"person {left_out.person_index} {left_out.reason}"
        report.skip(InputError(file.path, what))
    # The people of a COCO file are in many photos, those of a video in many frames.
    pictures: dict[object, list[PersonInPicture]] = {}
    for person in in_file.people:
        pictures.setdefault(person.picture, []).append(person)
    shared.progress.people_are_known(len(in_file.people), len(pictures))
    labels = picture_labels([people[0] for people in pictures.values()])
    for label, people in zip(labels, pictures.values(), strict=True):
        photo_path = people[0].photo
        try:
            photo = None if photo_path is None else reader.read_photo(photo_path)
        except InputError as error:
            if len(pictures) == 1:
                raise
            report.skip(error)
            continue
        results = []
        for person in people:
            try:
                results += [_reconstruct_person(file, name, person, photo, shared)]
            except InputError as error:
                if isinstance(error, OutputError):
                    raise
                what = f"person {person.detection.person_index}: {error.what}"
                report.skip(InputError(file.path, what))
        if settings.overlay and results:
            overlay_name = f"{name}{label}_overlay.png"
            picture = draw_overlay(
                results,
                photo,
                longest_side_px=settings.overlay_longest_side_px,
                show_keypoints=settings.overlay_keypoints,
            )
            write_png(settings.output / overlay_name, picture)
            report.add_overlay(overlay_name, picture)
            shared.progress.step()


def _reconstruct_person(
    file: InputFile,
    file_name: str,
    person: PersonInPicture,
    photo: np.ndarray | None,
    shared: _Run,
) -> PersonResult:
    """Writes the files of a person, adds the row to the report; returns the result."""
    settings, detection = shared.settings, person.detection
    index = detection.person_index
    start = time.perf_counter()
    _LOG.info("  person %d: computing bodies", index)
    result, meshes = shared.reconstructor(
        detection,
        photo,
        person.image_size,
        source=file.name,
        person_index=index,
        photo=person.picture_name,
        image_id=detection.image_id or "",
        frame=-1 if detection.frame is None else detection.frame,
        track_id=detection.track_id or "",
    )
    computed = time.perf_counter()
    shared.progress.step()
    name = f"{file_name}_person{index}"
    written = [f"{name}.npz"]
    write_result(settings.output / written[-1], result)
    for kind in settings.meshes:
        written.append(f"{name}.{kind}")
        target = settings.output / written[-1]
        _MESH_WRITERS[kind](target, result.placed_vertices, result.faces)
    sheet = None
    if settings.sheet:
        _LOG.info("  person %d: drawing the sheet", index)
        sheet = draw_sheet(
            result,
            meshes,
            photo,
            num_shown=settings.sheet_num_shown,
            panel_px=settings.sheet_panel_px,
        )
        written.append(f"{name}_sheet.png")
        write_png(settings.output / written[-1], sheet)
        shared.progress.step()
    if settings.report:
        shared.report.show(name, result, meshes, sheet)
    seen = result.seen(MIN_CONFIDENCE)
    shared.report.people.append(
        PersonSummary(
            name=name,
            picture=person.describe_picture(),
            has_photo=photo is not None,
            error_percent=100 * result.reprojection_error(MIN_CONFIDENCE),
            stature_m=float(result.stature_m),
            distance_m=float(result.distance_m),
            implausible=str(result.implausible_reason),
            num_seen=int(seen.sum()),
            num_keypoints=len(seen),
            spread_mm=1e3 * float(result.joint_spread.mean()),
            files=tuple(written),
        )
    )
    _LOG.info(
        "  person %d: finished (bodies took %.1f s, files %.1f s)",
        index,
        computed - start,
        time.perf_counter() - computed,
    )
    return result
