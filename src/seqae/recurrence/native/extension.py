"""The compiled extension, where it is built: the only user of seqae._native."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType


@cache
def extension() -> ModuleType:
    """The module; see native/bindings.cpp."""
    return importlib.import_module("seqae._native")


@cache
def kernels() -> tuple[str, ...]:
    """Instruction sets that are built in and run on this machine, best first; none without the extension."""
    return () if importlib.util.find_spec("seqae._native") is None else extension().kernels()


def forced_kernel() -> str:
    """The value of SEQAE_KERNEL, read at every call; empty if it is not set."""
    return _forced_kernel()()


@cache
def _forced_kernel() -> Callable[[], str]:
    return extension().forced_kernel if kernels() else partial(os.environ.get, "SEQAE_KERNEL", "")
