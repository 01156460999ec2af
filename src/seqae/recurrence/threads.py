"""Share the cores between the kernel and torch's operations."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Own(threading.local):
    """Threads that torch lent to the kernel, per Python thread, as torch's own count is."""

    n_lent: int | None = None


class _Shared:
    """State shared by all Python threads: a new one starts with the count that was last set in any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_lenders, self.n_threads = 0, 1

    def begin(self) -> int:
        """The thread count of the calling Python thread before lending."""
        n_threads = torch.get_num_threads()
        with self.lock:
            if self.n_lenders and n_threads == 1:
                n_threads = self.n_threads
            self.n_lenders, self.n_threads = self.n_lenders + 1, n_threads
        return n_threads

    def end(self) -> None:
        with self.lock:
            self.n_lenders -= 1


_own, _shared = _Own(), _Shared()


def _after_fork() -> None:
    """The child has one thread, and nothing is lent."""
    n_threads = _shared.n_threads
    _shared.__init__()
    if _own.n_lent is not None:
        _shared.n_lenders, _shared.n_threads = 1, n_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def kernel_first() -> Iterator[None]:
    """In this context, the kernel uses as many threads as torch had, and torch's operations use one.

    After an operation on several threads, torch's workers spin for milliseconds on cores that the kernel needs: a
    training step takes 1.4 times as long. One thread also makes the bits of torch's sums independent of the thread
    count. The context belongs to the calling Python thread; contexts may be nested and concurrent.
    """
    if _own.n_lent is not None:
        yield
        return
    _own.n_lent = n_threads = _shared.begin()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _own.n_lent = None
        torch.set_num_threads(n_threads)
        _shared.end()


def n_kernel_threads() -> int:
    """Threads that a call of the kernel may use."""
    return torch.get_num_threads() if _own.n_lent is None else _own.n_lent
