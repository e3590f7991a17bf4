"""Compares pieces of the objective: losses, head and discriminator."""

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.recipe import FULL_SIZE, recipe_tensor
from prohmr_jax.parity.report import GRADIENTS, Report
from prohmr_jax.training.losses import (
    betas_loss,
    generator_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
)
from prohmr_jax.weights.official_layers import (
    discriminator_from_official,
    head_from_official,
    under,
)
from prohmr_jax.weights.official_models import DISCRIMINATOR_PREFIX, official_shapes

_SQUARES = "squared errors by their definition; no objective here uses them"


def check_loss_pieces(case: GoldenFile, report: Report) -> None:
    """Compares each piece that the file holds."""
    _check_keypoints(case, report)
    _check_parameters(case, report)
    _check_head(case, report)
    _check_discriminator(case, report)


def _check_keypoints(case: GoldenFile, report: Report) -> None:
    for name in ("2d", "3d"):
        predicted, labels = case.input(f"kp/pred{name}"), case.input(f"kp/gt{name}")
        target, confidence = labels[..., :-1], labels[..., -1]
        for key in case.keys(f"kp/loss{name}_"):
            kind, _, root = key.removeprefix(f"kp/loss{name}_").partition("_pelvis")
            if kind == "l2":
                squares = _squared(predicted, target, confidence, root)
                same = np.allclose(squares, case.golden(key), rtol=1e-5, atol=0)
                report.confirm(case, key, same, _SQUARES)
            elif name == "2d":
                loss = keypoint_2d_loss(predicted, target, confidence)
                report.compare(case, key, loss)
            else:
                loss = keypoint_3d_loss(predicted, target, confidence, int(root))
                report.compare(case, key, loss)


def _squared(predicted, target, confidence, root: str):
    difference = predicted - target
    if root:
        difference = difference - difference[..., int(root), None, :]
    return np.einsum("...jc,...jc,...j->...", difference, difference, confidence)


def _check_parameters(case: GoldenFile, report: Report) -> None:
    predicted, target = case.input("param/pred"), case.input("param/gt")
    ours = case.input("param/has") * betas_loss(predicted, target)
    golden = case.golden("param/loss").sum(axis=-1)
    report.measure(case, "param/loss (summed)", ours, golden)


def _check_head(case: GoldenFile, report: Report) -> None:
    features = case.input("fchead/feats")
    variables = head_from_official(case.state("fchead/sd/"))
    head = ShapeCameraHead(
        context_features=features.shape[-1],
        num_betas=len(variables["mean_params"]["betas"]),
        hidden_features=variables["params"]["layers_0"]["kernel"].shape[-1],
    )
    betas, camera = head.apply(variables, features)
    camera = jnp.concatenate([camera.scale[:, None], camera.xy], axis=-1)
    samples = int(case.input("fchead/num_samples"))
    for key, value in (("betas", betas), ("cam", camera)):
        report.compare(case, f"fchead/{key}", np.repeat(value[:, None], samples, 1))


def _check_discriminator(case: GoldenFile, report: Report) -> None:
    directory = case.directory
    state = {
        name: recipe_tensor(directory.seed, directory.pose_sigma, name, shape)
        for name, shape in official_shapes(FULL_SIZE).items()
        if name.startswith(DISCRIMINATOR_PREFIX)
    }
    variables = discriminator_from_official(under(state, DISCRIMINATOR_PREFIX))

    def loss(body_pose, betas):
        scores = Discriminator().apply(variables, body_pose, betas)
        return jnp.sum(generator_loss(scores)), scores

    inputs = case.input("disc/body_pose"), case.input("disc/betas")
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (_, scores), gradients = gradient(*inputs)
    report.compare(case, "disc/out", scores)
    for name, value in zip(("body_pose", "betas"), gradients, strict=True):
        report.compare(case, f"disc/grad_{name}_of_sum_(d-1)^2", value, GRADIENTS)
