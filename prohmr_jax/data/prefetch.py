"""Computes in several threads or processes, and keeps the order of the input.

The writers of datasets and bulk fitting call it.
"""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future


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
