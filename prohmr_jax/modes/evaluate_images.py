"""Evaluates an image-conditioned model on a dataset, and draws some people."""

import logging
import pathlib

import ml_collections

from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.pipeline import evaluation_batches
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.image_errors import score
from prohmr_jax.evaluation.image_report import draw_people, write_page
from prohmr_jax.files.body_hash import read_identified_body
from prohmr_jax.files.images import write_png
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import KEYPOINTS, build_model
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.weights.headers import warn_of_other_body
from prohmr_jax.weights.weight_files import load_weights

_LOG = logging.getLogger(__name__)


def run(config: ml_collections.ConfigDict) -> pathlib.Path:
    """Evaluates a model on a dataset, prints the page of errors and writes it.

    Args:
      config: settings, as in `configs/evaluate_images.py`.

    Returns:
      The path of the page.

    Raises:
      InputError: weights, body or dataset cannot be used, or do not fit together.
    """
    spec, variables = load_weights(config.checkpoint)
    if spec.encoder == KEYPOINTS:
        raise InputError(
            config.checkpoint, "is a model of keypoints, not one of images"
        )
    body, identity = read_identified_body(config.body)
    warn_of_other_body(config.checkpoint, identity)
    model = prepare(build_model(spec), variables)
    source = Source(config.dataset, config.split, weight=1.0)
    baseline = mean_body(body, mean_pose(load_pose_prior(config.pose_prior or None)))
    batches = evaluation_batches(
        source, config.batch_size, spec.input_size, config.num_people or None
    )
    scores = score(
        model, body, baseline, batches, config.num_samples, config.seed, config.dataset
    )
    output, pictures = pathlib.Path(config.output), ()
    if config.num_pictures:
        shown = evaluation_batches(source, config.num_pictures, spec.input_size)
        batch, _ = next(iter(shown))
        picture = draw_people(model, body, batch, config.seed)
        write_png(output / "people.png", picture)
        pictures = ("people.png",)
    name = pathlib.Path(config.checkpoint).name
    title = f"{name} on {pathlib.Path(config.dataset).name}, {config.split}"
    page = write_page(output, title, scores, config.num_samples, pictures)
    print(page.read_text(encoding="utf-8"))
    return page
