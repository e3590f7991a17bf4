"""Compares the model that lifts skeletons: outputs, losses, gradients, statistics."""

import dataclasses
import functools

import jax
import numpy as np

from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter
from prohmr_jax.parity import states
from prohmr_jax.parity.encoders import BATCH_STATISTICS
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.gradients import (
    STRICT,
    Rounding,
    compare_norm,
    compare_zero_norm,
    gradient_norms,
)
from prohmr_jax.parity.predictions import latents_of
from prohmr_jax.parity.report import Report
from prohmr_jax.parity.rounding import bound_rounding
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.training.lifter_objective import (
    LiftingDraws,
    LiftingTask,
    lifting_objective,
)
from prohmr_jax.weights.official_lifter import lifter_from_official, lifter_to_official
from prohmr_jax.weights.official_models import BACKBONE_PREFIX, FLOW_PREFIX

# End of the names of biases before a batch norm, which takes them out again.
_BIASES_BEFORE_NORM = (".linear_layers.0.bias", ".fc_block.0.bias", ".fc_block.4.bias")
_SIZES = {
    "hidden_channels": "encoder_width",
    "out_channels": "context_features",
    "flow_hidden": "flow_hidden",
    "flow_layers": "flow_layers",
    "flow_blocks": "flow_blocks",
}
# Prefix -> passes per step: the flow has one for samples, mode and labels each.
_PASSES = {BACKBONE_PREFIX: 1, FLOW_PREFIX: 3}
_TERMS = ("nll", "keypoints_3d_exp", "keypoints_3d_mode")
_AMPLIFIED = "statistics of a small batch amplify rounding"


def check_proskeleton(case: GoldenFile, report: Report) -> None:
    """Compares a model of any size in all modes that the file holds."""
    spec, variables = lifter_from_official(case.state("sd/"))
    for key, field in _SIZES.items():
        if key in case:
            size = getattr(spec, field)
            same = case.golden(key) == size
            report.confirm(case, key, bool(same), f"{size} in the weights")
    if "num_samples" in case:
        # The mode is one of the samples, and has no noise in the file.
        same = case.golden("num_samples") == 1 + case.input("in/noise").shape[1]
        report.confirm(case, "num_samples", bool(same), "one more than noises")
    states.check_flags(case, report, "sd/")
    for mode in ("eval", "train"):
        if case.keys(f"{mode}/"):
            _check_mode(case, report, spec, variables, mode)


def _check_mode(
    case: GoldenFile, report: Report, spec: LifterSpec, variables: dict, mode: str
) -> None:
    model = build_lifter(
        dataclasses.replace(spec, encoder_dropout=0.0, flow_dropout=0.0)
    )
    train = mode == "train"
    task, inputs = LiftingTask(model, train=train), _inputs(case, train)
    (loss, (aux, hypotheses)), gradients = value_and_gradients(task, variables, inputs)
    context = _encode(model, variables, inputs[0], train)
    options = {"tolerance": BATCH_STATISTICS, "reason": _AMPLIFIED} if train else {}
    for name, ours in {
        "log_prob": hypotheses.log_prob,
        "conditioning_feats": context,
        "pred_keypoints_3d": hypotheses.joints,
        "losses/loss": loss,
        **{f"losses/loss_{name}": getattr(aux.terms, name) for name in _TERMS},
    }.items():
        if f"{mode}/{name}" in case:
            report.compare(case, f"{mode}/{name}", ours, **options)
    ours = lifter_to_official({"params": gradients})
    states.compare_gradients(case, report, f"{mode}/grad/", ours,
                             zero=_BIASES_BEFORE_NORM if train else None)  # fmt: skip
    rounding = rounding_of_lifter(task, variables, inputs)
    _compare_norms(case, report, f"{mode}/grad_norm/", ours, train, rounding)
    _compare_buffers(case, report, f"{mode}/after_sd/",
                     lifter_to_official({"batch_stats": aux.batch_stats}))  # fmt: skip


def _inputs(case: GoldenFile, train: bool):
    """Returns 2D joints, 3D joints and draws of a case."""
    two, three = case.input("in/keypoints_2d"), case.input("in/keypoints_3d")
    noise = case.input("train/in/noise" if train else "in/noise")
    joints = three[..., :3]
    label_noise = case.input("train/in/pose_noise") if train else np.zeros_like(joints)
    draws = LiftingDraws(latents_of(noise), label_noise, jax.random.key(0))
    return Keypoints2D(two[..., :-1], two[..., -1]), joints, draws


@functools.partial(jax.jit, static_argnames="task")
def value_and_gradients(task: LiftingTask, variables, inputs):
    """Returns the objective of a batch, and its gradients.

    Args:
      task: the model, and the weights of the terms.
      variables: `{params, batch_stats}` of the model.
      inputs: (2D joints, true 3D joints, draws).

    Returns:
      (objective, (`LossAux`, hypotheses)), and the gradients by the parameters.
    """

    def value(params):
        given = {**variables, "params": params}
        loss, aux, hypotheses = lifting_objective(task, given, *inputs)
        return loss, (aux, hypotheses)

    return jax.value_and_grad(value, has_aux=True)(variables["params"])


@functools.partial(jax.jit, static_argnames=("model", "train"))
def _encode(model, variables, keypoints, train: bool):
    context, _ = model.apply(
        variables, keypoints, train, method="encode", mutable=["batch_stats"]
    )
    return context


def rounding_of_lifter(task: LiftingTask, variables, inputs) -> Rounding:
    """Returns a function that bounds the rounding of the gradients, all at once.

    Args: see `value_and_gradients`.
    """

    def norms(given, exact: bool):
        _, gradients = value_and_gradients(task, *given)
        return gradient_norms(lifter_to_official({"params": gradients}))

    bounds = functools.cache(lambda: bound_rounding(norms, (variables, inputs)))
    return lambda name: bounds()


def _compare_norms(
    case: GoldenFile, report: Report, prefix: str, ours, train: bool, rounding: Rounding
) -> None:
    norms = gradient_norms(ours)
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name not in norms:
            continue
        golden = case.golden(key)
        if train and name.endswith(_BIASES_BEFORE_NORM):
            compare_zero_norm(case, report, key, name, norms, golden, rounding)
        else:
            compare_norm(case, report, key, name, norms[name], golden, STRICT, rounding)


def _compare_buffers(case, report, prefix: str, ours) -> None:
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name.endswith("num_batches_tracked"):
            passes = next(n for start, n in _PASSES.items() if name.startswith(start))
            counted = case.golden(key) == case.golden(f"sd/{name}") + passes
            report.confirm(case, key, bool(counted), f"{passes} a step")
        elif name in ours:
            report.compare(case, key, ours[name])
