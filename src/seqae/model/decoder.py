"""Latent vectors to sequences of any length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from ..ragged import Ragged
from ..recurrence import Cell, Constant
from .layer import LinearMap, RecurrentLayer


class Decoder(nn.Module):
    """A stack of recurrent layers that reads the latent vector at every step, and a linear readout of each step.

    sizes: units of each layer, first to last.
    """

    def __init__(self, cell: Cell, latent_size: int, sizes: Sequence[int], n_channels: int) -> None:
        super().__init__()
        input_sizes = [latent_size, *sizes]
        self.layers = nn.ModuleList(
            RecurrentLayer(cell, input_size, size) for input_size, size in zip(input_sizes, sizes, strict=False)
        )
        self.head = LinearMap(sizes[-1], n_channels)
        self.n_channels = n_channels

    def forward(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        """latent: (n_sequences, latent_size); lengths: (n_sequences,) int64, in steps.

        Returns predictions back to back, values (n_steps, n_channels).
        """
        inputs: Ragged | Constant = Constant(latent, lengths)
        *lower, top = self.layers
        for layer in lower:
            inputs, _ = layer(inputs)
        return top(inputs, readout=self.head.readout)[0]
