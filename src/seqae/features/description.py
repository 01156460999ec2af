"""What describes a sequence: convolution shares and statistics at its own length, compressed without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidParameter
from ..recurrence.sequencewise import statistics
from ..sequences.ragged import Ragged
from .arrays import ANY, below, taken
from .chunks import Sequences, chunks, evenly
from .eigen import leading_directions
from .rows import affine
from .shares import N_FEATURES, Shares, fit_shares
from .threads import one_thread

SAMPLE = 1024
STATISTIC_WEIGHT = 3.2  # deviation of a statistic beside that of a share
MOST_OF_STATISTICS = 0.3  # of the variance of all features
LEAST_DEVIATION = 1e-6  # of a feature; one that varies less is left out


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The first principal components of all features, each of deviation 1 but for the weight of the statistics.

    plain: shares of the sequence; standardised: of the sequence with each channel at mean 0 and deviation 1.
    weight: (n_values, n_features) and offset: (n_values,), from features to values, float32. power: the mean over
    training sequences of the sum of squared values.
    """

    plain: Shares
    standardised: Shares
    weight: np.ndarray
    offset: np.ndarray
    power: float

    @property
    def n_values(self) -> int:
        """Values that describe a sequence."""
        return len(self.weight)

    def of(self, sequences: Ragged) -> np.ndarray:
        """The values of each sequence, by itself. sequences: scaled, NumPy. Returns (n, n_values) float32."""
        return affine(features_of(sequences, self.plain, self.standardised), self.weight, self.offset)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        parts = {"plain": self.plain, "standardised": self.standardised}
        shares = {f"{part}.{name}": array for part, own in parts.items() for name, array in own.to_arrays().items()}
        return {"weight": self.weight, "offset": self.offset, "power": np.array([self.power]), **shares}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Description:
        """What to_arrays() was called on. Raises InvalidParameter for arrays that do not fit together."""
        plain, standardised = (Shares.from_arrays(below(arrays, part)) for part in ("plain", "standardised"))
        n_channels = plain.convolutions.n_channels
        if standardised.convolutions.n_channels != n_channels:
            raise InvalidParameter("both kinds of shares must read as many channels")
        n_features = len(plain.thresholds) + len(standardised.thresholds) + 6 * n_channels + 1
        weight = taken(arrays, "weight", (ANY, n_features)).astype(np.float32)
        offset = taken(arrays, "offset", (len(weight),)).astype(np.float32)
        return cls(plain, standardised, weight, offset, float(taken(arrays, "power", (1,))[0]))


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
    directions = leading_directions(rows, n_values)
    weight, power = directions.T * scale, float(((rows @ directions) ** 2).sum() / len(rows))
    offset = -weight @ mean
    return Description(plain, standardised, weight.astype(np.float32), offset.astype(np.float32), power)


def _weights(n_features: int, is_used: np.ndarray) -> np.ndarray:
    """Deviations: 1 of shares, more of statistics. Returns (n_features,)."""
    weights, n_shares = np.ones(n_features), 2 * N_FEATURES
    n_used = max(int(is_used[:n_shares].sum()), 1), max(int(is_used[n_shares:].sum()), 1)
    most = np.sqrt(MOST_OF_STATISTICS / (1 - MOST_OF_STATISTICS) * n_used[0] / n_used[1])
    weights[n_shares:] = min(STATISTIC_WEIGHT, most)
    return weights
