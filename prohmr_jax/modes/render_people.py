"""Renders the dataset of synthetic people, and draws a sheet of examples."""

import logging
from pathlib import Path

from ml_collections import ConfigDict

from prohmr_jax.files.images import write_png
from prohmr_jax.synthetic.dataset import SyntheticSettings, make_synthetic_humans
from prohmr_jax.synthetic.example_sheet import example_sheet

_LOG = logging.getLogger(__name__)


def run(config: ConfigDict) -> None:
    """Renders a dataset unless it exists already, and draws examples of it.

    Args:
      config: settings, as in `configs/synthetic_humans.py`.

    Raises:
      InputError: a file that the config names cannot be used, or dataset or sheet
        cannot be written; see `make_synthetic_humans`.
    """
    settings = SyntheticSettings(
        num_train=config.num_train,
        num_test=config.num_test,
        views=config.views,
        seed=config.seed,
        image_size=config.image_size,
        body=config.body,
        pose_prior=config.pose_prior,
        pose_bank=config.pose_bank,
    )
    directory = make_synthetic_humans(config.output, settings, config.workers)
    _LOG.info("%s holds the dataset", directory)
    if config.sheet:
        split = "train" if settings.num_train else "test"
        write_png(config.sheet, example_sheet(directory, split, config.sheet_people))
        _LOG.info("%s shows examples", Path(config.sheet))
