"""Computes in several threads or processes, and keeps the order of the input.

The writers of datasets and bulk fitting call it.
"""

import collections
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from prohmr_jax.errors import InputError


def map_ahead(
    pool: Executor, function: Callable, items: Iterable, num_ahead: int
) -> Iterator:
    """Yields function(item) in order, computed by a pool that runs a little ahead.

    Args:
      pool: threads or processes that compute.
      function: function of one item.
      items: any number of items; the caller's thread iterates over them.
      num_ahead: number of items that are taken before the first result is yielded; it
        bounds the memory.
    """
    pending: collections.deque[Future] = collections.deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > num_ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def map_in_processes(function: Callable, items: Iterable, workers: int) -> Iterator:
    """Yields function(item) in order, computed by processes of their own.

    Args:
      function: function of one item, which other processes can import.
      items: any number of items; the caller's thread iterates over them.
      workers: number of processes; 1 computes in this process.

    Raises:
      InputError: a process was killed, probably because memory ran out; or the function
        has raised it.
    """
    if workers == 1:
        yield from map(function, items)
        return
    # Forked processes would share the threads and locks of the accelerator's runtime.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) as pool:
        try:
            yield from map_ahead(pool, function, items, 2 * workers)
        except BrokenProcessPool as error:
            fault = "one of the processes was killed; if memory ran out, use fewer"
            raise InputError("workers", fault) from error
