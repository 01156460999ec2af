"""Evidence of autoencoders, trained and linear: errors of reconstruction and prediction, distances of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch

from ...model.interface import Code, Decoder
from ...sequences.ragged import Ragged
from ...storage.vetting import Arrays, misfit, under
from ...training.batching import scaled
from ..series import scored_columns
from .interface import LATENT, RECONSTRUCTION, Evidence, Score, Setting, Trained
from .linear import LinearModel, Neighbours, fit_linear, fit_neighbours

PREDICTION, LINEAR = "prediction", "linear"
VALUED = ("mse", "mae", "huber")
"""Losses of decoders that write values, not logits."""
CHUNK = 1024
"""Windows that are encoded at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class AutoencoderEvidence(Evidence):
    """Scores of a fitted autoencoder.

    "error": mean over channels of |x - x'|, each in units of its held-out root mean square; of tokens, the
        cross-entropy of each token, given the vector and the true tokens before.
    "mahalanobis": (e - mu)^T S^-1 (e - mu) of the error vectors e = |x - x'| (Malhotra et al. 2016, 1607.00148).
    "prediction": as "error", of the future that a composite autoencoder predicts; "combined" with its past.
    "latent": distance of a window's vector to the nearest of a normal one, in whitened coordinates.

    Columns "reconstruction" and "prediction", one per scored channel, and "latent", the distance of a window's vector
    to the nearest of a normal one.

    For predictions, the encoder reads each window without the predicted steps, as in training.
    n_columns: of an error. channels: the scored ones, None for all.
    """

    name: ClassVar[str] = "autoencoder"
    leads: ClassVar[tuple[str, ...]] = (RECONSTRUCTION, PREDICTION, LATENT)
    scores: ClassVar[tuple[Score, ...]] = (
        Score("error", (RECONSTRUCTION,)),
        Score("mahalanobis", (RECONSTRUCTION,), measure="covariance"),
        Score("prediction", (PREDICTION,), of="vectors", is_sparse=True),
        Score("combined", (RECONSTRUCTION, PREDICTION), of="vectors", is_sparse=True),
        Score("latent", (LATENT,), measure="distance", needs_all_channels=True),
    )

    kinds: tuple[str, ...]
    trained: Trained
    n_columns: int
    channels: np.ndarray | None = None
    neighbours: Neighbours | None = None

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """Store the vectors of normal windows for "latent"; the autoencoder is trained already."""
        trained = setting.autoencoder
        if trained is None:
            raise ValueError("there is no autoencoder to look at")
        if PREDICTION in kinds:
            trained.model.require_held_back()
        made = cls(kinds, trained, setting.n_scored, setting.channels)
        if LATENT not in kinds:
            return made
        vectors = [made.latent(windows[first : first + CHUNK]) for first in range(0, len(windows), CHUNK)]
        return cls(kinds, trained, setting.n_scored, setting.channels, fit_neighbours(np.concatenate(vectors)))

    def width(self, kind: str) -> int:
        """See Evidence.width."""
        return 1 if kind == LATENT else self.n_columns

    @torch.no_grad()
    def read(self, windows: Ragged) -> list[np.ndarray]:
        """See Evidence.read."""
        model, batch = self.trained.model, self._load(windows)
        source = self._source(batch)
        code = model.encoder.encode(source)
        columns = []
        if RECONSTRUCTION in self.kinds:
            first = model.objective.before if PREDICTION in self.kinds else 0
            columns.append(_placed(self._errors(model.reconstructor, code, source), source.lengths, batch, first))
        if PREDICTION in self.kinds:
            columns.append(self._predictions(batch, code))
        if self.neighbours is not None:
            distances = self.neighbours.distances(code.latent.cpu().numpy())
            columns.append(np.repeat(distances, windows.lengths)[:, None])
        return columns

    @torch.no_grad()
    def expected(self, windows: Ragged) -> np.ndarray | None:
        """See Evidence.expected."""
        if self.trained.loss.kind not in VALUED or PREDICTION in self.kinds:
            return None
        model, batch = self.trained.model, self._load(windows)
        code = model.encoder.encode(batch)
        rebuilt = model.reconstructor(code.latent, batch.lengths, code.memory).values
        return self.trained.scaling.undo(rebuilt.cpu().numpy())

    @torch.no_grad()
    def latent(self, windows: Ragged) -> np.ndarray:
        """(n_windows, latent_size) float32."""
        return self.trained.model.encoder(self._source(self._load(windows))).cpu().numpy()

    def _load(self, windows: Ragged) -> Ragged:
        n_symbols = self.trained.n_symbols
        if n_symbols is not None:  # unknown symbols become token n_symbols
            windows = windows.compact()
            windows = Ragged.view(np.minimum(windows.values, n_symbols), windows.starts, windows.lengths)
        return scaled(windows, self.trained.scaling, self.trained.model.device)

    def _source(self, batch: Ragged) -> Ragged:
        return self.trained.model.source(batch) if PREDICTION in self.kinds else batch

    def _predictions(self, batch: Ragged, code: Code) -> np.ndarray:
        """Errors of predictions, NaN for steps that are not predicted. Returns (n_steps, n_columns)."""
        model = self.trained.model
        columns = np.full((batch.n_steps, self.n_columns), np.nan, np.float32)
        for decoder, target in model.held_back(batch):
            first = np.zeros_like(batch.lengths) if decoder is model.preceder else batch.lengths - target.lengths
            rows = Ragged.view(columns, batch.starts + first, target.lengths).step_indices()
            columns[rows] = self._errors(decoder, code, target)
        return columns

    def _errors(self, decoder: Decoder, code: Code, target: Ragged) -> np.ndarray:
        """The absolute error of each scored value, or its loss if that has no error. Returns (n_steps, n_columns)."""
        loss = self.trained.loss
        if loss.kind == "mse":  # in NumPy: wakes no thread for a single window, and squares cannot overflow
            rebuilt = decoder(code.latent, target.lengths, code.memory).values
            errors = np.abs(rebuilt.cpu().numpy() - target.values.cpu().numpy())
        else:
            errors = decoder.losses(code.latent, target, code.memory, loss).cpu().numpy()
        if target.observed is not None:
            errors = np.where(target.observed.cpu().numpy(), errors, np.float32(np.nan))
        return scored_columns(errors, self.channels)

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Evidence.to_arrays."""
        return {} if self.neighbours is None else self.neighbours.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.from_arrays."""
        trained = setting.autoencoder
        if trained is None:
            raise misfit("autoencoder", "is missing")
        n_channels = 1 if setting.are_tokens else len(trained.scaling.centre)
        if setting.are_tokens != (trained.n_symbols is not None) or setting.n_channels != n_channels:
            raise misfit("autoencoder", "is of other data")
        neighbours = Neighbours.from_arrays(arrays) if LATENT in kinds else None
        return cls(kinds, trained, setting.n_scored, setting.channels, neighbours)


