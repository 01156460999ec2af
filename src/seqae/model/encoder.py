"""Sequences to latent vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..ragged import Ragged
from ..recurrence import Cell
from .layer import LinearMap, RecurrentLayer


class Encoder(nn.Module):
    """A stack of recurrent layers, one or both directions; the top layer's final hidden state is the latent vector.

    sizes: units of each layer per direction. latent_size: of the linear projection; None leaves the state as it is.
    """

    def __init__(
        self, cell: Cell, n_channels: int, sizes: Sequence[int], *, is_bidirectional: bool, latent_size: int | None
    ) -> None:
        super().__init__()
        directions = (False, True) if is_bidirectional else (False,)
        input_sizes = [n_channels, *(size * len(directions) for size in sizes)]
        self.layers = nn.ModuleList(
            nn.ModuleList(RecurrentLayer(cell, input_size, size, reverse=reverse) for reverse in directions)
            for input_size, size in zip(input_sizes, sizes, strict=False)
        )
        self.projection = None if latent_size is None else LinearMap(input_sizes[-1], latent_size)

    def forward(self, sequences: Ragged) -> Tensor:
        """sequences: scaled, values (n_rows, n_channels). Returns (n_sequences, latent_size)."""
        *lower, top = (list(layer.children()) for layer in self.layers)
        for directions in lower:
            sequences = _join([direction(sequences)[0] for direction in directions])
        finals = [direction.final_state(sequences)[0] for direction in top]
        vectors = torch.cat(finals, dim=1) if len(finals) > 1 else finals[0]
        return vectors if self.projection is None else self.projection(vectors)


def _join(outputs: list[Ragged]) -> Ragged:
    """Both directions' outputs side by side, step by step."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    return Ragged.view(torch.cat([part.values for part in outputs], dim=1), first.starts, first.lengths)
