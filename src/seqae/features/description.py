"""What describes a sequence: convolution shares and statistics at its own length, compressed without labels.

A share is the part of the steps at which a convolution lies above a threshold (MiniRocket: Dempster et al. 2021,
2012.08791): 84 kernels of nine taps at dilations from 1 to an eighth of the longest sequence, each on the sum of some
channels; the thresholds are quantiles of the outputs on training sequences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..recurrence.convolutions import N_KERNELS, N_TAPS, Convolutions
from ..recurrence.sequencewise import convolution_quantiles, convolution_shares, statistics
from ..sequences.ragged import Ragged
from ..storage.vetting import Arrays, checked, misfit, under
from .chunks import Sequences, as_arrays, chunks, evenly
from .linear_algebra import affine, leading_directions, one_thread

PER_KERNEL = 10
N_FEATURES = N_KERNELS * PER_KERNEL
MOST_CHANNELS = 9
SHARES_SAMPLE = 128
SAMPLE = 1024
STATISTIC_WEIGHT = 3.2  # deviation of a statistic beside that of a share
MOST_OF_STATISTICS = 0.3  # of the variance of all features
LEAST_DEVIATION = 1e-6  # of a feature; one that varies less is left out
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
    def from_arrays(cls, arrays: Arrays) -> Shares:
        """The inverse of to_arrays(). Raises ModelFileError where the parts contradict each other."""
        dilations = arrays.take("dilations", (None,), np.int64)
        counts = arrays.take("n_biases", (len(dilations),), np.int64)
        channels = arrays.take("channels", (len(dilations), N_KERNELS, None), np.bool_)
        is_standardised = arrays.take("is_standardised", (1,), np.bool_)
        which = checked(lambda: Convolutions(dilations, channels, counts, bool(is_standardised[0])), "convolutions")
        return cls(which, arrays.take("thresholds", (which.n_features,)))


def fit_shares(sequences: Sequences, *, is_standardised: bool, seed: int) -> Shares:
    """840 features; the seed decides which channels a kernel sums. Reads at most 128 sequences, evenly chosen.

    is_standardised: whether each channel of each sequence is first brought to mean 0 and deviation 1.
    """
    sample = as_arrays(sequences.load(evenly(len(sequences), SHARES_SAMPLE)))
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


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The first principal components of all features, each of deviation 1 but for the weight of the statistics.

    plain: shares of the sequence; standardised: of the sequence with each channel at mean 0 and deviation 1.
    weight: (n_values, n_features) and offset: (n_values,), from features to values, float32. variances:
    (n_values,) float64, of the values of training sequences.
    """

    plain: Shares
    standardised: Shares
    weight: np.ndarray
    offset: np.ndarray
    variances: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", np.asfortranarray(self.weight))  # as affine() reads it, without a copy

    @property
    def n_values(self) -> int:
        """Values that describe a sequence."""
        return len(self.weight)

    def first(self, n_values: int) -> Description:
        """The same with at most so many values."""
        return replace(
            self, weight=self.weight[:n_values], offset=self.offset[:n_values], variances=self.variances[:n_values]
        )

    def of(self, sequences: Ragged) -> np.ndarray:
        """The values of each sequence, by itself. sequences: scaled, NumPy. Returns (n, n_values) float32."""
        return affine(features_of(sequences, self.plain, self.standardised), self.weight, self.offset)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        shares = under("plain.", self.plain.to_arrays()) | under("standardised.", self.standardised.to_arrays())
        return {"weight": self.weight, "offset": self.offset, "variances": self.variances, **shares}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Description:
        """What to_arrays() was called on. Raises ModelFileError for arrays that do not fit together."""
        plain, standardised = (Shares.from_arrays(arrays.below(part)) for part in ("plain.", "standardised."))
        n_channels = plain.convolutions.n_channels
        if standardised.convolutions.n_channels != n_channels:
            raise misfit("the description", "has shares of different numbers of channels")
        n_features = len(plain.thresholds) + len(standardised.thresholds) + 6 * n_channels + 1
        weight = arrays.take("weight", (None, n_features))
        offset = arrays.take("offset", (len(weight),))
        return cls(plain, standardised, weight, offset, arrays.take("variances", offset.shape, np.float64, least=0))


def features_of(sequences: Ragged, plain: Shares, standardised: Shares) -> np.ndarray:
    """Both kinds of shares, and arcsinh of the statistics. Returns (n, n_features) float32."""
    return np.concatenate(
        [plain.of(sequences), standardised.of(sequences), np.arcsinh(statistics(sequences))], axis=1, dtype=np.float32
    )


@one_thread
def fit_description(sequences: Sequences, n_values: int, *, seed: int) -> Description:
    """So many values, or as many as there are directions in which the features vary.

    Reads at most 1024 sequences, evenly chosen. All statistics together hold at most .3 of the variance.
    """
    plain, standardised = (fit_shares(sequences, is_standardised=k, seed=seed) for k in (False, True))
    sample = evenly(len(sequences), SAMPLE)
    features = np.concatenate([features_of(some, plain, standardised) for _, some in chunks(sequences, sample)])
    mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    is_used = deviation > LEAST_DEVIATION
    scale = np.where(is_used, _weights(features.shape[1], is_used) / np.where(is_used, deviation, 1), 0)
    rows = (features - mean) * scale
    directions, squares = leading_directions(rows, n_values)
    weight = directions.T * scale
    offset = -weight @ mean
    variances = squares / len(rows)
    return Description(plain, standardised, weight.astype(np.float32), offset.astype(np.float32), variances)


def _weights(n_features: int, is_used: np.ndarray) -> np.ndarray:
    """Deviations: 1 of shares, more of statistics. Returns (n_features,)."""
    weights, n_shares = np.ones(n_features), 2 * N_FEATURES
    n_used = max(int(is_used[:n_shares].sum()), 1), max(int(is_used[n_shares:].sum()), 1)
    most = np.sqrt(MOST_OF_STATISTICS / (1 - MOST_OF_STATISTICS) * n_used[0] / n_used[1])
    weights[n_shares:] = min(STATISTIC_WEIGHT, most)
    return weights
