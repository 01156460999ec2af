"""How a latent vector holds the length of its sequence, and tells it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..features.lengths import MAX_FACTOR, fit_length_units
from ..recurrence import mean_loss, standardised_lengths
from ..sequences.ragged import back_to_back
from .layers import LinearMap


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
    """How long a sequence was, by its vector: linear in lengths in usual units.

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
        told = self.map(latent)[:, 0].double().cpu().numpy() * unit + mean
        return np.clip(np.rint(told), 1, MAX_FACTOR * longest).astype(np.int64)


def length_statistics(lengths: np.ndarray) -> Tensor:
    """Mean, usual unit and longest of lengths, (3,) float64; see LengthUnits. lengths: (n,), in steps."""
    return torch.from_numpy(fit_length_units(lengths).to_array())
