"""The mode "fit": everyone's keypoints in, bodies before and after fits out.

`OUTPUT/fits.npz` is one table of all people (docs/fit.md), `OUTPUT/left_out.txt` says
who could not be used and why. While a run is under way, what is finished stands in
`OUTPUT/shards`: a run that is killed goes on from there.
"""

import pathlib
from collections.abc import Sequence

import ml_collections

from prohmr_jax.bulk_fitting.before_after import Placed, side_by_side
from prohmr_jax.bulk_fitting.jobs import Columns
from prohmr_jax.bulk_fitting.keypoint_job import FitSettings, Fitter
from prohmr_jax.bulk_fitting.person_stream import Sighting
from prohmr_jax.bulk_fitting.run import LabelReport, run_job
from prohmr_jax.bulk_fitting.sources import open_source
from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.inference.result_pictures import write_png
from prohmr_jax.modes.bulk_config import identity, open_model, require_usable
from prohmr_jax.solver.minimise import Settings

TABLE, OVERLAYS = "fits.npz", "overlays"
_LEAST = {"num_hypotheses": 1, "seed": 0}
# Beside what every program of bulk labelling has.
_OF_RESULTS = ("num_hypotheses", "seed", "frame", "use_hips", "max_steps", "slots")


def run(config: ml_collections.ConfigDict) -> LabelReport:
    """Fits everyone; see `configs/fit.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody of
        the input can, or the output holds a run with other settings.
    """
    settings = _settings(config)
    output = pathlib.Path(config.output)
    loaded, photos = open_model(config, config.num_hypotheses, config.seed)
    source = open_source(config.input, photos)

    def draw(number: int, people: Sequence[Sighting], columns: Columns) -> None:
        for row, person in enumerate(people[: max(config.overlays - number, 0)]):
            of = {name: column[row] for name, column in columns.items()}
            picture = side_by_side(
                loaded.body,
                _before_and_after(of),
                of,
                person.read_photo(config.exif),
                config.overlay_longest_side_px,
            )
            name = f"{number + row:06d}_before_after.png"
            write_png(output / OVERLAYS / name, picture)

    fitter = Fitter(loaded.model, loaded.body, settings, config.focal_length_px)
    of_results = {name: config[name] for name in _OF_RESULTS}
    report = run_job(
        output / TABLE,
        FitTable,
        identity(config, source, loaded, of_results),
        source,
        fitter,
        config.people_per_shard,
        draw,
    )
    table, _, _ = read_table(report.table)
    before, after = table.fit_start_loss.mean(), table.fit_loss.mean()
    print("\n".join(report.lines(table.fit_reason)))
    print(
        f"objective {before:.1f} before, {after:.1f} after; "
        f"{table.fit_evaluations.mean():.0f} evaluations each"
    )
    return report


def _before_and_after(of: Columns) -> list[Placed]:
    return [
        Placed(of["pose_axis_angle"][0], of["betas"], of["translation"]),
        Placed(of["fit_pose_axis_angle"], of["fit_betas"], of["fit_translation"]),
    ]


def _settings(config: ml_collections.ConfigDict) -> FitSettings:
    require_usable(config, "a file, folder or dataset", {}, _LEAST)
    return FitSettings(
        frame=config.frame,
        use_hips=config.use_hips,
        num_hypotheses=config.num_hypotheses,
        seed=config.seed,
        slots=config.slots,
        minimise=Settings(max_steps=config.max_steps),
    )
