"""What every encoder and decoder can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ..sequences.ragged import Ragged
from ..sequences.scaling import in_float32
from ..sequences.tensors import to_tensors
from .draw import Draw
from .layer import RecurrentLayer
from .losses import Loss


@dataclass(frozen=True, slots=True)
class Code:
    """What an encoder makes of a batch.

    latent: (n_sequences, latent_size), the mean if variational. log_variance: of the same shape, or None.
    memory: each encoder step in latent space, values (n_steps, latent_size), where the decoder attends over them.
    """

    latent: Tensor
    log_variance: Tensor | None = None
    memory: Ragged | None = None


class Part(nn.Module, ABC):
    """An encoder or a decoder."""

    @property
    @abstractmethod
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """Its recurrent layers, first to last, the one or two directions of each."""


class Encoder(Part):
    """Sequences to latent vectors."""

    @abstractmethod
    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """sequences: scaled, back to back; draw: of a training update, None for the plain result."""

    def forward(self, sequences: Ragged) -> Tensor:
        """sequences: scaled, values (n_rows, n_channels) or tokens. Returns (n_sequences, latent_size)."""
        if isinstance(sequences.values, np.ndarray):
            sequences = to_tensors(in_float32(sequences))
        return self.encode(sequences).latent


class Decoder(Part):
    """Latent vectors to sequences of any length.

    n_channels: values of a step; 1 for tokens. writes_tokens: whether the steps are tokens.
    """

    n_channels: int
    writes_tokens: bool = False

    @abstractmethod
    def forward(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """latent: (n_sequences, latent_size); lengths: (n_sequences,) int64, in steps; memory: see Code.

        Returns predictions back to back, values (n_steps, n_channels), or (n_steps,) tokens.
        """

    @abstractmethod
    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """As forward(), in training: where the decoder reads the true steps, it finds them in target."""

    @abstractmethod
    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """What the decoder's steps cost beside the true ones, a scalar. draw: of a training update, None after it."""

    @abstractmethod
    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """The loss of each value after training, also of those that were not observed. (n_steps, n_channels)."""


class ValueDecoder(Decoder):
    """A decoder of values, or of the probability of each symbol: its loss compares what it writes with the truth."""

    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """See Decoder.loss."""
        is_taught = draw is not None or target.is_tokens
        written = self.taught(latent, target, memory, draw) if is_taught else self(latent, target.lengths, memory)
        return loss.mean(written, target)

    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """See Decoder.losses; symbols are told given the true ones before."""
        is_taught = target.is_tokens
        written = self.taught(latent, target, memory, None) if is_taught else self(latent, target.lengths, memory)
        return loss.of_values(written.values, target.values)
