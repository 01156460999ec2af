"""Encoder and decoder as one module, built from an Architecture."""

from __future__ import annotations

import torch
from torch import nn

from ..architectures import Architecture, as_architecture
from ..errors import InvalidParameter
from ..ragged import Ragged
from ..recurrence import Cell
from .decoder import Decoder
from .encoder import Encoder
from .layer import LinearMap, RecurrentLayer


class Autoencoder(nn.Module):
    """Sequences to latent vectors and back."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, sequences: Ragged) -> Ragged:
        """sequences: scaled, values (n_rows, n_channels). Returns predictions back to back, of the same lengths."""
        return self.decoder(self.encoder(sequences), sequences.lengths)

    def initialise(self, seed: int) -> None:
        """Fresh parameters that the seed alone decides."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, RecurrentLayer | LinearMap):
                module.initialise(generator)


def build(
    architecture: str | Architecture, cell: str, *, n_channels: int, latent_size: int, hidden_size: int, n_layers: int
) -> Autoencoder:
    """The module that an architecture describes, its parameters all zero.

    Raises InvalidParameter if there is no projection and the encoder's final state does not have latent_size values.
    """
    architecture = as_architecture(architecture)
    recurrent = Cell(cell, architecture.activation)  # pyright: ignore[reportArgumentType]
    encoder_sizes = architecture.encoder_sizes or (hidden_size,) * n_layers
    decoder_sizes = architecture.decoder_sizes or encoder_sizes[::-1]
    final_size = encoder_sizes[-1] * (2 if architecture.is_bidirectional else 1)
    if not architecture.has_projection and final_size != latent_size:
        raise InvalidParameter(
            f"without a projection the encoder's final state is the latent vector: it has {final_size} values, "
            f"but latent_size is {latent_size}; make them equal or use has_projection=True"
        )
    encoder = Encoder(
        recurrent,
        n_channels,
        encoder_sizes,
        is_bidirectional=architecture.is_bidirectional,
        latent_size=latent_size if architecture.has_projection else None,
    )
    return Autoencoder(encoder, Decoder(recurrent, latent_size, decoder_sizes, n_channels))
