"""Linear algebra on one thread: the order of its sums depends on the number of threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """The function, with BLAS and LAPACK on one thread while it runs: its bits then depend on the machine alone."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*arguments, **options)

    return run


@cache
def _controller() -> ThreadpoolController:
    """Of all libraries; looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401 (SciPy brings its own)

    return ThreadpoolController()
