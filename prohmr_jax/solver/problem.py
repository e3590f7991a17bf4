"""Defines what the solver takes and returns: objectives, settings and minima."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from flax import struct
from jaxtyping import Array, Float, Int

# A function `(params, data) -> scalar`, differentiable in the pytree `params`. Network
# weights that it needs belong in a `jax.tree_util.Partial`, which hands them to the
# compiled loop as arguments.
Objective = Callable[[Any, Any], Float[Array, ""]]


class Reason(enum.IntEnum):
    """Says why a minimisation ended. Tables store the numbers, so they never change."""

    RUNNING = 0
    """It has not ended."""
    GRADIENT_SMALL = 1
    """The gradient is below its tolerance."""
    LOSS_SETTLED = 2
    """Over `Settings.patience` evaluations the objective has decreased by less than its
    tolerance. Tables of older versions have this number for NO_PROGRESS as well."""
    STEP_LIMIT = 3
    """The largest number of steps is reached."""
    NON_FINITE = 4
    """The start, or every point tried from the last one, has no finite value."""
    NO_PROGRESS = 5
    """No step along the gradient lowers the objective, which rounding then hides."""

    @property
    def words(self) -> str:
        """Returns how a report tells users that a minimisation ended like this."""
        return _WORDS[self]


_WORDS = {
    Reason.RUNNING: "not ended",
    Reason.GRADIENT_SMALL: "converged",
    Reason.LOSS_SETTLED: "converged",
    Reason.STEP_LIMIT: "step limit",
    Reason.NON_FINITE: "no finite value",
    Reason.NO_PROGRESS: "no further progress",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Describes when a minimisation ends and how much it remembers.

    Settings are hashable, so that a loop is compiled once per setting.
    """

    max_steps: int = 1000
    """Largest number of accepted points; each costs about one evaluation."""
    gradient_tolerance: float = 1e-6
    """Largest max |g_i| max(|x_i|, 1) / max(|loss|, 1) that counts as a small gradient
    (Dennis and Schnabel, 1983, Sec. 7.2)."""
    loss_tolerance: float = 2e-5
    """Relative decrease of the loss over `patience` evaluations below which the
    objective has settled."""
    patience: int = 10
    """Number of evaluations after which the loss must have decreased."""
    memory: int | None = None
    """Number of pairs of steps and gradient changes that L-BFGS remembers. None means
    all of them, as two square matrices over the unknowns, which is affordable for up to
    one or two thousand unknowns."""
    people_at_once: int | None = None
    """Number of people whose objectives `minimise_batch` evaluates together; None lets
    it choose."""


@struct.dataclass
class Minimum:
    """Holds the result of a minimisation."""

    params: Any
    """Unknowns with the lowest loss that was met, as a pytree like the initial ones;
    always finite."""
    loss: Float[Array, "*b"]
    """Loss at `params`; infinity where the start had no finite loss."""
    start_loss: Float[Array, "*b"]
    """Loss at the initial unknowns; infinity where it was not finite."""
    steps: Int[Array, "*b"]
    """Number of accepted points after the start."""
    evaluations: Int[Array, "*b"]
    """Number of evaluations of the objective and its gradient, including the start."""
    reason: Int[Array, "*b"]
    """The `Reason` why it ended."""
