"""Best of N: at once, streamed, and in whatever chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation.best_of_n import SAMPLE_COUNTS, best_of
from prohmr_jax.evaluation.streaming import BestOfN, best_of_stream
from tests.support.batches import BATCHES


@pytest.mark.parametrize("batch", BATCHES)
def test_is_the_minimum_over_the_first_samples(rng, batch):
    errors = rng.random((*batch, 200)).astype(np.float32)
    result = jax.jit(best_of)(errors)
    expected = [errors[..., :n].min(axis=-1) for n in SAMPLE_COUNTS]
    np.testing.assert_array_equal(result, np.stack(expected, axis=-1))
    assert np.all(np.diff(result, axis=-1) <= 0)


@pytest.mark.parametrize("counts", [(0, 5), (5, 11)])
def test_more_samples_than_there_are_is_an_error(counts):
    with pytest.raises(ValueError, match="best of"):
        best_of(np.ones(10, np.float32), counts)
    with pytest.raises(ValueError, match="best of"):
        best_of_stream(lambda chunk: jnp.ones(5), 2, counts)


@pytest.mark.parametrize("chunk", [1, 3, 20, 60])
def test_a_stream_gives_the_same_whatever_the_chunks(rng, chunk):
    errors = rng.random((2, 3, 60)).astype(np.float32)
    counts = (1, 2, 5, 20, 59, 60)

    def errors_of_chunk(number):
        return jax.lax.dynamic_slice_in_dim(
            jnp.asarray(errors), number * chunk, chunk, axis=2
        )

    streamed = jax.jit(lambda: best_of_stream(errors_of_chunk, 60 // chunk, counts))()
    np.testing.assert_array_equal(streamed, best_of(errors, counts))


def test_chunks_may_differ_in_size(rng):
    errors = rng.random(30).astype(np.float32)
    best = BestOfN.start((), (1, 5, 30))
    for part in np.split(errors, [2, 3, 17]):
        best = best.add(part)
    np.testing.assert_array_equal(best.least, best_of(errors, (1, 5, 30)))
    assert best.num_added == 30


def test_memory_of_a_stream_does_not_grow_with_the_number_of_samples():
    def size(num_chunks):
        def errors_of_chunk(number):
            key = jax.random.fold_in(jax.random.key(0), number)
            return jax.random.uniform(key, (8, 64))

        stream = jax.jit(lambda: best_of_stream(errors_of_chunk, num_chunks, (1, 128)))
        return stream.lower().compile().memory_analysis().temp_size_in_bytes

    # The few bytes are those of the list of chunks' numbers.
    assert size(64) < size(2) + 1024
