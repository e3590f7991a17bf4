"""The mode "fit": everyone's keypoints in, bodies before and after fits out.

`OUTPUT/fits.npz` is one table of all people (docs/fit.md), `OUTPUT/left_out.txt` says
who could not be used and why. While a run is under way, what is finished stands in
`OUTPUT/shards`: a run that is killed goes on from there.
"""

import contextlib
import dataclasses
import logging
import pathlib
import time
from collections.abc import Sequence

import ml_collections
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.photos import NO_PHOTO
from prohmr_jax.labelling.fitter import Columns, FitSettings, Fitter
from prohmr_jax.labelling.journal import Journal
from prohmr_jax.labelling.people import Sighting, prefetch, windows
from prohmr_jax.labelling.pictures import side_by_side
from prohmr_jax.labelling.progress import Progress
from prohmr_jax.labelling.sources import Source, open_source
from prohmr_jax.labelling.tables import FitTable, read_table
from prohmr_jax.minimise import Reason, Settings
from prohmr_jax.pictures import write_png
from prohmr_jax.reconstruction import Reconstructor, load_reconstructor

TABLE, LEFT_OUT, OVERLAYS = "fits.npz", "left_out.txt", "overlays"
_WORDS = {
    "photo": ("", NO_PHOTO),
    "exif": ("honour", "ignore"),
    "frame": ("crop", "image"),
}
_LEAST = {
    "image_size": 0,
    "num_samples": 1,
    "seed": 0,
    "focal_length_px": 0,
    "max_steps": 1,
    "slots": 1,
    "people_per_shard": 1,
    "overlays": 0,
    "overlay_longest_side_px": 16,
}
_LINES_SHOWN = 10
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FitReport:
    """What a run made, together with the runs that it went on from."""

    table: pathlib.Path
    people: int
    left_out: tuple[str, ...]
    new_people: int
    """Of this run alone."""
    useful: float
    """Share of this run's evaluations that people needed."""


def run_fit(config: ml_collections.ConfigDict) -> FitReport:
    """Fits everyone; see `configs/fit.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody of
        the input can, or the output holds a run with other settings.
    """
    settings = _settings(config)
    source = open_source(
        config.input, config.photo, config.exif, tuple(config.image_size)
    )
    output = pathlib.Path(config.output)
    _LOG.info("reading the body and the weights")
    loaded = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=config.num_samples,
        num_meshes=0,
        focal_length_px=config.focal_length_px,
    )
    identity = _identity(config, source, loaded)
    artist = _Artist(
        loaded,
        output / OVERLAYS,
        config.overlays,
        config.overlay_longest_side_px,
        config.exif,
    )
    start = time.monotonic()
    with contextlib.closing(Journal(output / TABLE, FitTable, identity)) as journal:
        fitter = Fitter(loaded.model, loaded.body, settings, config.focal_length_px)
        before = journal.people
        if not journal.finished:
            _label(fitter, source, journal, config.people_per_shard, artist)
            if not journal.people:
                fault = f"nobody can be used; {journal.left_out[0]}"
                raise InputError(config.input, fault)
            journal.finish()
        text = "".join(f"{line}\n" for line in journal.left_out)
        write_atomically(output / LEFT_OUT, lambda s: s.write(text.encode()))
        report = FitReport(
            table=output / TABLE,
            people=journal.people,
            left_out=tuple(journal.left_out),
            new_people=journal.people - before,
            useful=fitter.slots.useful,
        )
    print("\n".join(_summary(report, time.monotonic() - start)))
    return report


def _label(fitter, source: Source, journal: Journal, size: int, artist) -> None:
    """Fits whom the journal has not yet."""
    progress = Progress(len(source), journal.position.unit)
    if journal.people:
        _LOG.info("going on after %d people", journal.people)
    ahead = prefetch(windows(source, journal.position, size))
    for window, columns, sound in fitter(ahead):
        left_out = list(window.left_out)
        left_out += [
            f"{person.source}: person {person.detection.person_index} has no finite "
            "objective"
            for person, fine in zip(window.people, sound, strict=True)
            if not fine
        ]
        people = [p for p, fine in zip(window.people, sound, strict=True) if fine]
        if columns is not None:
            artist.draw(journal.people, people, columns)
        journal.append(columns, left_out, window.next)
        for line in left_out:
            _LOG.warning("left out: %s", line)
        _LOG.info(progress.line(len(people), window.next.unit))


