"""Makes the dataset of rendered people, with a sheet of examples to look at."""

import logging
import pathlib

from ml_collections import ConfigDict

from prohmr_jax.files.images import write_image
from prohmr_jax.synthetic.dataset import SyntheticSettings, make_synthetic_humans
from prohmr_jax.synthetic.sheet import example_sheet

_LOG = logging.getLogger(__name__)


def make_dataset(config: ConfigDict) -> pathlib.Path:
    """Makes `config.output/synthetic_humans/1.0.0` and returns that folder.

    Raises:
      InputError: see `make_synthetic_humans`.
    """
    settings = SyntheticSettings(
        num_train=config.num_train,
        num_test=config.num_test,
        views=config.views,
        seed=config.seed,
        image_size=config.image_size,
        body=config.body,
        pose_prior=config.pose_prior,
    )
    folder = make_synthetic_humans(config.output, settings, config.workers)
    _LOG.info("%s holds the dataset", folder)
    if config.sheet:
        path = folder.parent / "examples.png"
        write_image(path, example_sheet(folder, config.sheet))
        _LOG.info("%s shows examples", path)
    return folder
