"""The compiled kernel behind the functions of seqae.recurrence.sequencewise."""

from __future__ import annotations

from .sequencewise_reference import (
    convolution_quantiles,
    convolution_shares,
    grid_gram,
    grid_read,
    grid_write,
    resample,
    statistics,
)

__all__ = [
    "convolution_quantiles",
    "convolution_shares",
    "grid_gram",
    "grid_read",
    "grid_write",
    "resample",
    "statistics",
]
