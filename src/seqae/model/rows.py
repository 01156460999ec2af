"""Shift, reverse and cut back-to-back sequences by index arithmetic, without a loop over time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..sequences.ragged import Ragged, starts_of


def reversed_rows(lengths: np.ndarray) -> np.ndarray:
    """For each step, the row of its mirror image within the sequence; its own inverse. Returns (n_steps,)."""
    starts = starts_of(lengths)
    return np.repeat(2 * starts + lengths - 1, lengths) - np.arange(int(lengths.sum()))


def in_reverse(sequences: Ragged) -> Ragged:
    """Each sequence from its last step to its first. sequences: back to back."""
    rows = reversed_rows(sequences.lengths)
    observed = None if sequences.observed is None else sequences.observed[rows]
    return Ragged.view(sequences.values[rows], sequences.starts, sequences.lengths, observed)


def shifted(sequences: Ragged, first: Tensor) -> Ragged:
    """The step before each step; `first` before the first one.

    sequences: back to back, values (n_steps, size); first: (size,). Returns values (n_steps, size).
    """
    values = sequences.values
    previous = torch.cat([first.expand(1, -1), values[:-1]])
    is_first = torch.zeros(len(values), 1, dtype=torch.bool)
    is_first[sequences.starts] = True
    return with_values(sequences, torch.where(is_first.to(values.device), first, previous))


def with_values(sequences: Ragged, values: Tensor) -> Ragged:
    """The same sequences with other values, all observed."""
    return Ragged.view(values, sequences.starts, sequences.lengths)


def part(sequences: Ragged, first: int, dropped_at_end: int) -> Ragged:
    """Each sequence without its `first` first steps and `dropped_at_end` last ones; copies values back to back."""
    lengths = sequences.lengths - first - dropped_at_end
    cut = Ragged.view(sequences.values, sequences.starts + first, lengths, sequences.observed)
    return cut if first == dropped_at_end == 0 else cut.compact()


def shifted_symbols(sequences: Ragged, first: int) -> Ragged:
    """The symbol before each one; `first` before the first. sequences: tokens, back to back."""
    previous = torch.roll(sequences.values, 1)
    previous[torch.from_numpy(sequences.starts).to(previous.device)] = first
    return with_values(sequences, previous)
