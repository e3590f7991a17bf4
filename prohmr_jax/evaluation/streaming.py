"""Takes statistics of samples in chunks, in memory that does not grow with N.

Each accumulator is a pytree to carry through `jax.lax.scan`: `start` gives the empty
one, `add` takes in a chunk. What needs pairs of samples or their median (energy
score, medoid, rank of the distance from the median) cannot stream; it is taken of one
chunk of a few hundred samples.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.evaluation.best_of_n import SAMPLE_COUNTS
from prohmr_jax.evaluation.calibration import rank_from_counts


@struct.dataclass
class BestOfN:
    """Holds the least error so far among the first n samples, for several n."""

    counts: Int[Array, " C"]
    """The numbers n."""
    num_added: Int[Array, ""]
    """Samples taken in so far."""
    least: Float[Array, "*b C"]
    """Least error among the first n samples; infinite before the first one."""

    @classmethod
    def start(
        cls, batch: tuple[int, ...], counts: Sequence[int] = SAMPLE_COUNTS
    ) -> "BestOfN":
        """Returns an accumulator without samples, for people of shape `batch`."""
        return cls(
            counts=jnp.array(counts, jnp.int32),
            num_added=jnp.zeros((), jnp.int32),
            least=jnp.full((*batch, len(counts)), jnp.inf),
        )

    def add(self, errors: Float[Array, "*b K"]) -> "BestOfN":
        """Returns the accumulator after the errors of the next K samples."""
        chunk = errors.shape[-1]
        place = self.num_added + jnp.arange(chunk)
        counted = place < self.counts[:, None]
        least = jnp.min(jnp.where(counted, errors[..., None, :], jnp.inf), axis=-1)
        return self.replace(
            num_added=self.num_added + chunk, least=jnp.minimum(self.least, least)
        )


def best_of_stream(
    errors_of_chunk: Callable[[Int[Array, ""]], Float[Array, "*b K"]],
    num_chunks: int,
    counts: Sequence[int] = SAMPLE_COUNTS,
) -> Float[Array, "*b C"]:
    """Returns `best_of` of samples that are drawn chunk by chunk.

    Args:
      errors_of_chunk: draws the samples of the chunk of a given number and returns
        their errors; it is traced once.
      num_chunks: how many chunks there are.
      counts: numbers of samples, each from 1 to all there are.

    Raises:
      ValueError: a count is not in that range.
    """
    shape = jax.eval_shape(errors_of_chunk, jnp.zeros((), jnp.int32)).shape
    num_samples = num_chunks * shape[-1]
    if min(counts) < 1 or max(counts) > num_samples:
        raise ValueError(f"cannot take the best of {counts} of {num_samples} samples")

    def take_chunk(best, chunk):
        return best.add(errors_of_chunk(chunk)), None

    start = BestOfN.start(shape[:-1], counts)
    best, _ = jax.lax.scan(take_chunk, start, jnp.arange(num_chunks))
    return best.least


@struct.dataclass
class SampleMoments:
    """Holds mean and spread of the samples so far, and the truth's place among them."""

    truth: Float[Array, "*b J D"]
    """The true joints."""
    num_added: Int[Array, ""]
    """Samples taken in so far."""
    mean: Float[Array, "*b J D"]
    """Mean of the samples."""
    sum_of_squares: Float[Array, "*b J"]
    """Summed squared distances of the samples from their mean."""
    num_below: Int[Array, "*b J D"]
    """How many samples are less than the truth, by coordinate."""
    num_equal: Int[Array, "*b J D"]
    """How many samples equal the truth, by coordinate."""

    @classmethod
    def start(cls, truth: Float[Array, "*b J D"]) -> "SampleMoments":
        """Returns an accumulator without samples."""
        none = jnp.zeros(truth.shape, jnp.int32)
        return cls(
            truth=truth,
            num_added=jnp.zeros((), jnp.int32),
            mean=jnp.zeros_like(truth),
            sum_of_squares=jnp.zeros_like(truth[..., 0]),
            num_below=none,
            num_equal=none,
        )

    def add(self, samples: Float[Array, "*b K J D"]) -> "SampleMoments":
        """Returns the accumulator after the next K samples.

        Means and squares of the chunk and of what came before are joined by the
        formula of Chan, Golub and LeVeque (1979), which does not cancel.
        """
        chunk = samples.shape[-3]
        total = self.num_added + chunk
        mean = jnp.mean(samples, axis=-3)
        squares = jnp.square(samples - mean[..., None, :, :])
        step = mean - self.mean
        ratio = chunk / total.astype(mean.dtype)
        between = self.num_added * ratio * jnp.sum(jnp.square(step), axis=-1)
        truth = self.truth[..., None, :, :]
        below = jnp.sum(samples < truth, axis=-3, dtype=jnp.int32)
        equal = jnp.sum(samples == truth, axis=-3, dtype=jnp.int32)
        return self.replace(
            num_added=total,
            mean=self.mean + ratio * step,
            sum_of_squares=self.sum_of_squares + jnp.sum(squares, (-3, -1)) + between,
            num_below=self.num_below + below,
            num_equal=self.num_equal + equal,
        )

    def spread(self) -> Float[Array, "*b J"]:
        """Returns the root mean square distance of the samples from their mean."""
        return jnp.sqrt(self.sum_of_squares / jnp.maximum(self.num_added, 1))

    def pit_ranks(self) -> Float[Array, "*b J D"]:
        """Returns the truth's ranks among the samples: see `calibration.pit_ranks`."""
        return rank_from_counts(self.num_below, self.num_equal, self.num_added)
