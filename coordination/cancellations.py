"""Cancellations that redis-py swallows. Needs no Django.

It sends within asyncio.wait_for, which in Python 3.11 returns normally where the task is cancelled at the moment at
which the work is done (https://github.com/python/cpython/issues/86296). The task would go on as if nothing had been
asked of it, and a timeout would have no effect.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded_cancellation() -> Iterator[None]:
    """Raise CancelledError at the block's end where the task was cancelled within it, and the block did not notice.

    One that was cancelled before may use it to clean up.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except Exception:
        if task.cancelling() > before:
            raise asyncio.CancelledError from None
        raise
    if task.cancelling() > before:
        raise asyncio.CancelledError