@dataclasses.dataclass(frozen=True)
class _Artist:
    """Draws the first people before and after."""

    loaded: Reconstructor
    folder: pathlib.Path
    most: int
    longest_side_px: int
    exif: str

    def draw(self, number: int, people: Sequence[Sighting], columns: Columns) -> None:
        """Draws those people whose numbers are low enough.

        Args:
          number: of the first of these people, in the whole run.
          people: as read.
          columns: of the table.
        """
        for row, person in enumerate(people[: max(self.most - number, 0)]):
            of = {name: column[row] for name, column in columns.items()}
            picture = side_by_side(
                self.loaded.body,
                [of["pose_axis_angle"][0], of["fit_pose_axis_angle"]],
                [of["betas"], of["fit_betas"]],
                [of["translation"], of["fit_translation"]],
                intrinsics=of["intrinsics"],
                keypoints_px=of["keypoints_px"],
                confidence=of["keypoint_confidence"],
                photo=person.read_photo(self.exif),
                longest_side_px=self.longest_side_px,
            )
            write_png(self.folder / f"{number + row:06d}_before_after.png", picture)


def _settings(config: ml_collections.ConfigDict) -> FitSettings:
    """Reads the config, and refuses what could only fail later."""
    if not config.input:
        raise InputError("config.input", "is empty: name a file, folder or dataset")
    for key, words in _WORDS.items():
        if config[key] not in words:
            allowed = " or ".join(f'"{word}"' for word in words)
            raise InputError(f"config.{key}", f'"{config[key]}" is not {allowed}')
    for key, least in _LEAST.items():
        if not min(np.atleast_1d(config[key])) >= least:
            raise InputError(f"config.{key}", f"{config[key]} is less than {least}")
    return FitSettings(
        frame=config.frame,
        use_hips=config.use_hips,
        num_hypotheses=config.num_samples,
        seed=config.seed,
        slots=config.slots,
        minimise=Settings(max_steps=config.max_steps),
    )


def _identity(config, source: Source, loaded: Reconstructor) -> dict[str, str]:
    """What results depend on; drawing and the size of shards are not of it."""
    made_by = loaded.made_by
    return {
        "input": pathlib.Path(config.input).name,
        "input_fingerprint": source.fingerprint(),
        "weights": made_by.weights,
        "weights_sha256": made_by.weights_sha256,
        "body": made_by.body,
        "body_sha256": made_by.body_sha256,
        "package_version": made_by.package_version,
        "photo": config.photo,
        "exif": config.exif,
        "image_size": "x".join(str(side) for side in config.image_size),
        "num_samples": str(config.num_samples),
        "seed": str(config.seed),
        "frame": config.frame,
        "focal_length_px": str(config.focal_length_px),
        "use_hips": str(config.use_hips),
        "max_steps": str(config.max_steps),
        "slots": str(config.slots),
    }


def _summary(report: FitReport, seconds: float) -> list[str]:
    """What is printed at the end."""
    table, _, _ = read_table(report.table)
    counts = np.bincount(table.fit_reason, minlength=len(Reason))
    reasons = ", ".join(
        f"{count} {reason.name.lower()}"
        for reason, count in zip(Reason, counts, strict=True)
        if count
    )
    lines = [
        f"{report.people} people in {report.table} (ended: {reasons}); objective "
        f"{table.fit_start_loss.mean():.1f} before, {table.fit_loss.mean():.1f} after; "
        f"{table.fit_evaluations.mean():.0f} evaluations each"
    ]
    if report.new_people:
        lines.append(
            f"{report.new_people} of them now, in {seconds:.1f} s; "
            f"{100 * report.useful:.0f} % of the evaluations made were needed"
        )
    if report.left_out:
        lines.append(f"{len(report.left_out)} left out, see {LEFT_OUT}:")
        lines += [f"  {line}" for line in report.left_out[:_LINES_SHOWN]]
    return lines
