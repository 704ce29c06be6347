"""Keep matrix products in the thread that asks for them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def single_threaded_blas() -> AbstractContextManager[object]:
    """Keep NumPy's matrix library from waking threads of its own inside a ``with`` block.

    Where an engine computes beside it, the two wait for each other: a product of half a millisecond then takes ten
    times as long.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
