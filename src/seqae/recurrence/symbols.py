"""A stack of layers that runs on the symbols it chooses, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..ragged import Ragged
from .cell import Cell, Readout, State, Weights
from .fused import linear
from .reference import back_to_back, cell_step, longest_first, running, time_major_rows


@torch.no_grad()
def recur_symbols(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
    embedding: Tensor,
) -> Ragged:
    """See seqae.recurrence.recur_symbols."""
    order = longest_first(lengths)
    symbols = first[order]
    now = [tuple(part[order] for part in state) for state in states]
    steps = []
    for _, n_running in running(lengths[order]):
        x = embedding[symbols[:n_running]]
        for k, weights in enumerate(layers):
            projected = linear(x, weights.input, weights.input_bias)
            now[k] = cell_step(cell, projected, tuple(part[:n_running] for part in now[k]), weights)
            x = now[k][0]
        symbols = linear(x, readout.weight, readout.bias).argmax(dim=1)
        steps.append(symbols)
    chosen = torch.cat(steps).int() if steps else first.new_zeros(0).int()
    return back_to_back(chosen[time_major_rows(lengths[order], order, reverse=False)], lengths)
