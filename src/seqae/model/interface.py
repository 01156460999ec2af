"""What every encoder and decoder can do, and how a vector holds the length of its sequence."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter, InvalidSequence
from ..features.chunks import Sequences
from ..recurrence import mean_loss, standardised_lengths
from ..sequences.ragged import Ragged, back_to_back, to_tensors
from ..sequences.scaling import MAX_FACTOR, fit_length_units, in_float32
from .layers import Draw, LinearMap, RecurrentLayer
from .losses import Loss


class LengthCode(nn.Module):
    """The vector's part that tells how long its sequence was:   z = P h + u n',   n' the length in usual units.

    Without it a recurrent layer would have to count. The units are those of the lengths that training encodes.
    """

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(latent_size, dtype=torch.float32))
        self.statistics = nn.Buffer(torch.zeros(3, dtype=torch.float64))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """A direction of about unit length."""
        self.weight.normal_(0, 1 / math.sqrt(len(self.weight)), generator=generator)

    def along(self, lengths: np.ndarray) -> tuple[Tensor, Tensor] | None:
        """n' of each row and u, None where all lengths were one. lengths: (n,), of the sequence of each row."""
        mean, unit, longest = self.statistics.tolist()
        if unit == 0:
            return None
        return standardised_lengths(lengths, mean, unit, MAX_FACTOR * longest, self.weight), self.weight


class LengthHead(nn.Module):
    """How long a sequence was, by its vector: linear in lengths in usual units. It reads what is to be decoded.

    statistics: mean, unit and longest of the lengths that training encodes.
    """

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.map = LinearMap(latent_size, 1)
        self.statistics = nn.Buffer(torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64))

    @torch.no_grad()
    def initialise(self, direction: Tensor | None) -> None:
        """Start from what the vector says: the mean length, and what lies along the direction of length, if any."""
        self.map.weight.zero_()
        self.map.bias.zero_()
        if direction is not None and direction.any():
            self.map.weight.copy_(direction / direction.square().sum())

    def loss(self, latent: Tensor, lengths: np.ndarray) -> Tensor | None:
        """Mean squared error in usual units; None where all lengths were one, and there is nothing to learn.

        latent: (n_sequences, latent_size). Returns a scalar.
        """
        mean, unit, _ = self.statistics.tolist()
        if unit == 0:
            return None
        wanted = standardised_lengths(lengths, mean, unit, math.inf, latent)
        as_one = np.array([len(lengths)])
        told = back_to_back(self.map(latent), as_one)
        return mean_loss("mse", told, back_to_back(wanted, as_one), per_sequence=False)

    @torch.no_grad()
    def lengths(self, latent: Tensor) -> np.ndarray:
        """Whole lengths from 1 to twice the longest in training, (n_sequences,) int64."""
        mean, unit, longest = self.statistics.tolist()
        told = self.map(latent[:, : self.map.weight.shape[1]].contiguous())[:, 0].double().cpu().numpy() * unit + mean
        return np.clip(np.rint(told), 1, MAX_FACTOR * longest).astype(np.int64)


def length_statistics(lengths: np.ndarray) -> Tensor:
    """Mean, usual unit and longest of lengths, (3,) float64; see LengthUnits. lengths: (n,), in steps."""
    return torch.from_numpy(fit_length_units(lengths).to_array())


Batch = Ragged | Tensor | Sequence[Tensor]
"""Scaled sequences: a Ragged of values (n_rows, n_channels) or tokens; a tensor (n_sequences, n_steps, n_channels), or
(n_sequences, n_steps) of tokens; or one tensor for each sequence, (n_steps, n_channels) or (n_steps,)."""


