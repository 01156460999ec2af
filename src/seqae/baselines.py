"""Linear baselines for sequences of any length: the mean sequence, and PCA of the resampled sequences.

Both use relative time: the first step is at 0, the last at 1, with linear interpolation between steps and over missing
values. An autoencoder should explain more variance than these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .features.linear_algebra import affine, leading_directions, one_thread
from .recurrence.sequencewise import grid_write, resample
from .sequences.ragged import Ragged
from .sequences.scaling import Scaling, fit_scaling


def explained_variance(actual: Ragged, reconstruction: Ragged, scaling: Scaling) -> float:
    """Share of the squared distance from scaling.centre that a reconstruction explains: 1 is all, 0 is none.

    Summed over all observed steps and channels, each channel in units of scaling.scale.
    """
    actual = actual.compact()
    observed = np.ones(actual.values.shape, bool) if actual.observed is None else actual.observed
    values = (np.asarray(actual.values, np.float64) - scaling.centre) / scaling.scale
    errors = (np.asarray(reconstruction.compact().values, np.float64) - actual.values) / scaling.scale
    return 1.0 - float(np.sum(errors**2, where=observed) / np.sum(values**2, where=observed))


@dataclass(frozen=True, slots=True, eq=False)
class MeanSequence:
    """The mean of the training sequences in relative time. curve: (n_points, n_channels) in scaled units."""

    scaling: Scaling
    curve: np.ndarray

    @classmethod
    def fit(cls, sequences: Ragged) -> MeanSequence:
        """The mean over sequences, at as many relative times as the longest sequence has steps."""
        scaling = fit_scaling(sequences)
        return cls(scaling, _resampled(sequences, int(sequences.lengths.max()), scaling).mean(axis=0))

    def reconstruct(self, sequences: Ragged) -> Ragged:
        """The mean sequence at the length of each sequence, in units of the data."""
        curves = np.repeat(self.curve[None], len(sequences), axis=0)
        return _stretched(curves, sequences.lengths, self.scaling)


@dataclass(frozen=True, slots=True, eq=False)
class ResampledPCA:
    """PCA of sequences resampled to one length (the longest in training), channels scaled as for an autoencoder.

    mean: (n_points * n_channels,) in scaled units; components: (n_components, n_points * n_channels), orthonormal.
    """

    scaling: Scaling
    mean: np.ndarray
    components: np.ndarray

    @classmethod
    @one_thread
    def fit(cls, sequences: Ragged, n_components: int) -> ResampledPCA:
        """The first n_components, or fewer if the data have fewer."""
        scaling = fit_scaling(sequences)
        rows = _resampled(sequences, int(sequences.lengths.max()), scaling).reshape(len(sequences), -1)
        mean = rows.mean(axis=0)
        directions, _ = leading_directions(rows - mean, n_components)
        return cls(scaling, mean, np.ascontiguousarray(directions.T))

    def transform(self, sequences: Ragged) -> np.ndarray:
        """The scores of each sequence, by itself. Returns (n_sequences, n_components) float64."""
        n_points = len(self.mean) // len(self.scaling.centre)
        rows = _resampled(sequences, n_points, self.scaling).reshape(len(sequences), -1)
        return affine(rows - self.mean, self.components, np.zeros(len(self.components)))

    def reconstruct(self, sequences: Ragged) -> Ragged:
        """Each sequence from its scores, in units of the data."""
        rows = affine(self.transform(sequences), self.components.T, self.mean)
        curves = rows.reshape(len(sequences), -1, len(self.scaling.centre))
        return _stretched(curves, sequences.lengths, self.scaling)


def _resampled(sequences: Ragged, n_points: int, scaling: Scaling) -> np.ndarray:
    """Scaled, at evenly spaced relative times. Returns (n_sequences, n_points, n_channels) float64."""
    own = sequences.compact()
    return resample(Ragged.view(scaling.forward(own.values), own.starts, own.lengths, own.observed), n_points)


def _stretched(curves: np.ndarray, lengths: np.ndarray, scaling: Scaling) -> Ragged:
    """Each curve at lengths[i] evenly spaced relative times, in units of the data."""
    steps = grid_write(curves, lengths)
    return Ragged.view(scaling.undo(steps.values), steps.starts, steps.lengths)
