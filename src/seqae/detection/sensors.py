"""What a model says about windows, as columns of numbers per step: errors of channels, distance in latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..estimator import SequenceAutoencoder
from ..model.interface import Code, Decoder
from ..recurrence import kernel_first
from ..sequences.ragged import Ragged
from .channels import ScoredErrors, ScoredValues
from .linear import LinearModel, scaled
from .nearest import NearestSensor
from .neighbours import Neighbours
from .symbols import SymbolSensor

RECONSTRUCTION, PREDICTION, LATENT, LINEAR = "reconstruction", "prediction", "latent", "linear"


@dataclass(frozen=True, slots=True, eq=False)
class AutoencoderSensor:
    """A fitted autoencoder: columns "reconstruction" and "prediction", one per channel, and "latent".

    Where predictions are looked at, the model reads each window without the steps it predicts, as in training.
    """

    autoencoder: SequenceAutoencoder
    neighbours: Neighbours | None
    kinds: tuple[str, ...]

    @property
    def reads_tokens(self) -> bool:
        """Whether its sequences are of tokens, any numbers, rather than of vectors."""
        return self.autoencoder.shape_.n_symbols is not None

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1 if kind == LATENT else self.autoencoder.n_channels_

    @torch.no_grad()
    def read(self, windows: Ragged) -> np.ndarray:
        """The columns of all kinds, side by side. windows: in the units of the data. Returns (n_steps, n_columns)."""
        model, batch = self.autoencoder.model_, self._load(windows)
        source = self._source(batch)
        code = model.encoder.encode(source)
        parts = []
        if RECONSTRUCTION in self.kinds:
            first = model.objective.before if PREDICTION in self.kinds else 0
            parts.append(_placed(self._errors(model.reconstructor, code, source), source.lengths, batch, first))
        if PREDICTION in self.kinds:
            parts.append(self._predictions(batch, code))
        if LATENT in self.kinds and self.neighbours is not None:
            parts.append(_per_step(self.neighbours.distances(code.latent.cpu().numpy()), windows))
        return _side_by_side(parts)

    @torch.no_grad()
    def latent(self, windows: Ragged) -> np.ndarray:
        """(n_windows, latent_size) float32."""
        return self.autoencoder.model_.encoder(self._source(self._load(windows))).cpu().numpy()

    def _load(self, windows: Ragged) -> Ragged:
        n_symbols = self.autoencoder.shape_.n_symbols
        if n_symbols is not None:  # what was never seen is number n_symbols, of which the decoder knows nothing
            windows = windows.compact()
            windows = Ragged.view(np.minimum(windows.values, n_symbols), windows.starts, windows.lengths)
        return scaled(windows, self.autoencoder.scaling_, self.autoencoder.model_.device)

    def _source(self, batch: Ragged) -> Ragged:
        return self.autoencoder.model_.source(batch) if PREDICTION in self.kinds else batch

    def _predictions(self, batch: Ragged, code: Code) -> np.ndarray:
        """NaN for the steps that are not predicted. Returns (n_steps, n_channels)."""
        model = self.autoencoder.model_
        columns = np.full((batch.n_steps, self.width(PREDICTION)), np.nan, np.float32)
        for decoder, target in model.held_back(batch):
            first = np.zeros_like(batch.lengths) if decoder is model.preceder else batch.lengths - target.lengths
            rows = Ragged.view(columns, batch.starts + first, target.lengths).step_indices()
            columns[rows] = self._errors(decoder, code, target)
        return columns

    def _errors(self, decoder: Decoder, code: Code, target: Ragged) -> np.ndarray:
        """Of each value: its absolute error, or its loss where that is not an error's. (n_steps, n_channels)."""
        loss = self.autoencoder.loss_
        if decoder.writes_tokens:
            return decoder.losses(code.latent, target, code.memory, loss).cpu().numpy()
        rebuilt = decoder(code.latent, target.lengths, code.memory).values
        if loss.kind == "mse":  # NumPy: no thread is woken for one window, and no square overflows
            errors = np.abs(rebuilt.cpu().numpy() - target.values.cpu().numpy())
        else:
            errors = loss.of_values(rebuilt, target.values).cpu().numpy()
        if target.observed is not None:
            errors = np.where(target.observed.cpu().numpy(), errors, np.float32(np.nan))
        return errors


@dataclass(frozen=True, slots=True, eq=False)
class LinearSensor:
    """A linear model: columns "linear" (or "reconstruction", where it stands in for the autoencoder), one per channel,
    and "latent", the distance of its coefficients to those of the nearest normal window.
    """

    model: LinearModel
    neighbours: Neighbours | None
    kinds: tuple[str, ...]

    @property
    def reads_tokens(self) -> bool:
        """Never."""
        return False

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1 if kind == LATENT else self.model.n_channels

    def read(self, windows: Ragged) -> np.ndarray:
        """The columns of all kinds, side by side. windows: in the units of the data. Returns (n_steps, n_columns)."""
        errors, coefficients = self.model.read(windows)
        parts = [errors] if RECONSTRUCTION in self.kinds or LINEAR in self.kinds else []
        if self.neighbours is not None:
            parts.append(_per_step(self.neighbours.distances(coefficients), windows))
        return _side_by_side(parts)

    def latent(self, windows: Ragged) -> np.ndarray:
        """(n_windows, n_components) float32."""
        return self.model.coefficients(windows)


Sensor = AutoencoderSensor | LinearSensor | NearestSensor | SymbolSensor | ScoredErrors | ScoredValues


def columns_of(sensors: Sequence[Sensor]) -> dict[str, slice]:
    """Where each kind stands when all sensors' columns are side by side."""
    places, first = {}, 0
    for sensor in sensors:
        for kind in sensor.kinds:
            places[kind] = slice(first, first + sensor.width(kind))
            first = places[kind].stop
    return places


@kernel_first()
def read_all(sensors: Sequence[Sensor], windows: Ragged) -> np.ndarray:
    """The columns of all sensors, side by side. Returns (n_steps, n_columns) float64, NaN where not observed: in all
    columns, those of whole windows too, at steps of which no channel was.
    """
    columns = sensors[0].read(windows) if len(sensors) == 1 else _side_by_side([s.read(windows) for s in sensors])
    if windows.observed is None:
        return columns
    is_observed = windows.observed[windows.step_indices()].reshape(len(columns), -1).any(axis=1)
    return np.where(is_observed[:, None], columns, np.nan)


def _placed(columns: np.ndarray, lengths: np.ndarray, batch: Ragged, first: int) -> np.ndarray:
    """Columns of the part of each window that starts at step `first`, at their steps; NaN for the other steps."""
    if len(columns) == batch.n_steps:
        return columns
    whole = np.full((batch.n_steps, columns.shape[1]), np.nan, np.float32)
    whole[Ragged.view(whole, batch.starts + first, lengths).step_indices()] = columns
    return whole


def _per_step(of_windows: np.ndarray, windows: Ragged) -> np.ndarray:
    """(n_windows,) to (n_steps, 1): each step of a window gets the window's number."""
    return np.repeat(of_windows, windows.lengths)[:, None]


def _side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    if len(parts) == 1:
        return parts[0].astype(np.float64)
    return np.concatenate([part.astype(np.float64) for part in parts], axis=1)
