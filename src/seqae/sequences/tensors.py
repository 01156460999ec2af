"""Sequences as tensors that share their memory."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .ragged import Ragged

if TYPE_CHECKING:
    import torch


def to_tensors(sequences: Ragged) -> Ragged:
    """The same sequences with values as CPU tensors that share their memory."""
    observed = None if sequences.observed is None else as_tensor(sequences.observed)
    return Ragged.view(as_tensor(sequences.values), sequences.starts, sequences.lengths, observed)


def as_tensor(array: np.ndarray | torch.Tensor) -> torch.Tensor:
    """A CPU tensor that shares the array's memory if possible; it must not be written to."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach().cpu()
    contiguous = np.ascontiguousarray(array)
    if contiguous.flags.writeable:
        return torch.from_numpy(contiguous)
    with warnings.catch_warnings():  # torch warns of read-only memory, which is never written to
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(contiguous)
