"""Compares one whole training step on photos, and the initialisation before it."""

import dataclasses
import functools

import jax
import numpy as np
import optax
from flax import struct

from prohmr_jax.body import BodyModel
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.parity.bodies import golden_body
from prohmr_jax.parity.encoders import BATCH_STATISTICS, images_of
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.gradients import (
    BATCHED,
    RECTIFIED,
    compare_gradients,
    compare_module_norms,
)
from prohmr_jax.parity.objectives import (
    OBJECTIVE,
    WEIGHTS,
    compare_terms,
    labels_of,
)
from prohmr_jax.parity.predictions import compare_outputs, latents_of
from prohmr_jax.parity.recipe import recipe_model
from prohmr_jax.parity.report import VALUES, Report
from prohmr_jax.structs import MocapPoses
from prohmr_jax.training.adversarial import discriminator_term, generator_term
from prohmr_jax.training.labels import Labels
from prohmr_jax.training.objective import (
    Draws,
    Examples,
    ObjectiveOfModel,
    objective_value,
)
from prohmr_jax.training.train_state import (
    DiscriminatorTraining,
    StepMetrics,
    TrainState,
    create_train_state,
    make_train_step,
)
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


@struct.dataclass
class _Inputs:
    """Holds the inputs of the step, with the official random numbers."""

    images: jax.Array | tuple[jax.Array, jax.Array]
    """Normalised images; for `FromFeatures`, with the features of the encoder."""
    labels: Labels
    draws: Draws
    mocap: MocapPoses
    body: BodyModel


class FromFeatures(ProHMR):
    """Replaces the encoder's features by given ones; gradients still reach the encoder.

    Batch norms over few rows that differ little amplify the rounding of the encoder's
    fifty layers, which then decides on which side of zero a rectifier's input lies: one
    of them changes gradients by 1e-2. From equal features on, only the flow rounds
    differently.
    """

    def encode(self, inputs, train: bool = False):
        """Returns the features of `(images, features)`."""
        images, features = inputs
        own = super().encode(images, train)
        return features + (own - jax.lax.stop_gradient(own))


def check_train_step(case: GoldenFile, report: Report) -> None:
    """Compares a step: outputs, terms, gradients, updates, and the initialisation."""
    model, variables, discriminator_params = recipe_model(case.directory)
    inputs = _inputs(case, report)
    (context, hypotheses), _ = _train_forward(
        model, variables, inputs.images, inputs.draws.z
    )
    options = {"tolerance": BATCH_STATISTICS, "reason": _AMPLIFIED}
    if case.keys("B/"):
        compare_outputs(case, report, "B/out/", context, hypotheses, **options)
        state = variables, discriminator_params
        through_discriminator = _adversarial_gradients(
            discriminator_params, hypotheses.smpl
        )
        of_step = case, report, model, state, inputs, through_discriminator
        _check_step(*of_step, hypotheses)
        _check_gradients(*of_step, context)
    if case.keys("C/"):
        report.compare(case, "C/feats", context, **options)
        _check_first(case, report, model, variables, inputs)


def _inputs(case: GoldenFile, report: Report) -> _Inputs:
    labels = labels_of(case)
    z = latents_of(case.input("in/noise"))
    # The official code draws noise for the labelled people alone.
    noise = np.zeros((len(z), 24, 6), np.float32)
    parts = [case.input(f"in/param_noise/{name}")[:, 0]
             for name in ("global_orient", "body_pose")]  # fmt: skip
    drawn = np.concatenate(parts, axis=-1)
    noise[labels.has_pose > 0] = drawn.reshape(len(drawn), 24, 6)
    key = "in/param_noise/betas"
    report.confirm(case, key, len(case.golden(key)) == len(drawn), "read by nothing")
    pose = case.input("in/mocap/body_pose")
    rotmats = axis_angle_to_rotmat(pose.reshape(len(pose), -1, 3))
    return _Inputs(
        images=images_of(case.input("in/img_int8")),
        labels=labels,
        draws=Draws(z, noise, jax.random.key(0)),
        mocap=MocapPoses(rotmats, case.input("in/mocap/betas")),
        body=golden_body(case.directory),
    )


@functools.partial(jax.jit, static_argnames="model")
def _train_forward(model: ProHMR, variables, images, z):
    def forward(module: ProHMR):
        context = module.encode(images, True)
        return context, module.hypotheses(context, z, True)

    return model.apply(variables, method=forward, mutable=["batch_stats"])


def _check_step(
    case, report, model, state, inputs, through_discriminator, hypotheses
) -> None:
    """Compares the terms of a step, and the running averages after it."""
    after, metrics = _step(case, model, state, inputs)
    ours = {"params": _gradients(case, after.opt_state)}
    compare_module_norms(case, report, "B/grad_gen/",
                         prohmr_to_official(ours, through_discriminator),
                         lambda _: _AS_IS, note=" (as is)")  # fmt: skip
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
    after, _ = _step(case, model, state, inputs)
    gradients = _gradients(case, after.opt_state)
    compare = functools.partial(compare_gradients, case, report, backbone=BATCHED,
                                batch_norm=True, reason=_FROM_FEATURES)  # fmt: skip
    compare(
        "B/grad_gen/", prohmr_to_official({"params": gradients}, through_discriminator)
    )
    ours = prohmr_to_official({}, _gradients(case, after.discriminator_opt_state))
    compare("B/grad_disc/", ours)
    ours = prohmr_to_official({"params": after.params}, after.discriminator_params)
    _compare_updates(case, report, ours)


def _gradients(case, opt_state):
    """Returns the gradients of the first step, from the first moments of AdamW."""
    beta1 = case.input("B/adamw")[1]
    return jax.tree.map(lambda m: m / (1.0 - beta1), optax.tree.get(opt_state, "mu"))


def _step(case, model, state, inputs: _Inputs) -> tuple[TrainState, StepMetrics]:
    """Returns the state after one step, and the step's metrics.

    The step starts from `state`, which is (variables, discriminator's parameters).
    """
    rate, beta1, beta2, epsilon, decay = case.input("B/adamw")
    optimizer = optax.adamw(rate, beta1, beta2, eps=epsilon, weight_decay=decay)
    variables, discriminator_params = state

    def loss_function(params, state: TrainState, key, inputs: _Inputs):
        given = {
            "params": params,
            "batch_stats": state.batch_stats,
            "mean_params": state.mean_params,
        }
        return objective_value(
            ObjectiveOfModel(model, OBJECTIVE),
            given,
            Examples(inputs.images, inputs.labels, inputs.body),
            inputs.draws,
            discriminator_params=state.discriminator_params,
        )

    def discriminator_loss(discriminator_params, predicted, inputs: _Inputs):
        return discriminator_term(discriminator_params, predicted, inputs.mocap)

    discriminator = DiscriminatorTraining(
        discriminator_loss, WEIGHTS.adversarial, optimizer
    )
    start = create_train_state(
        variables,
        optimizer,
        averaged=False,
        discriminator=discriminator,
        discriminator_params=discriminator_params,
    )
    step = make_train_step(
        loss_function, optimizer, 0, 0.0, discriminator=discriminator
    )
    return jax.jit(step)(start, inputs)


@jax.jit
def _adversarial_gradients(discriminator_params, predicted):
    """Returns the gradients of the model's adversarial term by the discriminator.

    The official code has them after its backward pass of the model's objective; a step
    does not use them.
    """
    weighted = lambda params: WEIGHTS.adversarial * generator_term(params, predicted)  # noqa: E731
    return jax.grad(weighted)(discriminator_params)


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


def _check_first(case, report, model, variables, inputs: _Inputs) -> None:
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
