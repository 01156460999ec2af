"""Models of other libraries, read without running their code."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import keras, torch

__all__ = ["keras", "torch"]


def __getattr__(name: str) -> ModuleType:
    """Import a part when it is first used, so that seqae.interop.keras needs no import of its own."""
    if name not in __all__:
        raise AttributeError(f"module 'seqae.interop' has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)
