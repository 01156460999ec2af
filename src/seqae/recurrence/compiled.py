"""The compiled kernel, where it is built: the only user of seqae._native."""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache
from types import ModuleType


@cache
def kernels() -> tuple[str, ...]:
    """Instruction sets that are built in and run on this machine, best first; none without the compiled kernel."""
    return () if importlib.util.find_spec("seqae._native") is None else compiled().kernels()


def forced_kernel() -> str:
    """What SEQAE_KERNEL says, asked at every call; empty where it is not set."""
    return compiled().forced_kernel() if kernels() else os.environ.get("SEQAE_KERNEL", "")


@cache
def compiled() -> ModuleType:
    """The extension module."""
    return importlib.import_module("seqae._native")
