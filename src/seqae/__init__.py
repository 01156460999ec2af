"""Sequences of any length to fixed-size vectors and back, with recurrent autoencoders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architectures import Architecture
    from .estimator import SequenceAutoencoder
    from .loading import load
    from .losses import Loss
    from .ragged import Ragged
    from .reading import read
    from .recurrence import active_kernel
    from .training import Checkpoint

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Checkpoint",
    "Loss",
    "Ragged",
    "SequenceAutoencoder",
    "active_kernel",
    "errors",
    "load",
    "read",
]

_HOMES = {
    "Architecture": "architectures",
    "Checkpoint": "training",
    "Loss": "losses",
    "Ragged": "ragged",
    "SequenceAutoencoder": "estimator",
    "active_kernel": "recurrence",
    "load": "loading",
    "read": "reading",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import seqae` stays fast."""
    if name == "errors":
        return importlib.import_module(".errors", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'seqae' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
