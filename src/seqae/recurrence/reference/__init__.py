"""The backend that defines correct results, in plain PyTorch. Tests compare it with loops, and the others with it."""

from __future__ import annotations

from .layers import recur, recur_feedback, recur_outputs, recur_state, recur_symbols
from .operations import (
    adam_step,
    attend,
    concatenate,
    gather,
    linear,
    mean_loss,
    standardised_lengths,
    weighted_sum,
)

__all__ = [
    "adam_step",
    "attend",
    "concatenate",
    "gather",
    "linear",
    "mean_loss",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
    "standardised_lengths",
    "weighted_sum",
]