@dataclass(frozen=True, slots=True)
class Code:
    """What an encoder makes of a batch.

    latent: (n_sequences, latent_size), the mean if variational. log_variance: of the same shape, or None.
    memory: each encoder step in latent space, values (n_steps, latent_size), where the decoder attends over them.
    """

    latent: Tensor
    log_variance: Tensor | None = None
    memory: Ragged | None = None

    def drawn(self, draw: Draw) -> Tensor:
        """What training decodes: mean + s e, e normal (Kingma & Welling 2014, 1312.6114), else the latent vectors."""
        if self.log_variance is None:
            return self.latent
        return self.latent + torch.exp(0.5 * self.log_variance) * draw.normal(self.latent)

    def divergence(self) -> Tensor | None:
        """Kullback-Leibler divergence from a standard normal, the mean over sequences and values, a scalar; or None."""
        if self.log_variance is None:
            return None
        return 0.5 * (self.latent**2 + self.log_variance.exp() - self.log_variance - 1).mean()


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The training sequences, for what can be learnt from them without gradients.

    encoded_lengths: (n,), in steps, of all that training encodes: whole sequences, and those without steps held back.
    sequences: whole, scaled.
    """

    encoded_lengths: np.ndarray
    sequences: Sequences


class Part(nn.Module, ABC):
    """An encoder or a decoder. One that is made of others asks each of them in turn."""

    @property
    @abstractmethod
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """Its recurrent layers, first to last, the one or two directions of each."""

    @abstractmethod
    def fit_closed_form(self, data: TrainingData) -> None:
        """Learn, before training, what the training sequences tell without gradients; many parts learn nothing."""


class Encoder(Part):
    """Sequences to latent vectors.

    n_symbols: how many tokens it knows, None for values. length_code: what the vector holds of the length, if anything.
    is_closed_form: whether all of it is learnt before training.
    """

    n_symbols: int | None = None
    is_closed_form: bool = False
    length_code: LengthCode | None

    @abstractmethod
    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """What decoders read. sequences: scaled, back to back; draw: of a training update, None for the result."""

    @property
    def n_decoding(self) -> int | None:
        """Values of a vector that are there to be decoded, where the others describe; None where all are."""
        return None

    @property
    def length_direction(self) -> Tensor | None:
        """How a vector changes by one usual unit of length, (latent_size,); None where training decides it."""
        return None

    def states_of_steps(self, sequences: Ragged) -> Ragged:
        """The output of the top recurrent layer at each step, both directions side by side. sequences: see encode().

        Raises InvalidParameter for an encoder that has none, or one for several steps.
        """
        raise InvalidParameter(
            "this encoder has no state after each step; recurrent presets such as architecture='state' have one",
            parameter="architecture",
        )

    def forward(self, sequences: Batch) -> Tensor:
        """Whole vectors, (n_sequences, latent_size). Raises InvalidSequence for tensors that are no sequences."""
        return self.encode(as_ragged(sequences, self)).latent


class Decoder(Part):
    """Latent vectors to sequences of any length.

    n_channels: values of a step; 1 for tokens. writes_tokens: whether the steps are tokens. n_read: how many values
    of a vector it reads, from the first, where the others only describe; None for all.
    """

    n_channels: int
    n_read: int | None = None
    writes_tokens: bool = False

    def forward(
        self, latent: Tensor, lengths: np.ndarray | Tensor | Sequence[int], memory: Ragged | None = None
    ) -> Ragged:
        """As decode(), of whole vectors, and with lengths of any kind, such as a list."""
        return self.decode(latent[:, : self.n_read].contiguous(), np.asarray(lengths, np.int64), memory)

    @abstractmethod
    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """latent: (n_sequences, latent_size); lengths: (n_sequences,) int64, in steps; memory: see Code.

        Returns predictions back to back, values (n_steps, n_channels), or (n_steps,) tokens.
        """

    @abstractmethod
    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """What the decoder's steps cost beside the true ones, a scalar. draw: of a training update, None after it."""

    @abstractmethod
    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """The loss of each value after training, also of those that were not observed. (n_steps, n_channels)."""


class ValueDecoder(Decoder):
    """A decoder of values, or of the probability of each symbol: its loss compares what it writes with the truth."""

    @abstractmethod
    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """As decode(), in training: where the decoder reads the true steps, it finds them in target."""

    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """See Decoder.loss."""
        if draw is None:
            return loss.mean(self._written(latent, target, memory), target)
        return loss.mean(self.taught(latent, target, memory, draw), target)

    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """See Decoder.losses."""
        return loss.of_values(self._written(latent, target, memory).values, target.values)

    def _written(self, latent: Tensor, target: Ragged, memory: Ragged | None) -> Ragged:
        """After training; the probability of a symbol is that given the true ones before."""
        if target.is_tokens:
            return self.taught(latent, target, memory, None)
        return self.decode(latent, target.lengths, memory)


def as_ragged(sequences: Batch, module: nn.Module) -> Ragged:
    """Sequences as a Ragged of tensors; plain tensors become those of the module's dtype.

    Raises InvalidSequence for tensors that are no sequences.
    """
    if not isinstance(sequences, list | tuple | Tensor):
        batch: Ragged = sequences  # pyright: ignore[reportAssignmentType]
        return to_tensors(in_float32(batch)) if isinstance(batch.values, np.ndarray) else batch
    parts = list(sequences)
    if not parts or any(not isinstance(part, Tensor) or part.ndim not in (1, 2) for part in parts):
        shape = tuple(sequences.shape) if isinstance(sequences, Tensor) else "a list"
        raise InvalidSequence(
            "a module takes a tensor of (n_sequences, n_steps, n_channels), or (n_sequences, n_steps) tokens, or a "
            f"list with a tensor for each sequence; got {shape}"
        )
    lengths = np.array([len(part) for part in parts], np.int64)
    values = torch.cat(parts)
    first = next(module.parameters(), values)
    return back_to_back(values.int() if values.ndim == 1 else values.to(first.dtype), lengths)
