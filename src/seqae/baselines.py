"""Linear baselines for sequences of any length: the mean sequence, and PCA of the resampled sequences.

Both use relative time: the first step is at 0, the last at 1, with linear interpolation between steps. An autoencoder
should explain more variance than these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InvalidSequence
from .sequences.ragged import Ragged, owners_of, starts_of, step_numbers_of
from .sequences.scaling import Scaling, fit_scaling


def resample(sequences: Ragged, n_steps: int) -> np.ndarray:
    """Every sequence at n_steps evenly spaced relative times. Returns (n_sequences, n_steps, n_channels) float64.

    Raises InvalidSequence if values are missing.
    """
    if sequences.observed is not None:
        raise InvalidSequence("the baselines need every value, but some are not observed; fill or drop them")
    fractions = np.linspace(0.0, 1.0, n_steps) if n_steps > 1 else np.array([0.5])
    places = fractions * (sequences.lengths[:, None] - 1)  # (n_sequences, n_steps)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, sequences.lengths[:, None] - 1)
    starts = sequences.starts[:, None]
    return _between(sequences.values, starts + before, starts + after, places - before)


def stretch(curves: np.ndarray, lengths: np.ndarray) -> Ragged:
    """Each curve at `length` evenly spaced relative times.

    curves: (n_sequences, n_steps, n_channels); lengths: (n_sequences,). Returns a Ragged of float64.
    """
    n_steps = curves.shape[1]
    starts = starts_of(lengths)
    step = step_numbers_of(lengths)
    last = np.repeat(lengths, lengths) - 1
    fraction = np.where(last > 0, step / np.maximum(last, 1), 0.5)
    places = fraction * (n_steps - 1)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, n_steps - 1)
    first = owners_of(lengths) * n_steps
    rows = curves.reshape(-1, curves.shape[2])
    values = _between(rows, first + before, first + after, places - before)
    return Ragged.view(values, starts, np.asarray(lengths, np.int64))


def explained_variance(actual: Ragged, reconstruction: Ragged, scaling: Scaling) -> float:
    """Share of the squared distance from scaling.centre that a reconstruction explains: 1 is all, 0 is none.

    Summed over all steps and channels, each channel in units of scaling.scale.
    """
    values = (np.asarray(actual.compact().values, np.float64) - scaling.centre) / scaling.scale
    errors = np.asarray(reconstruction.compact().values, np.float64) - actual.compact().values
    return 1.0 - float(np.sum((errors / scaling.scale) ** 2) / np.sum(values**2))


@dataclass(frozen=True, slots=True, eq=False)
class MeanSequence:
    """The mean of the training sequences in relative time. curve: (n_steps, n_channels) in units of the data."""

    curve: np.ndarray

    @classmethod
    def fit(cls, sequences: Ragged) -> MeanSequence:
        """The mean over sequences, at as many relative times as the longest sequence has steps."""
        return cls(resample(sequences, int(sequences.lengths.max())).mean(axis=0))

    def reconstruct(self, sequences: Ragged) -> Ragged:
        """The mean sequence at the length of each sequence."""
        curves = np.broadcast_to(self.curve, (len(sequences), *self.curve.shape))
        return stretch(curves, sequences.lengths)


@dataclass(frozen=True, slots=True, eq=False)
class ResampledPCA:
    """PCA of sequences resampled to one length (the longest in training), channels scaled as for an autoencoder.

    mean: (n_steps * n_channels,) in scaled units; components: (n_components, n_steps * n_channels), orthonormal.
    """

    scaling: Scaling
    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def fit(cls, sequences: Ragged, n_components: int) -> ResampledPCA:
        """The first n_components, or fewer if the data have fewer."""
        from sklearn.decomposition import PCA

        scaling = fit_scaling(sequences)
        rows = _rows(sequences, int(sequences.lengths.max()), scaling)
        pca = PCA(min(n_components, *rows.shape), random_state=0).fit(rows)
        return cls(scaling, np.asarray(pca.mean_), np.asarray(pca.components_))

    def transform(self, sequences: Ragged) -> np.ndarray:
        """The scores of each sequence. Returns (n_sequences, n_components)."""
        n_steps = len(self.mean) // len(self.scaling.centre)
        return (_rows(sequences, n_steps, self.scaling) - self.mean) @ self.components.T

    def reconstruct(self, sequences: Ragged) -> Ragged:
        """Each sequence from its scores, in units of the data."""
        rows = self.transform(sequences) @ self.components + self.mean
        curves = rows.reshape(len(sequences), -1, len(self.scaling.centre))
        return stretch(self.scaling.undo(curves), sequences.lengths)


def _rows(sequences: Ragged, n_steps: int, scaling: Scaling) -> np.ndarray:
    """Resampled and scaled, one row per sequence: (n_sequences, n_steps * n_channels)."""
    curves = (resample(sequences, n_steps) - scaling.centre) / scaling.scale
    return curves.reshape(len(sequences), -1)


def _between(rows: np.ndarray, before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Linear interpolation between rows[before] and rows[after]."""
    return rows[before] * (1.0 - weight[..., None]) + rows[after] * weight[..., None]
