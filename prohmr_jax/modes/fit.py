"""Runs the mode "fit": fits bodies to the keypoints of any number of people.

The keypoints come from files of detections, from datasets, or from photos, in which
people are then detected as in the mode "demo".

`OUTPUT/fits.npz` is one table of all people before and after their fits (docs/fit.md),
and `OUTPUT/left_out.txt` says who could not be used and why. Finished people are kept
in `OUTPUT/shards`, from where a run that was interrupted continues.
"""

import pathlib
from collections.abc import Sequence

import ml_collections

from prohmr_jax.bulk_fitting.before_after import (
    PlacedBody,
    photo_to_draw_over,
    side_by_side,
)
from prohmr_jax.bulk_fitting.jobs import Columns, Row, row_of
from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.keypoint_job import (
    DETECTORS,
    KeypointFitJob,
    KeypointFitSettings,
)
from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.bulk_fitting.run import BulkReport, run_job
from prohmr_jax.bulk_fitting.sources import DatasetRecords, open_source
from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.detection.chosen_people import EVERYBODY, require_people_words
from prohmr_jax.errors import InputError
from prohmr_jax.files.images import write_png
from prohmr_jax.fitting.objectives import SEEN_KEYPOINTS_WEIGHT
from prohmr_jax.modes.bulk_config import open_model, require_usable, run_identity
from prohmr_jax.modes.plausible_limits import read_limits
from prohmr_jax.solver.problem import Settings

TABLE, OVERLAYS = "fits.npz", "overlays"
_LEAST = {"num_hypotheses": 1, "seed": 0, "min_score": 0, "data_weight": 0}
# Keys that results depend on, besides those that all modes of bulk fitting have.
_RESULT_KEYS = (
    "people", "min_score", "num_hypotheses", "seed", "frame", "use_hips", "detector",
    "max_steps", "slots",
)  # fmt: skip


def run(config: ml_collections.ConfigDict) -> BulkReport:
    """Fits everyone in the input, writes the table and prints the report.

    Args:
      config: see `configs/fit.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody in
        the input can be used, or the output holds a run with other settings.
    """
    words = {"detector": DETECTORS}
    require_usable(config, "a photo, a file, a folder or a dataset", words, _LEAST)
    require_people_words(config.people)
    limits = read_limits(config.plausible)
    output = pathlib.Path(config.output)
    reconstructor, reader = open_model(
        config,
        config.num_hypotheses,
        config.seed,
        people=config.people,
        min_score=config.min_score,
    )
    source = open_source(config.input, reader, output, reconstructor.crop_px)
    if isinstance(source, DatasetRecords) and config.people != EVERYBODY:
        raise InputError("config.people", "cannot choose among people of a dataset")

    def draw(first: int, people: Sequence[PersonInput], columns: Columns) -> None:
        for number, person in enumerate(people[: max(config.overlays - first, 0)]):
            row = row_of(columns, number)
            picture = side_by_side(
                reconstructor.body,
                _before_and_after(row),
                row,
                photo_to_draw_over(person, config.exif),
                config.overlay_longest_side_px,
                implausible=str(row["fit_implausible_reason"]),
            )
            name = f"{first + number:06d}_before_after.png"
            write_png(output / OVERLAYS / name, picture)

    sees_keypoints = reconstructor.crop_px is None
    data_weight = config.data_weight or (SEEN_KEYPOINTS_WEIGHT if sees_keypoints else 1)
    settings = KeypointFitSettings(
        limits=limits,
        other_body=reconstructor.other_body,
        frame=config.frame,
        use_hips=config.use_hips,
        detector=config.detector,
        data_weight=data_weight,
        num_hypotheses=config.num_hypotheses,
        seed=config.seed,
        slots=config.slots,
        minimise=Settings(max_steps=config.max_steps),
    )
    job = KeypointFitJob(
        reconstructor.model, reconstructor.body, settings, config.focal_length_px
    )
    result_settings = {name: config[name] for name in _RESULT_KEYS}
    result_settings |= {"plausible": limits, "data_weight": data_weight}
    report = run_job(
        output / TABLE,
        FitTable,
        run_identity(config, source, reconstructor, result_settings),
        source,
        job,
        config.people_per_shard,
        draw,
    )
    table, _, _ = read_table(report.table)
    before, after = table.fit_start_loss.mean(), table.fit_loss.mean()
    implausible = implausible_people(table)
    report.write_implausible(implausible)
    print("\n".join(report.lines(table.fit_reason, implausible)))
    print(
        f"the mean objective was {before:.1f} before the fits and is {after:.1f} "
        f"after them; a fit took {table.fit_evaluations.mean():.0f} evaluations"
    )
    return report


def _before_and_after(row: Row) -> list[PlacedBody]:
    """Returns the mode and the fitted body of one person."""
    return [
        PlacedBody(row["pose_axis_angle"][0], row["betas"], row["translation"]),
        PlacedBody(
            row["fit_pose_axis_angle"], row["fit_betas"], row["fit_translation"]
        ),
    ]
