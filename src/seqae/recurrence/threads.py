"""Who gets the cores: the kernel, or torch's own operations."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Own(threading.local):
    """Threads that torch has lent to the kernel in one Python thread; torch counts them for each on its own."""

    n_lent: int | None = None


class _Shared:
    """What the Python threads know of each other: a new one starts with the count that torch was last told anywhere."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_lenders, self.n_threads = 0, 1

    def begin(self) -> int:
        """Threads of the calling Python thread, as they were before any lending."""
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
    """The child has one thread, and no other that lends."""
    n_threads = _shared.n_threads
    _shared.__init__()
    if _own.n_lent is not None:
        _shared.n_lenders, _shared.n_threads = 1, n_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def kernel_first() -> Iterator[None]:
    """While it lasts, the kernel computes on as many threads as torch had, and torch's own operations on one.

    After each operation on several threads, torch's workers spin for milliseconds on the cores that the kernel's
    threads then need: a training step takes 1.4 times as long. It also keeps the bits of torch's sums the same for
    any number of threads. Holds for the Python thread that calls it; calls may be nested, and concurrent.
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
