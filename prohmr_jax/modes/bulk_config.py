"""Reads the config keys that the modes "fit" and "multiview" have in common."""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_collections

from prohmr_jax.bulk_fitting.initialization import FRAMES, IGNORES_FOCAL
from prohmr_jax.bulk_fitting.person_stream import Source
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.files.photos import NO_PHOTO
from prohmr_jax.inference.reconstruction import Reconstructor, load_reconstructor
from prohmr_jax.modes.config_checks import INPUT_WORDS, require_least, require_words

_WORDS = {"photo": ("", NO_PHOTO), **INPUT_WORDS, "frame": FRAMES}
_LEAST = {
    "image_size": 0,
    "focal_length_px": 0,
    "max_steps": 1,
    "slots": 1,
    "people_per_shard": 1,
    "overlays": 0,
    "overlay_longest_side_px": 16,
}
_LOG = logging.getLogger(__name__)


def require_usable(
    config: ml_collections.ConfigDict,
    inputs: str,
    words: Mapping[str, tuple[str, ...]],
    least: Mapping[str, int],
) -> None:
    """Checks the values of a config that would only fail later.

    Args:
      config: config of the run.
      inputs: what the key `input` can name, for the error message.
      words: allowed words of the mode's own keys; see `require_words`.
      least: lower bounds of the mode's own keys; see `require_least`.

    Raises:
      InputError: a value cannot be used; the message names `config.key`.
    """
    if not config.input:
        raise InputError("config.input", f"is empty: name {inputs}")
    require_words(config, {**_WORDS, **words})
    require_least(config, {**_LEAST, **least})
    if config.focal_length_px and config.frame == IGNORES_FOCAL:
        _LOG.warning(
            "config.focal_length_px=%g is not used: with config.frame=%s everyone has "
            "the long lens of their crop (docs/fit.md says when to choose another)",
            config.focal_length_px,
            config.frame,
        )


def open_model(
    config: ml_collections.ConfigDict,
    num_hypotheses: int = 1,
    seed: int = 0,
    **choice: Any,
) -> tuple[Reconstructor, PeopleReader]:
    """Returns the model and body of a run, and what reads people for that model.

    Args:
      config: config of the run.
      num_hypotheses: number of hypotheses of each person, the mode included.
      seed: seed of the samples.
      **choice: fields of `ReadingSettings` that say whose bodies are wanted.

    Raises:
      InputError: body or weights cannot be used, or a choice is none.
    """
    _LOG.info("reading the body and the weights")
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=seed,
        num_hypotheses=num_hypotheses,
        num_meshes=0,
        focal_length_px=config.focal_length_px,
    )
    settings = ReadingSettings(
        photo=config.photo,
        exif=config.exif,
        image_size=tuple(config.image_size),
        needs_photo=reconstructor.crop_px is not None,
        focal_length_px=0.0
        if config.frame == IGNORES_FOCAL
        else config.focal_length_px,
        joint_order=config.format,
        **choice,
    )
    return reconstructor, PeopleReader(settings)


def run_identity(
    config: ml_collections.ConfigDict,
    source: Source,
    reconstructor: Reconstructor,
    settings: Mapping[str, Any],
) -> dict[str, str]:
    """Returns everything that the results of a run depend on, as text.

    Pictures and the number of people per shard do not belong to it.

    Args:
      config: config of the run.
      source: people of the run.
      reconstructor: model and body of the run.
      settings: values of the mode's own keys that results depend on.
    """
    return {
        "input": pathlib.Path(config.input).name,
        "input_fingerprint": source.fingerprint(),
        **reconstructor.provenance.model_fields(),
        "photo": config.photo,
        "exif": config.exif,
        "format": config.format,
        "image_size": "x".join(str(side) for side in config.image_size),
        "focal_length_px": str(config.focal_length_px),
        **{name: str(value) for name, value in settings.items()},
    }
