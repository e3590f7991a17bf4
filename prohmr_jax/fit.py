"""The mode "fit": everyone's keypoints in, bodies before and after fits out.

`OUTPUT/fits.npz` is one table of all people (docs/fit.md), `OUTPUT/left_out.txt` says
who could not be used and why. While a run is under way, what is finished stands in
`OUTPUT/shards`: a run that is killed goes on from there.
"""

import contextlib
import logging
import pathlib
from collections.abc import Sequence

import ml_collections

from prohmr_jax.config_checks import PHOTO_WORDS, require_least, require_words
from prohmr_jax.errors import InputError
from prohmr_jax.files.photos import NO_PHOTO
from prohmr_jax.labelling.fitter import FitSettings, Fitter
from prohmr_jax.labelling.guesses import FRAMES
from prohmr_jax.labelling.journal import Journal
from prohmr_jax.labelling.people import Sighting, Source
from prohmr_jax.labelling.pictures import Placed, side_by_side
from prohmr_jax.labelling.running import LabelReport, run_job
from prohmr_jax.labelling.sightings import PhotoSettings
from prohmr_jax.labelling.solving import Columns
from prohmr_jax.labelling.sources import open_source
from prohmr_jax.labelling.tables import FitTable, read_table
from prohmr_jax.minimise import Settings
from prohmr_jax.pictures import write_png
from prohmr_jax.reconstruction import Reconstructor, load_reconstructor

TABLE, OVERLAYS = "fits.npz", "overlays"
_WORDS = {
    "photo": ("", NO_PHOTO),
    **PHOTO_WORDS,
    "frame": FRAMES,
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
_LOG = logging.getLogger(__name__)


def run_fit(config: ml_collections.ConfigDict) -> LabelReport:
    """Fits everyone; see `configs/fit.py`.

    Raises:
      InputError: the config, input, body, weights or output cannot be used, nobody of
        the input can, or the output holds a run with other settings.
    """
    settings = _settings(config)
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
    photos = PhotoSettings(
        config.photo, config.exif, tuple(config.image_size), loaded.crop_px
    )
    source = open_source(config.input, photos)
    identity = _identity(config, source, loaded)

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
    with contextlib.closing(Journal(output / TABLE, FitTable, identity)) as journal:
        report = run_job(
            journal,
            source,
            fitter,
            fitter.slots(),
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
    """Reads the config, and refuses what could only fail later."""
    if not config.input:
        raise InputError("config.input", "is empty: name a file, folder or dataset")
    require_words(config, _WORDS)
    require_least(config, _LEAST)
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
    return {
        "input": pathlib.Path(config.input).name,
        "input_fingerprint": source.fingerprint(),
        **loaded.made_by.of_model(),
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
