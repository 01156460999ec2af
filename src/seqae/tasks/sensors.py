"""What a model says about windows, as columns of numbers per step: errors of channels, distance in latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..batching import BatchLoader
from ..estimator import SequenceAutoencoder
from ..losses import as_loss
from ..ragged import Ragged
from .linear import LinearModel
from .neighbours import Neighbours

RECONSTRUCTION, PREDICTION, LATENT, LINEAR = "reconstruction", "prediction", "latent", "linear"


@dataclass(frozen=True, slots=True, eq=False)
class AutoencoderSensor:
    """A fitted autoencoder: columns "reconstruction" and "prediction", one per channel, and "latent"."""

    autoencoder: SequenceAutoencoder
    neighbours: Neighbours | None
    kinds: tuple[str, ...]

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1 if kind == LATENT else self.autoencoder.n_channels_

    @torch.no_grad()
    def read(self, windows: Ragged) -> np.ndarray:
        """The columns of all kinds, side by side. windows: in the units of the data. Returns (n_steps, n_columns)."""
        batch = self._load(windows)
        parts = []
        if RECONSTRUCTION in self.kinds:
            parts.append(self._errors(batch))
        if LATENT in self.kinds and self.neighbours is not None:
            parts.append(_per_step(self.neighbours.distances(self._latent(batch)), windows))
        return _side_by_side(parts)

    @torch.no_grad()
    def latent(self, windows: Ragged) -> np.ndarray:
        """(n_windows, latent_size) float32."""
        return self._latent(self._load(windows))

    def _load(self, windows: Ragged) -> Ragged:
        model = self.autoencoder.encoder_
        device = next(model.parameters()).device
        return BatchLoader(windows, self.autoencoder.scaling_, device).load(np.arange(len(windows)))

    def _latent(self, batch: Ragged) -> np.ndarray:
        return self.autoencoder.encoder_(batch).cpu().numpy()

    def _errors(self, batch: Ragged) -> np.ndarray:
        """Of each value: its absolute error, or its loss where that is not an error's. (n_steps, n_channels)."""
        loss = as_loss(self.autoencoder.loss)
        return _magnitudes(loss.of_values(self.autoencoder.model_(batch).values, batch.values), loss.kind, batch)


@dataclass(frozen=True, slots=True, eq=False)
class LinearSensor:
    """A linear model: columns "linear" (or "reconstruction", where it stands alone), one per channel, and "latent"."""

    model: LinearModel
    neighbours: Neighbours | None
    kinds: tuple[str, ...]

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1 if kind == LATENT else self.model.n_channels

    def read(self, windows: Ragged) -> np.ndarray:
        """The columns of all kinds, side by side. windows: in the units of the data. Returns (n_steps, n_columns)."""
        errors, coefficients = self.model.read(windows)
        parts = [errors] if RECONSTRUCTION in self.kinds or LINEAR in self.kinds else []
        if LATENT in self.kinds and self.neighbours is not None:
            parts.append(_per_step(self.neighbours.distances(coefficients), windows))
        return _side_by_side(parts)

    def latent(self, windows: Ragged) -> np.ndarray:
        """(n_windows, n_components) float32."""
        return self.model.read(windows)[1]


Sensor = AutoencoderSensor | LinearSensor


def columns_of(sensors: Sequence[Sensor]) -> dict[str, slice]:
    """Where each kind stands when all sensors' columns are side by side."""
    places, first = {}, 0
    for sensor in sensors:
        for kind in sensor.kinds:
            places[kind] = slice(first, first + sensor.width(kind))
            first = places[kind].stop
    return places


def read_all(sensors: Sequence[Sensor], windows: Ragged) -> np.ndarray:
    """The columns of all sensors, side by side. Returns (n_steps, n_columns) float64, NaN where not observed."""
    return _side_by_side([sensor.read(windows) for sensor in sensors])


def _magnitudes(losses: torch.Tensor, kind: str, batch: Ragged) -> np.ndarray:
    values = losses.sqrt() if kind == "mse" else losses
    if batch.observed is not None:
        values = torch.where(batch.observed, values, torch.nan)
    return values.cpu().numpy()


def _per_step(of_windows: np.ndarray, windows: Ragged) -> np.ndarray:
    """(n_windows,) to (n_steps, 1): each step of a window gets the window's number."""
    return np.repeat(of_windows, windows.lengths)[:, None]


def _side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([part.astype(np.float64) for part in parts], axis=1)
