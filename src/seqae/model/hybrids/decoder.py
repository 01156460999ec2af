"""Vectors to sequences: a curve in closed form, and recurrent layers for what it leaves over."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ...features.closed_form import ClosedDecoder, fit_closed_decoder
from ...sequences.ragged import Ragged, owners_of, step_numbers_of
from ..interface import TrainingData, ValueDecoder
from ..layers import Draw, LinearMap, RecurrentLayer, directions_of, dropped_out, outputs_and_states
from ..rows import with_values
from .arrays import Learnt
from .encoder import ClosedFormEncoder


class Correction(nn.Module):
    """Recurrent layers over [P vector; time; curve] at every step, and a readout of what the curve leaves over.

    projection: P; layers: see bidirectional_layers(); head: from their outputs to a step. n_waves: see time_code().
    dropout: of all that is read, in training.
    """

    def __init__(
        self, projection: LinearMap, layers: nn.ModuleList, head: LinearMap, *, n_waves: int, dropout: float
    ) -> None:
        super().__init__()
        self.projection, self.layers, self.head = projection, layers, head
        self._n_waves, self._dropout = n_waves, dropout

    def forward(self, latent: Tensor, curve: Ragged, draw: Draw | None = None) -> Ragged:
        """The curve and what is added to it. curve: back to back; draw: of a training update."""
        vectors = self.projection(latent)[torch.from_numpy(owners_of(curve.lengths)).to(latent.device)]
        time = torch.from_numpy(time_code(curve.lengths, self._n_waves)).to(latent)
        read = with_values(curve, torch.cat([vectors, time, curve.values], dim=1))
        inputs = dropped_out(read, self._dropout, draw)
        outputs, _ = outputs_and_states(directions_of(self.layers), inputs, 0.0, None)
        return with_values(curve, curve.values + self.head(outputs.values))

    @torch.no_grad()
    def start_from_nothing(self) -> None:
        """Add nothing, before training."""
        self.head.weight.zero_()
        self.head.bias.zero_()


class HybridDecoder(ValueDecoder):
    """encoder: whose vectors it decodes. correction: None where the curve is all."""

    def __init__(self, encoder: ClosedFormEncoder, correction: Correction | None, *, n_channels: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        make = partial(ClosedDecoder.from_arrays, latent_size=encoder.latent_size, n_channels=n_channels)
        self.closed_form, self.correction = Learnt(make), correction
        self._encoder = (encoder,)  # in a tuple: it is another module's child

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.decode."""
        return self._corrected(latent, lengths, None)

    def curve(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        """The closed form alone."""
        curve = self.closed_form.value.decode(latent.detach().cpu().numpy(), lengths)
        return with_values(curve, torch.from_numpy(curve.values).to(latent))

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See ValueDecoder.taught."""
        return self._corrected(latent, target.lengths, draw)

    def _corrected(self, latent: Tensor, lengths: np.ndarray, draw: Draw | None) -> Ragged:
        curve = self.curve(latent, lengths)
        return curve if self.correction is None else self.correction(latent, curve, draw)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [] if self.correction is None else directions_of(self.correction.layers)

    def fit_closed_form(self, data: TrainingData) -> None:
        """See Part.fit_closed_form; the encoder has learnt before."""
        learnt = fit_closed_decoder(data.sequences, self._encoder[0].closed_form.value)
        self.closed_form.learn(learnt, learnt.to_arrays())
        if self.correction is not None:
            self.correction.start_from_nothing()


def time_code(lengths: np.ndarray, n_waves: int) -> np.ndarray:
    """Of each step: how much of the sequence lies before and after it, and n_waves sines and cosines of that.

    Returns (n_steps, 2 + 2 * n_waves) float32.
    """
    time = ((step_numbers_of(lengths) + 0.5) / np.repeat(lengths, lengths))[:, None]
    angles = 2 * np.pi * time * np.arange(1, n_waves + 1)
    return np.concatenate([time, 1 - time, np.sin(angles), np.cos(angles)], axis=1, dtype=np.float32)
