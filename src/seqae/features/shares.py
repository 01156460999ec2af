"""Shares of steps at which a convolution lies above a threshold (MiniRocket: Dempster et al. 2021, 2012.08791).

84 kernels of nine taps at dilations from 1 to an eighth of the longest sequence, each on the sum of some channels; the
thresholds are quantiles of the outputs on training sequences. Every sequence is taken at its own length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidParameter
from ..recurrence.convolutions import N_KERNELS, N_TAPS, Convolutions
from ..recurrence.sequencewise import convolution_quantiles, convolution_shares
from ..sequences.ragged import Ragged
from .arrays import taken
from .chunks import Sequences, as_arrays, evenly

PER_KERNEL = 10
N_FEATURES = N_KERNELS * PER_KERNEL
MOST_CHANNELS = 9
SAMPLE = 128
GOLDEN = (np.sqrt(5) + 1) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Which convolutions, and the threshold of each feature, (n_features,) float32."""

    convolutions: Convolutions
    thresholds: np.ndarray

    def of(self, sequences: Ragged) -> np.ndarray:
        """The features of each sequence, by itself. sequences: scaled, NumPy. Returns (n, n_features) float32."""
        return convolution_shares(sequences, self.convolutions, self.thresholds)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        return {
            "dilations": self.convolutions.dilations,
            "channels": self.convolutions.channels,
            "n_biases": self.convolutions.n_biases,
            "is_standardised": np.array([self.convolutions.is_standardised]),
            "thresholds": self.thresholds,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Shares:
        """The inverse of to_arrays(). Raises InvalidParameter where the parts contradict each other."""
        dilations = taken(arrays, "dilations", (None,), "i")
        counts = taken(arrays, "n_biases", (len(dilations),), "i")
        channels = taken(arrays, "channels", (len(dilations), N_KERNELS, None), "b")
        if (counts < 1).any() or counts.sum() > N_FEATURES:
            raise InvalidParameter(f"n_biases must be numbers from 1 to {N_FEATURES} in all, got {counts[:9]}")
        which = Convolutions(dilations, channels, counts, bool(taken(arrays, "is_standardised", (1,), "b")[0]))
        return cls(which, taken(arrays, "thresholds", (which.n_features,)).astype(np.float32))


def fit_shares(sequences: Sequences, *, is_standardised: bool, seed: int) -> Shares:
    """840 features; the seed decides which channels a kernel sums. Reads at most 128 sequences, evenly chosen.

    is_standardised: whether each channel of each sequence is first brought to mean 0 and deviation 1.
    """
    sample = as_arrays(sequences.load(evenly(len(sequences), SAMPLE)))
    dilations, counts = _dilations(int(sequences.lengths.max()))
    rng = np.random.default_rng([seed, int(is_standardised)])
    channels = np.stack([_channels(sample.n_channels, rng) for _ in dilations])
    convolutions = Convolutions(dilations, channels, counts, is_standardised)
    probabilities = np.arange(1, convolutions.n_features + 1) * GOLDEN % 1
    return Shares(convolutions, convolution_quantiles(sample, convolutions, probabilities))


def _dilations(longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Dilations, evenly spaced in their logarithms, and how many features of each kernel each gives."""
    most = np.log2(max((longest - 1) / (N_TAPS - 1), 1))
    return np.unique(np.floor(2 ** np.linspace(0, most, PER_KERNEL)).astype(np.int64), return_counts=True)


def _channels(n_channels: int, rng: np.random.Generator) -> np.ndarray:
    """Some channels for each kernel, mostly few. Returns (84, n_channels) bool."""
    chosen = np.zeros((N_KERNELS, n_channels), bool)
    for kernel in chosen:
        count = int(2 ** rng.uniform(0, np.log2(min(n_channels, MOST_CHANNELS) + 1)))
        kernel[rng.choice(n_channels, min(count, n_channels), replace=False)] = True
    return chosen
