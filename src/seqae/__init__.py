"""Sequences of any length to fixed-size vectors and back, with recurrent autoencoders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import errors, interop
    from .comparison import compare
    from .detection.detector import AnomalyDetector
    from .detection.encdec_ad import EncDecAD
    from .detection.stream import Stream
    from .estimator import SequenceAutoencoder
    from .model.losses import Loss
    from .model.presets import Architecture
    from .reading import read
    from .reading.inputs import drop_empty
    from .recurrence import active_kernel
    from .sequences.ragged import Ragged
    from .storage.loading import load
    from .training.checkpoint import Checkpoint
    from .training.history import Callback, Epoch, History, StopTraining

__all__ = [
    "AnomalyDetector",
    "Architecture",
    "Callback",
    "Checkpoint",
    "EncDecAD",
    "Epoch",
    "History",
    "Loss",
    "Ragged",
    "SequenceAutoencoder",
    "StopTraining",
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
    "AnomalyDetector": "detection.detector",
    "Architecture": "model.presets",
    "Callback": "training.history",
    "Checkpoint": "training.checkpoint",
    "EncDecAD": "detection.encdec_ad",
    "Epoch": "training.history",
    "History": "training.history",
    "Loss": "model.losses",
    "Ragged": "sequences.ragged",
    "SequenceAutoencoder": "estimator",
    "StopTraining": "training.history",
    "Stream": "detection.stream",
    "active_kernel": "recurrence",
    "compare": "comparison",
    "drop_empty": "reading.inputs",
    "load": "storage.loading",
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
