"""What is done with latent vectors between encoder and decoder: drawing them, and telling lengths from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..ragged import back_to_back
from ..recurrence import mean_loss
from .draw import Draw
from .interface import Code
from .layer import LinearMap

MAX_FACTOR = 2


def drawn(code: Code, draw: Draw | None) -> Tensor:
    """The vector that training decodes: mean + s e, e normal (Kingma & Welling 2014, 1312.6114); else the mean."""
    if code.log_variance is None or draw is None:
        return code.latent
    return code.latent + torch.exp(0.5 * code.log_variance) * draw.normal(code.latent)


def divergence(code: Code) -> Tensor:
    """Kullback-Leibler divergence from a standard normal, the mean over sequences and values. Returns a scalar."""
    if code.log_variance is None:
        return code.latent.new_zeros(())
    return 0.5 * (code.latent**2 + code.log_variance.exp() - code.log_variance - 1).mean()


class LengthHead(nn.Module):
    """How long a sequence was, by its vector: linear in standardised lengths.

    fit() takes mean, deviation and the longest length from the training sequences.
    """

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.map = LinearMap(latent_size, 1)
        self.statistics = nn.Buffer(torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64))

    @torch.no_grad()
    def fit(self, lengths: np.ndarray) -> None:
        """lengths: (n_sequences,) of the training sequences, in steps."""
        values = [float(lengths.mean()), float(lengths.std()), float(lengths.max())]
        self.statistics.copy_(torch.tensor(values, dtype=torch.float64))

    @torch.no_grad()
    def initialise(self) -> None:
        """Start from the mean length."""
        self.map.weight.zero_()
        self.map.bias.zero_()

    def loss(self, latent: Tensor, lengths: np.ndarray) -> Tensor | None:
        """Mean squared error in standardised lengths; None where all lengths were one, and there is nothing to learn.

        latent: (n_sequences, latent_size). Returns a scalar.
        """
        mean, deviation, _ = self.statistics.tolist()
        if deviation == 0:
            return None
        wanted = torch.from_numpy((lengths - mean) / deviation).to(latent)[:, None]
        ones = np.ones(len(lengths), np.int64)
        told = back_to_back(self.map(latent), ones)
        return mean_loss("mse", told, back_to_back(wanted, ones), per_sequence=False)

    @torch.no_grad()
    def lengths(self, latent: Tensor) -> np.ndarray:
        """Whole lengths from 1 to twice the longest in training, (n_sequences,) int64."""
        mean, deviation, longest = self.statistics.tolist()
        told = self.map(latent)[:, 0].double().cpu().numpy() * deviation + mean
        return np.clip(np.rint(told), 1, MAX_FACTOR * longest).astype(np.int64)
