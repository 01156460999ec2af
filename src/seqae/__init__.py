"""Sequences of any length to fixed-size vectors and back, with recurrent autoencoders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, interop
    from .architectures import Architecture
    from .estimator import SequenceAutoencoder
    from .inputs import drop_empty
    from .loading import load
    from .losses import Loss
    from .ragged import Ragged
    from .reading import read
    from .recurrence import active_kernel
    from .tasks.compare import compare
    from .tasks.detect import AnomalyDetector
    from .tasks.encdec_ad import EncDecAD
    from .tasks.stream import Stream
    from .training import Checkpoint

__version__ = "0.1.0"

__all__ = [
    "AnomalyDetector",
    "Architecture",
    "Checkpoint",
    "EncDecAD",
    "Loss",
    "Ragged",
    "SequenceAutoencoder",
    "Stream",
    "active_kernel",
    "compare",
    "drop_empty",
    "errors",
    "interop",
    "load",
    "read",
]

_HOMES = {
    "AnomalyDetector": "tasks.detect",
    "Architecture": "architectures",
    "Checkpoint": "training",
    "EncDecAD": "tasks.encdec_ad",
    "Loss": "losses",
    "Ragged": "ragged",
    "SequenceAutoencoder": "estimator",
    "Stream": "tasks.stream",
    "active_kernel": "recurrence",
    "compare": "tasks.compare",
    "drop_empty": "inputs",
    "load": "loading",
    "read": "reading",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import seqae` stays fast."""
    if name in ("errors", "interop"):
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'seqae' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
