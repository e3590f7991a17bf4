"""Counts and times what one evaluation of the fitting objective costs."""

import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.benchmarks.fitting_people import (
    People,
)
from prohmr_jax.benchmarks.hypotheses import sampling_multiply_adds
from prohmr_jax.benchmarks.timing import timed
from prohmr_jax.fitting.keypoints import (
    keypoint_problem,
)
from prohmr_jax.fitting.objectives import (
    FittingModel,
    bind_keypoints,
)
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.solver.minimise import compile_batch, minimise_batch
from prohmr_jax.solver.problem import Settings

# Number of steps over which a turn of the loop is timed.
TURNS = 8


def turn_costs(model: FittingModel, people: People, rounds: int) -> tuple[float, float]:
    """Returns seconds and compiled FLOPs of one turn of the loop, for all people.

    Args:
      model: flow and body.
      people: the people.
      rounds: number of rounds of timing.
    """
    start, data = keypoint_problem(model, people.context, people.betas, people.view)
    settings = Settings(
        max_steps=TURNS,
        patience=10**6,
        gradient_tolerance=0.0,
        people_at_once=len(people.betas),
    )
    arguments = bind_keypoints(model), start, data, settings
    turns = int(np.max(minimise_batch(*arguments).evaluations))
    seconds = timed({"loop": lambda: minimise_batch(*arguments)}, rounds)["loop"]
    return seconds / turns, float(compile_batch(*arguments).cost_analysis()["flops"])


def analytic_multiply_adds(model: FittingModel, flow: ConditionalGlow) -> int:
    """Returns the multiply-adds of one turn of the loop for one person.

    A turn consists of a forward and a backward pass (for the gradient of the inputs
    alone) through the prepared flow and through the vertices that landmarks depend on,
    and of two passes over the two matrices of the solver.
    """
    joints, support = len(skeleton.SMPL_24), model.body.landmarks.template.shape[-1]
    pose = 9 * (joints - 1)
    surface = 3 * support * (model.body.num_betas + pose) + 12 * joints * support
    regressed = 3 * model.body.landmark_regressor.size
    unknowns = POSE_FEATURES + model.body.num_betas + 3
    solver = 2 * (2 + 2) * unknowns**2
    return 2 * (sampling_multiply_adds(flow) + surface + regressed) + solver
