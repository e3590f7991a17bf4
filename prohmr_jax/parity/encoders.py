"""Compares the image encoder: its features, its stages, and batch statistics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.resnet import max_pool
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.recipe import recipe_model
from prohmr_jax.parity.report import VALUES, Report
from prohmr_jax.weights.official_layers import encoder_to_official
from prohmr_jax.weights.official_models import BACKBONE_PREFIX

# Looser tolerance: statistics of few positions in few images amplify rounding.
BATCH_STATISTICS = 5e-5
_AMPLIFIED = "statistics of a small batch amplify rounding"
_CORNER = (slice(0, 4), slice(0, 5), slice(0, 5))
_LEVELS = np.float32(32)


def images_of(levels: np.ndarray) -> np.ndarray:
    """Returns normalised images, [B, H, W, 3], float32.

    Args:
      levels: images as the files hold them, [B, 3, H, W], integers in units of 1/32.
    """
    return np.moveaxis(levels.astype(np.float32) / _LEVELS, 1, -1)


@functools.partial(jax.jit, static_argnames="model")
def _encode(model: ProHMR, variables, images):
    return model.apply(variables, images, method="encode")


def encode(directory: GoldenDirectory, levels: np.ndarray) -> np.ndarray:
    """Returns the features of images, [B, 2048], which are evaluated one by one.

    Args:
      directory: golden directory with the recipe of the weights.
      levels: images as the files hold them; see `images_of`.
    """
    model, variables, _ = recipe_model(directory)
    # With one image at a time, one compiled program serves all batch sizes.
    return np.concatenate(
        [_encode(model, variables, image[None]) for image in images_of(levels)]
    )


def compare_regression(case: GoldenFile, report: Report) -> None:
    """Compares what the model regresses from the images of a fit.

    These are the features, and the shape and the camera that the fit starts from.
    """
    if "in/img_int8" not in case:
        return
    model, variables, _ = recipe_model(case.directory)
    features = encode(case.directory, case.input("in/img_int8"))
    report.compare(case, "in/feats", features)
    betas, camera = model.apply(variables, features, method="shape_and_camera")
    camera = jnp.concatenate([camera.scale[:, None], camera.xy], axis=-1)
    for key, ours in (("in/pred_betas", betas), ("in/pred_cam", camera)):
        if key in case:
            report.compare(
                case, key, np.repeat(ours[:, None], case.golden(key).shape[1], axis=1)
            )
    key = "in/noise"
    report.confirm(case, key, len(case.golden(key)) == len(features),
                   "noise of samples that the file does not hold")  # fmt: skip


def check_resnet(case: GoldenFile, report: Report) -> None:
    """Compares features and stages at every image size, and a training pass."""
    model, variables, _ = recipe_model(case.directory)
    encoder = {name: t["encoder"] for name, t in variables.items() if "encoder" in t}
    for key in case.keys("in/img_int8_"):
        size = key.removeprefix("in/img_int8_")
        features, stages = _stages(model.encoder, encoder, images_of(case.input(key)))
        report.compare(case, f"out/feats_{size}", features)
        for stage, value in stages.items():
            value = np.moveaxis(np.asarray(value, np.float64), -1, 1)
            name = f"out/{size}/{stage}"
            report.compare(case, f"{name}_channel_mean", value.mean(axis=(0, 2, 3)))
            report.compare(case, f"{name}_channel_std", value.std(axis=(0, 2, 3)))
            report.compare(case, f"{name}_corner", value[0][_CORNER])
    if "train/in/img_int8" in case:
        _check_training(case, report, model.encoder, encoder)


@functools.partial(jax.jit, static_argnames="encoder")
def _stages(encoder, variables, images):
    """Returns the features, and outputs of stem and stages by their golden names."""
    features, state = encoder.apply(variables, images, capture_intermediates=True)
    intermediates = state["intermediates"]
    output = lambda name: intermediates[name]["__call__"][0]  # noqa: E731
    stages = {"conv1": output("conv1")}
    stages["maxpool"] = max_pool(jax.nn.relu(output("bn1")))
    for stage, blocks in enumerate(encoder.stages, start=1):
        stages[f"layer{stage}"] = output(f"layer{stage}_{blocks - 1}")
    return features, stages


@functools.partial(jax.jit, static_argnames="encoder")
def _train(encoder, variables, images):
    return encoder.apply(variables, images, True, mutable=["batch_stats"])


def _check_training(case, report, encoder, variables) -> None:
    images = images_of(case.input("train/in/img_int8"))
    features, updated = _train(encoder, variables, jnp.asarray(images))
    options = {"tolerance": BATCH_STATISTICS, "reason": _AMPLIFIED}
    report.compare(case, "train/out/feats", features, **options)
    ours = encoder_to_official(updated["batch_stats"])
    prefix = f"train/after_sd/{BACKBONE_PREFIX}"
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name.endswith("num_batches_tracked"):
            report.confirm(case, key, case.golden(key) == 1, "one batch")
        else:
            report.compare(case, key, ours[name], VALUES)
