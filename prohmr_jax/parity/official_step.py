"""Takes a training step with the inputs and the random numbers of the official one.

`steps` compares the result.
"""

import functools

import jax
import numpy as np
import optax
from flax import struct

from prohmr_jax.body import BodyModel
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.parity.bodies import golden_body
from prohmr_jax.parity.encoders import images_of
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.gradients import Rounding, gradient_norms
from prohmr_jax.parity.objectives import OBJECTIVE, WEIGHTS, labels_of
from prohmr_jax.parity.predictions import latents_of
from prohmr_jax.parity.report import Report
from prohmr_jax.parity.rounding import Norms, bound_rounding
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
from prohmr_jax.weights.official_models import prohmr_to_official


@struct.dataclass
class StepInputs:
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


def step_inputs(case: GoldenFile, report: Report) -> StepInputs:
    """Returns the inputs of a step, and checks the noise that nothing reads."""
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
    return StepInputs(
        images=images_of(case.input("in/img_int8")),
        labels=labels,
        draws=Draws(z, noise, jax.random.key(0)),
        mocap=MocapPoses(rotmats, case.input("in/mocap/betas")),
        body=golden_body(case.directory),
    )


class OfficialStep:
    """Takes the step of a golden file with one model; it is compiled once."""

    def __init__(self, case: GoldenFile, model: ProHMR):
        """Makes the step, with the optimizers of the official one.

        Args:
          case: the golden file.
          model: the Flax module.
        """
        rate, beta1, beta2, epsilon, decay = case.input("B/adamw")
        self._case, self._model, self._beta1 = case, model, beta1
        self._optimizer = optax.adamw(
            rate, beta1, beta2, eps=epsilon, weight_decay=decay
        )
        self._discriminator = DiscriminatorTraining(
            _discriminator_loss, WEIGHTS.adversarial, self._optimizer
        )
        self._step = jax.jit(
            make_train_step(
                functools.partial(_model_loss, model),
                self._optimizer,
                0,
                0.0,
                discriminator=self._discriminator,
            )
        )

    def take(self, state, inputs: StepInputs) -> tuple[TrainState, StepMetrics]:
        """Returns the state after one step, and the step's metrics.

        Args:
          state: (variables, discriminator's parameters) before the step.
          inputs: the inputs of the step.
        """
        variables, discriminator_params = state
        start = create_train_state(
            variables,
            self._optimizer,
            averaged=False,
            discriminator=self._discriminator,
            discriminator_params=discriminator_params,
        )
        return self._step(start, inputs)

    def gradients(self, opt_state):
        """Returns the gradients of the first step, from AdamW's first moments."""
        moments = optax.tree.get(opt_state, "mu")
        return jax.tree.map(lambda m: m / (1.0 - self._beta1), moments)

    def rounding(self, state, inputs: StepInputs) -> Rounding:
        """Returns a function that bounds the rounding of the gradients of a module.

        The gradients of the model and those of the discriminator are measured apart,
        each when one of its names is asked for first.

        Args: see `take`.
        """

        def of_model(given, exact: bool) -> Norms:
            step = OfficialStep(self._case, _float64(self._model)) if exact else self
            after, _ = step.take(*given)
            gradients = jax.device_get(step.gradients(after.opt_state))
            return gradient_norms(prohmr_to_official({"params": gradients}))

        def of_discriminator(given, exact: bool) -> Norms:
            model = _float64(self._model) if exact else self._model
            (variables, discriminator_params), inputs = given
            (_, hypotheses), _ = train_forward(
                model, variables, inputs.images, inputs.draws.z
            )
            gradients = jax.device_get(
                adversarial_gradients(discriminator_params, hypotheses.smpl)
            )
            return gradient_norms(prohmr_to_official({}, gradients))

        @functools.cache
        def bounds(is_discriminator: bool):
            norms = of_discriminator if is_discriminator else of_model
            return bound_rounding(norms, (state, inputs))

        return lambda name: bounds(name.startswith("discriminator"))


def _float64(model: ProHMR) -> ProHMR:
    """Returns a model whose encoder computes in float64, as the rest does anyway."""
    return model.clone(encoder=model.encoder.clone(dtype="float64"))


@functools.partial(jax.jit, static_argnames="model")
def train_forward(model: ProHMR, variables, images, z):
    """Returns (context, hypotheses) of a training step, and the running averages.

    Args:
      model: the Flax module.
      variables: `{params, batch_stats, mean_params}` of the model.
      images: input of the encoder.
      z: latents, [B, K, 144].
    """

    def forward(module: ProHMR):
        context = module.encode(images, True)
        return context, module.hypotheses(context, z, True)

    return model.apply(variables, method=forward, mutable=["batch_stats"])


def _model_loss(model: ProHMR, params, state: TrainState, key, inputs: StepInputs):
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


def _discriminator_loss(discriminator_params, predicted, inputs: StepInputs):
    return discriminator_term(discriminator_params, predicted, inputs.mocap)


@jax.jit
def adversarial_gradients(discriminator_params, predicted):
    """Returns the gradients of the model's adversarial term by the discriminator.

    The official code has them after its backward pass of the model's objective; a step
    does not use them.
    """
    weighted = lambda params: WEIGHTS.adversarial * generator_term(params, predicted)  # noqa: E731
    return jax.grad(weighted)(discriminator_params)