@dataclass(frozen=True, slots=True, eq=False)
class LinearEvidence(Evidence):
    """The score "linear": as "error", of the principal components of whole windows, of one length.

    Columns "linear" (or "reconstruction", where principal components are the main model), one per scored channel, and
    "latent", the distance of a window's coefficients to those of the nearest normal one.

    n_columns: of an error. channels: the scored ones, None for all.
    """

    name: ClassVar[str] = "linear"
    offers: ClassVar[tuple[str, ...]] = (LINEAR,)
    leads: ClassVar[tuple[str, ...]] = (RECONSTRUCTION, LATENT)
    scores: ClassVar[tuple[Score, ...]] = (Score("linear", (LINEAR,), of="vectors"),)

    kinds: tuple[str, ...]
    model: LinearModel
    n_columns: int
    channels: np.ndarray | None = None
    neighbours: Neighbours | None = None

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.fit. Raises InvalidSequence for sequences of many lengths."""
        model, neighbours = fit_linear(windows), None
        if LATENT in kinds:
            parts = [windows[first : first + CHUNK] for first in range(0, len(windows), CHUNK)]
            neighbours = fit_neighbours(np.concatenate([model.coefficients(part) for part in parts]))
        return cls(kinds, model, setting.n_scored, setting.channels, neighbours)

    def width(self, kind: str) -> int:
        """See Evidence.width."""
        return 1 if kind == LATENT else self.n_columns

    def read(self, windows: Ragged) -> list[np.ndarray]:
        """See Evidence.read."""
        errors, coefficients = self.model.read(windows)
        columns = [] if self.kinds == (LATENT,) else [scored_columns(errors, self.channels)]
        if self.neighbours is not None:
            distances = self.neighbours.distances(coefficients)
            columns.append(np.repeat(distances, windows.lengths)[:, None])
        return columns

    def expected(self, windows: Ragged) -> np.ndarray:
        """See Evidence.expected."""
        return self.model.rebuilt(windows)

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Evidence.to_arrays."""
        memory = {} if self.neighbours is None else self.neighbours.to_arrays()
        return under("model.", self.model.to_arrays()) | under("neighbours.", memory)

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.from_arrays."""
        model = LinearModel.from_arrays(arrays.below("model."), setting.n_channels)
        if setting.window not in (None, model.length):
            raise misfit(f"{arrays.prefix}model", f"is of windows of {model.length} steps, not of {setting.window}")
        memory = arrays.below("neighbours.")
        neighbours = Neighbours.from_arrays(memory, len(model.basis)) if LATENT in kinds else None
        return cls(kinds, model, setting.n_scored, setting.channels, neighbours)


def _placed(columns: np.ndarray, lengths: np.ndarray, batch: Ragged, first: int) -> np.ndarray:
    """Columns of the part of each window from step `first` on; NaN for the other steps."""
    if len(columns) == batch.n_steps:
        return columns
    whole = np.full((batch.n_steps, columns.shape[1]), np.nan, np.float32)
    whole[Ragged.view(whole, batch.starts + first, lengths).step_indices()] = columns
    return whole
