"""Runs the mode "demo": reconstructs people in photos, and writes bodies and pictures.

For each person in the photo `X.jpg`, or in the detections `X.json`, it writes
`X_person0.npz` (docs/results.md), the mode as `.glb` and `.obj`, and
`X_person0_sheet.png`; for each photo `X_overlay.png`; and for the whole run `index.md`.
Every file is written as a whole or not at all.

If the input is a folder, a file that cannot be used is skipped and reported at the end,
and the run fails only if no file can be used. A single input file that cannot be used
is an error.
"""

import dataclasses
import logging
import pathlib
import time

import ml_collections
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import DEMO_KEYPOINTS
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import write_png
from prohmr_jax.files.meshes import write_glb, write_obj
from prohmr_jax.files.photos import NO_PHOTO, photo_of, require_within
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.inference.reconstruction import Reconstructor, load_reconstructor
from prohmr_jax.inference.result_pictures import draw_overlay, draw_sheet
from prohmr_jax.inference.results import PersonResult, write_result
from prohmr_jax.modes.config_checks import PHOTO_WORDS, require_least, require_words
from prohmr_jax.modes.demo_report import DemoReport, PersonSummary
from prohmr_jax.modes.photo_input import (
    InputFile,
    PeopleReader,
    input_files,
    require_people_words,
)
from prohmr_jax.rendering.sheet import MAX_GHOSTS

_MESH_WRITERS = {"glb": write_glb, "obj": write_obj}
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


@dataclasses.dataclass(frozen=True)
class DemoSettings:
    """Says how photos are read, and what is written for each person."""

    output: pathlib.Path
    """Folder that everything is written to."""
    photo: str
    """Path of the photo; "none" to use none; or empty for the photo beside the
    detections, if any."""
    read_people: PeopleReader
    """Reader of the photos and their people."""
    image_size: tuple[int, int]
    """(width, height) of photos that are absent, pixels; zeros where not known."""
    meshes: tuple[str, ...]
    """Formats of mesh files to write, among the keys of `_MESH_WRITERS`."""
    overlay: bool
    """Whether overlays are written."""
    overlay_longest_side_px: int
    """Longest side of an overlay, pixels."""
    overlay_keypoints: bool
    """Whether overlays show the detected keypoints."""
    sheet: bool
    """Whether a sheet is written for each person."""
    sheet_num_shown: int
    """Number of samples that have a column of their own on a sheet."""
    sheet_panel_px: int
    """Height of a sheet's panels, pixels."""


def run(config: ml_collections.ConfigDict) -> DemoReport:
    """Reconstructs the people in a photo, file or folder, and returns the report.

    Args:
      config: see `configs/demo.py`.

    Raises:
      InputError: the config, body, weights or output folder cannot be used, or the one
        input file cannot be used, or no file in the input folder can.
    """
    source = pathlib.Path(config.input or DEMO_KEYPOINTS)
    settings = _settings(config)
    files = input_files(source, settings.output, settings.photo)
    if source.is_dir() and settings.photo not in ("", NO_PHOTO):
        raise InputError("config.photo", "names one photo, but the input is a folder")
    _require_writable(settings.output)
    _LOG.info("reading the body and the weights")
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=config.num_hypotheses,
        num_meshes=1 + max(settings.sheet_num_shown, MAX_GHOSTS),
        focal_length_px=config.focal_length_px,
    )
    report = DemoReport()
    used_photos: set[pathlib.Path] = set()
    for number, file in enumerate(files, start=1):
        if file.path in used_photos:  # a file of detections names it
            continue
        _LOG.info("file %d of %d: %s", number, len(files), file.path)
        try:
            used_photos |= _reconstruct_file(file, settings, reconstructor, report)
        except InputError as error:
            if not source.is_dir():
                raise
            _LOG.warning("skipped: %s", error)
            report.faults.append(error)
    if not report.people:
        reasons = report.skipped_by_reason().replace("\n", ";")
        raise InputError(
            source, f"none of its {len(files)} files can be used; {reasons}"
        )
    report.write_page(settings.output / "index.md")
    print(report.table())
    print(f"pictures: {settings.output / 'index.md'}")
    if report.faults:
        print(f"skipped inputs: {len(report.faults)}")
        print(report.skipped_by_reason())
    return report


def _settings(config: ml_collections.ConfigDict) -> DemoSettings:
    """Returns the settings of a config; refuses values that would only fail later."""
    allowed = {"meshes": tuple(_MESH_WRITERS), "pictures": ("overlay", "sheet")}
    for key, names in allowed.items():
        for name in config[key]:
            if name not in names:
                raise InputError(
                    f"config.{key}", f"{name!r} is not one of {', '.join(names)}"
                )
    require_words(config, PHOTO_WORDS)
    require_least(config, _LEAST)
    require_people_words(config.people)
    return DemoSettings(
        output=pathlib.Path(config.output),
        photo=config.photo,
        read_people=PeopleReader(config.exif, config.min_score, config.people),
        image_size=tuple(config.image_size),
        meshes=tuple(config.meshes),
        overlay="overlay" in config.pictures,
        overlay_longest_side_px=config.overlay.longest_side_px,
        overlay_keypoints=config.overlay.keypoints,
        sheet="sheet" in config.pictures,
        sheet_num_shown=config.sheet.num_shown,
        sheet_panel_px=config.sheet.panel_px,
    )


