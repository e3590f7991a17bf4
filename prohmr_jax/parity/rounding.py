"""Bounds how far the rounding of float32 moves the norms of gradients.

Batch norms over few rows amplify rounding, by a factor that depends on the rows. So the
bound is measured: the gradient is computed in float64, and several times in float32
with every input and weight changed by at most one unit in the last place, after which
all sums round differently. The rounding of the official code is one more such draw.
`gradients` asks for the bound where a norm is off.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from prohmr_jax.parity.precision import double

# Of a normal distribution, one more draw lies beyond `FACTOR` times the largest of the
# first `DRAWS` once in a thousand times.
DRAWS, FACTOR = 8, 3.0
# A rectifier whose input is zero within rounding is on the other side in some draws
# only: as long as a difference is not explained, more draws are made, up to this many.
MOST_DRAWS = 32
# Largest relative distance that rounding can excuse. Single tensors reach it, whose
# gradient cancels almost; where more is amplified, nothing can be compared.
LARGEST = 5e-2

# Official name of a tensor, or name of a module -> Euclidean norm of its gradient.
Norms = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class RoundingBounds:
    """Holds norms of gradients without rounding, and with several ways of rounding."""

    exact: Norms
    """Norms in float64."""
    draw: Callable[[int], Norms]
    """Function of a seed that returns norms in float32 of changed inputs."""
    drawn: list[Norms] = dataclasses.field(default_factory=list)
    """Results of `draw` so far, of the seeds 0, 1, 2 and so on."""

    def verdict(
        self, name: str, ours: float, official: float, scale: str = ""
    ) -> tuple[bool, str]:
        """Returns whether rounding explains a difference, and the proof in numbers.

        Both norms have to be as close to the exact one as `FACTOR` times the farthest
        of the drawn ones, and within `LARGEST`.

        Args:
          name: official name of a tensor, or name of a module.
          ours: norm of our gradient in float32.
          official: norm of the official gradient.
          scale: name of the tensor whose exact norm is the unit of distances; empty for
            the tensor itself.
        """
        exact, unit = self.exact.get(name), self.exact.get(scale or name)
        if not unit:
            return False, "rounding: float64 has no gradient to compare with"
        distances = [abs(norm - exact) / unit for norm in (ours, official)]
        for number in range(DRAWS, MOST_DRAWS + 1):
            while len(self.drawn) < number:
                self.drawn.append(self.draw(len(self.drawn)))
            norms = [drawn[name] for drawn in self.drawn]
            farthest = max(abs(norm - exact) for norm in norms) / unit
            allowed = min(FACTOR * farthest, LARGEST)
            # A distance that is NaN is not within what is allowed.
            explained = all(distance <= allowed for distance in distances)
            if explained or allowed == LARGEST:
                break
        return explained, (
            f"rounding: float64 {exact:.6e}; official {official:.6e} and ours "
            f"{ours:.6e} are {distances[1]:.1e} and {distances[0]:.1e} apart; float32 "
            f"of {len(norms)} changes by one ulp {min(norms):.6e} to {max(norms):.6e}, "
            f"{farthest:.1e} apart, which allows {allowed:.1e}"
        )


def bound_rounding(norms: Callable[[Any, bool], Norms], inputs: Any) -> RoundingBounds:
    """Returns the bounds of rounding of some gradients.

    Args:
      norms: function of the inputs, and of whether they are float64, that returns the
        norms of the gradients.
      inputs: pytree of all that the gradients depend on, float32.
    """
    with jax.enable_x64(True):
        exact = norms(double(inputs), True)
    return RoundingBounds(exact, lambda seed: norms(changed(inputs, seed), False))


def changed(tree: Any, seed: int) -> Any:
    """Returns a pytree whose numbers are changed by one unit in the last place or none.

    Each number goes up, down or stays, with equal chances. Zeros stay zero, since they
    stand for what is absent, and so does all that is not float32.

    Args:
      tree: pytree of arrays.
      seed: seed of the changes.
    """
    rng, infinity = np.random.default_rng(seed), np.float32(np.inf)

    def change(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        values = np.asarray(leaf)
        if values.dtype != np.float32:
            return leaf
        ulps = rng.integers(-1, 2, values.shape, dtype=np.int8)
        moved = np.nextafter(values, np.where(ulps > 0, infinity, -infinity))
        return np.where((values == 0) | (ulps == 0), values, moved)

    return jax.tree.map(change, tree)
