"""Compares one whole training step on photos, and the initialisation before it."""

import dataclasses
import functools

import numpy as np

from prohmr_jax.parity.encoders import BATCH_STATISTICS
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.gradients import (
    BATCHED,
    RECTIFIED,
    compare_gradients,
    compare_module_norms,
)
from prohmr_jax.parity.objectives import WEIGHTS, compare_terms
from prohmr_jax.parity.official_step import (
    FromFeatures,
    OfficialStep,
    StepInputs,
    adversarial_gradients,
    step_inputs,
    train_forward,
)
from prohmr_jax.parity.predictions import compare_outputs
from prohmr_jax.parity.recipe import recipe_model
from prohmr_jax.parity.report import VALUES, Report
from prohmr_jax.training.whitening import whitened_variables
from prohmr_jax.weights.official_layers import flow_to_official, is_layout_buffer
from prohmr_jax.weights.official_models import (
    BACKBONE_PREFIX,
    DISCRIMINATOR_PREFIX,
    FLOW_PREFIX,
    prohmr_to_official,
)

_AMPLIFIED = "statistics of a small batch amplify rounding"
_FROM_FEATURES = "of the official features"
# The flow's batch norms amplify what one rectifier moves; see `FromFeatures`.
_AS_IS = dataclasses.replace(RECTIFIED, module=RECTIFIED.norm)
# AdamW's first update is the sign of the gradient times the learning rate, unless the
# gradient is tiny: tolerance in units of the rate, and the smallest relative gradient.
_OF_THE_RATE, _TINY = 0.02, 1e-3
# Prefix -> passes per step: the flow has one for samples, mode and labels each.
_PASSES = {BACKBONE_PREFIX: 1, FLOW_PREFIX: 3}
_FLOORED = "columns whose std is floored at 1e-3 amplify rounding 1000 times"
_WHITENED = {"_transforms.3.shift": 2e-3}


def check_train_step(case: GoldenFile, report: Report) -> None:
    """Compares a step: outputs, terms, gradients, updates, and the initialisation."""
    model, variables, discriminator_params = recipe_model(case.directory)
    inputs = step_inputs(case, report)
    (context, hypotheses), _ = train_forward(
        model, variables, inputs.images, inputs.draws.z
    )
    options = {"tolerance": BATCH_STATISTICS, "reason": _AMPLIFIED}
    if case.keys("B/"):
        compare_outputs(case, report, "B/out/", context, hypotheses, **options)
        state = variables, discriminator_params
        through_discriminator = adversarial_gradients(
            discriminator_params, hypotheses.smpl
        )
        of_step = case, report, model, state, inputs, through_discriminator
        _check_step(*of_step, hypotheses)
        _check_gradients(*of_step, context)
    if case.keys("C/"):
        report.compare(case, "C/feats", context, **options)
        _check_first(case, report, model, variables, inputs)


def _check_step(
    case, report, model, state, inputs, through_discriminator, hypotheses
) -> None:
    """Compares the terms of a step, and the running averages after it."""
    step = OfficialStep(case, model)
    after, metrics = step.take(state, inputs)
    ours = {"params": step.gradients(after.opt_state)}
    compare_module_norms(case, report, "B/grad_gen/",
                         prohmr_to_official(ours, through_discriminator),
                         lambda _: _AS_IS, note=" (as is)",
                         rounding=step.rounding(state, inputs))  # fmt: skip
    terms = metrics.terms
    compare_terms(case, report, "B/losses/", terms, hypotheses.pose_6d,
                  BATCH_STATISTICS)  # fmt: skip
    total = metrics.loss - WEIGHTS.adversarial * terms.adversarial
    report.compare(case, "B/losses/loss", total, BATCH_STATISTICS)
    report.compare(case, "B/losses/loss_gen", terms.adversarial, BATCH_STATISTICS)
    report.compare(
        case, "B/losses/loss_disc", metrics.discriminator_loss, BATCH_STATISTICS
    )
    _compare_buffers(case, report, prohmr_to_official({"s": after.batch_stats}))


def _check_gradients(
    case, report, model, state, inputs, through_discriminator, context
) -> None:
    """Compares gradients and updates, from equal features on."""
    key = "B/out/conditioning_feats"
    features = case.golden(key)
    report.compare(case, key, context, VALUES, note=" (before gradients)")
    model = FromFeatures(encoder=model.encoder, head=model.head, flow=model.flow)
    inputs = inputs.replace(images=(inputs.images, features))
    step = OfficialStep(case, model)
    after, _ = step.take(state, inputs)
    gradients = step.gradients(after.opt_state)
    compare = functools.partial(compare_gradients, case, report, backbone=BATCHED,
                                batch_norm=True, reason=_FROM_FEATURES)  # fmt: skip
    compare(
        "B/grad_gen/",
        prohmr_to_official({"params": gradients}, through_discriminator),
        rounding=step.rounding(state, inputs),
    )
    ours = prohmr_to_official({}, step.gradients(after.discriminator_opt_state))
    compare("B/grad_disc/", ours)
    ours = prohmr_to_official({"params": after.params}, after.discriminator_params)
    _compare_updates(case, report, ours)


def _compare_updates(case, report, ours) -> None:
    rate = float(case.input("B/adamw")[0])
    prefix = "B/after_param_first256/"
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        network = "disc" if name.startswith(DISCRIMINATOR_PREFIX) else "gen"
        gradient = np.abs(case.golden(f"B/grad_{network}/first256/{name}"))
        clear = gradient > _TINY * gradient.max()
        leading = ours[name].ravel()[: len(gradient)]
        report.compare(
            case, key, leading, _OF_THE_RATE * rate, where=clear, absolute=True,
            reason=f"{_FROM_FEATURES}; {clear.sum()} of {clear.size} entries: "
            "the gradient is not tiny",
        )  # fmt: skip


def _compare_buffers(case, report, ours) -> None:
    prefix = "B/after_buffer/"
    for key in case.keys(prefix):
        name = key.removeprefix(prefix)
        if name.endswith("num_batches_tracked"):
            passes = next(n for start, n in _PASSES.items() if name.startswith(start))
            counted = case.golden(key) == passes
            report.confirm(case, key, bool(counted), f"{passes} a step")
        else:
            report.compare(case, key, ours[name])


def _check_first(case, report, model, variables, inputs: StepInputs) -> None:
    whitened = whitened_variables(model, variables, inputs.images, inputs.labels)
    ours = flow_to_official(whitened["params"]["flow"], FLOW_PREFIX)
    for key in case.keys("C/after/"):
        name = key.removeprefix("C/after/")
        if is_layout_buffer(name):
            report.confirm(case, key, bool(case.golden(key)), "is true")
        else:
            ends = (t for end, t in _WHITENED.items() if name.endswith(end))
            report.compare(case, key, ours[name], next(ends, 1e-3), absolute=True,
                           reason=_FLOORED)  # fmt: skip