def _require_writable(folder: pathlib.Path) -> None:
    """Tries to write into a folder, so that nothing is computed in vain later."""
    probe = folder / ".writable"
    write_atomically(probe, lambda stream: None)
    probe.unlink(missing_ok=True)


def _reconstruct_file(
    file: InputFile,
    settings: DemoSettings,
    reconstructor: Reconstructor,
    report: DemoReport,
) -> set[pathlib.Path]:
    """Writes all results of a file, adds them to the report, and returns its photos."""
    needs_photo = reconstructor.crop_px is not None
    detections = settings.read_people(file, accept_boxes=needs_photo)
    for person in detections.left_out:
        fault = InputError(file.path, f"person {person.person_index} {person.reason}")
        _LOG.warning("skipped: %s", fault)
        report.faults.append(fault)
    wanted_photo = str(file.path) if file.is_photo else settings.photo
    # The people of a COCO file are in many photos, those of a video in many frames.
    people_by_image: dict[tuple[pathlib.Path | None, int | None], list[Detection]] = {}
    for person in detections.people:
        image = photo_of(file.path, person, wanted_photo), person.frame
        people_by_image.setdefault(image, []).append(person)
    for (photo_path, frame), people in people_by_image.items():
        photo = None
        if photo_path is None and needs_photo:
            raise InputError(file.path, "has no photo, but the model needs photos")
        if photo_path is not None:
            photo = settings.read_people.photo(photo_path)
            for person in people:
                require_within(photo_path, photo.shape[1::-1], person)
        results = []
        for person in people:
            result, summary = _reconstruct_person(
                file, person, photo_path, photo, settings, reconstructor
            )
            results.append(result)
            report.people.append(summary)
        if settings.overlay:
            name = _overlay_name(file, photo_path, frame, len(people_by_image))
            picture = draw_overlay(
                results,
                photo,
                longest_side_px=settings.overlay_longest_side_px,
                show_keypoints=settings.overlay_keypoints,
            )
            write_png(settings.output / name, picture)
            report.overlays.append(name)
    return {photo_path for photo_path, _ in people_by_image if photo_path is not None}


def _reconstruct_person(
    file: InputFile,
    person: Detection,
    photo_path: pathlib.Path | None,
    photo: np.ndarray | None,
    settings: DemoSettings,
    reconstructor: Reconstructor,
) -> tuple[PersonResult, PersonSummary]:
    """Writes the files of one person; returns the result and its row in the report."""
    start = time.perf_counter()
    _LOG.info("  person %d: computing bodies", person.person_index)
    result, meshes = reconstructor(
        person,
        photo,
        settings.image_size if photo is None else photo.shape[1::-1],
        source=file.path.name,
        person_index=person.person_index,
        photo="" if photo_path is None else photo_path.name,
    )
    computed = time.perf_counter()
    name = f"{file.name}_person{person.person_index}"
    written = [f"{name}.npz"]
    write_result(settings.output / written[-1], result)
    for kind in settings.meshes:
        written.append(f"{name}.{kind}")
        target = settings.output / written[-1]
        _MESH_WRITERS[kind](target, result.placed_vertices, result.faces)
    if settings.sheet:
        _LOG.info("  person %d: drawing the sheet", person.person_index)
        sheet = draw_sheet(
            result,
            meshes,
            photo,
            num_shown=settings.sheet_num_shown,
            panel_px=settings.sheet_panel_px,
        )
        written.append(f"{name}_sheet.png")
        write_png(settings.output / written[-1], sheet)
    seen = result.seen(MIN_CONFIDENCE)
    summary = PersonSummary(
        name=name,
        error_percent=100 * result.reprojection_error(MIN_CONFIDENCE),
        num_seen=int(seen.sum()),
        num_keypoints=len(seen),
        spread_mm=1e3 * float(result.joint_spread.mean()),
        files=tuple(written),
    )
    _LOG.info(
        "  person %d: finished (bodies took %.1f s, files %.1f s)",
        person.person_index,
        computed - start,
        time.perf_counter() - computed,
    )
    return result, summary


def _overlay_name(
    file: InputFile,
    photo_path: pathlib.Path | None,
    frame: int | None,
    num_images: int,
) -> str:
    """Returns the name of an overlay; it is unique among the images of a file."""
    if num_images == 1:
        return f"{file.name}_overlay.png"
    image = "no_photo" if photo_path is None else photo_path.stem
    image = image if frame is None else f"frame{frame:06d}"
    return f"{file.name}_{image}_overlay.png"
