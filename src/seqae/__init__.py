"""Sequences of any length to fixed-size vectors and back, with recurrent autoencoders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import errors, interop
    from .comparison import Comparison, compare
    from .detection.detector import AnomalyDetector
    from .detection.dynamic import Dynamic
    from .detection.encdec_ad import EncDecAD
    from .detection.result import Detection, Interval
    from .detection.stream import Stream
    from .detection.thresholds import (
        Conformal,
        Events,
        FBeta,
        FromScoredData,
        MeanPlusSigmas,
        PeaksOverThreshold,
        Quantile,
    )
    from .estimator import SequenceAutoencoder
    from .forecasting import NextSteps, forecast, next_steps
    from .model.losses import Loss
    from .model.presets import Architecture
    from .reading import Source, read
    from .reading.inputs import drop_empty
    from .recurrence import active_kernel
    from .search import Neighbours, VectorIndex
    from .sequences.ragged import Ragged
    from .storage.loading import load
    from .training.checkpoint import Checkpoint
    from .training.history import Callback, Epoch, History, StopTraining

__all__ = [
    "AnomalyDetector",
    "Architecture",
    "Callback",
    "Checkpoint",
    "Comparison",
    "Conformal",
    "Detection",
    "Dynamic",
    "EncDecAD",
    "Epoch",
    "Events",
    "FBeta",
    "FromScoredData",
    "History",
    "Interval",
    "Loss",
    "MeanPlusSigmas",
    "Neighbours",
    "NextSteps",
    "PeaksOverThreshold",
    "Quantile",
    "Ragged",
    "SequenceAutoencoder",
    "Source",
    "StopTraining",
    "Stream",
    "VectorIndex",
    "active_kernel",
    "compare",
    "drop_empty",
    "errors",
    "forecast",
    "interop",
    "load",
    "next_steps",
    "read",
]

_HOMES = {
    "AnomalyDetector": "detection.detector",
    "Architecture": "model.presets",
    "Callback": "training.history",
    "Checkpoint": "training.checkpoint",
    "Comparison": "comparison",
    "Conformal": "detection.thresholds",
    "Detection": "detection.result",
    "Dynamic": "detection.dynamic",
    "EncDecAD": "detection.encdec_ad",
    "Epoch": "training.history",
    "Events": "detection.thresholds",
    "FBeta": "detection.thresholds",
    "FromScoredData": "detection.thresholds",
    "History": "training.history",
    "Interval": "detection.result",
    "Loss": "model.losses",
    "MeanPlusSigmas": "detection.thresholds",
    "Neighbours": "search",
    "NextSteps": "forecasting",
    "PeaksOverThreshold": "detection.thresholds",
    "Quantile": "detection.thresholds",
    "Ragged": "sequences.ragged",
    "SequenceAutoencoder": "estimator",
    "Source": "reading",
    "StopTraining": "training.history",
    "Stream": "detection.stream",
    "VectorIndex": "search",
    "active_kernel": "recurrence",
    "compare": "comparison",
    "drop_empty": "reading.inputs",
    "forecast": "forecasting",
    "load": "storage.loading",
    "next_steps": "forecasting",
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
