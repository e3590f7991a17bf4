"""Work of several threads or processes, handed on in the order of its input."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future


def map_ahead(
    pool: Executor, function: Callable, items: Iterable, num_ahead: int
) -> Iterator:
    """Yields function(item) in order, computed by a pool that runs a little ahead.

    Args:
      pool: threads or processes.
      function: of one item.
      items: any number; taken by the caller's thread.
      num_ahead: items taken before the first result is asked for; bounds the memory.
    """
    pending: collections.deque[Future] = collections.deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > num_ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
