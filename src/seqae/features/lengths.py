"""Standardised lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_FACTOR = 2
LEAST_UNIT = 0.1


@dataclass(frozen=True, slots=True)
class LengthUnits:
    """mean, unit, longest: of training, in steps. unit is 0 if all lengths were equal.

    The unit is the standard deviation, but at least a tenth of the mean: a sequence much shorter than nearly equal
    ones is no more than ten units away.
    """

    mean: float
    unit: float
    longest: float

    def of(self, lengths: np.ndarray) -> np.ndarray:
        """(min(length, twice the longest) - mean) / unit; zeros if all lengths were equal. Returns (n,) float64."""
        if self.unit == 0:
            return np.zeros(len(lengths))
        return (np.minimum(lengths, MAX_FACTOR * self.longest) - self.mean) / self.unit

    def to_array(self) -> np.ndarray:
        """(3,) float64."""
        return np.array([self.mean, self.unit, self.longest])

    @classmethod
    def from_array(cls, array: np.ndarray) -> LengthUnits:
        """What to_array() was called on."""
        return cls(*(float(value) for value in array))


def fit_length_units(lengths: np.ndarray) -> LengthUnits:
    """lengths: of training sequences, (n,), in steps."""
    mean, deviation = float(lengths.mean()), float(lengths.std())
    return LengthUnits(mean, max(deviation, LEAST_UNIT * mean) if deviation else 0.0, float(lengths.max()))
