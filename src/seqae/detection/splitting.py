"""Normal data in two: what is trained on, and what training never sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InvalidSequence
from ..sequences.ragged import Ragged
from ..sequences.splitting import hold_out
from .scorer import Series

FEWEST_SERIES = 5
"""From so many series on, whole series are held out instead of the end of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Both parts are views of the same values.

    owners: (n_held_out,) the sequence, of those that were split, that each held-out one is or ends.
    """

    training: Series
    held_out: Series
    owners: np.ndarray


def split_normal(series: Series, fraction: float, seed: int, window: int | None) -> Split:
    """Whole sequences, or where there is a window series. Raises InvalidSequence for too few or too short ones."""
    if window is None:
        return split_sequences(series, fraction, seed)
    return split_series(series, fraction, seed, window)


def split_sequences(series: Series, fraction: float, seed: int) -> Split:
    """Whole sequences at random: at least one in each part. Raises InvalidSequence for fewer than two."""
    n = len(series.ragged)
    if n < 2:
        raise InvalidSequence(
            f"fit() holds out whole sequences for the threshold, so it needs at least 2 normal ones, got {n}; "
            "pass more, or window= for one long series"
        )
    training, held_out = hold_out(n, fraction, (seed, 1))
    return Split(_part(series, series.ragged[training]), _part(series, series.ragged[held_out]), held_out)


def split_series(series: Series, fraction: float, seed: int, window: int) -> Split:
    """Whole series where there are at least 5 of a window's length or more; else the end of each, after a gap of one
    window, so that no step of a held-out window was trained on.

    Raises InvalidSequence where nothing is left to train on.
    """
    ragged = series.ragged
    longest = int(ragged.lengths.max())
    size = min(window, longest + 1)  # a longer one has no window either, and may be beyond what int64 holds
    if np.sum(ragged.lengths >= size) >= FEWEST_SERIES:
        long_enough = np.flatnonzero(ragged.lengths >= size)
        split = split_sequences(_part(series, ragged[long_enough]), fraction, seed)
        return replace(split, owners=long_enough[split.owners])
    n_held_out = np.maximum(size, np.round(fraction * ragged.lengths).astype(np.int64))
    n_training = ragged.lengths - n_held_out - size
    usable = np.flatnonzero(n_training >= size)
    if not len(usable) and longest >= 3 * window:
        raise InvalidSequence(
            f"held_out_fraction={fraction} of series of at most {longest} steps leaves no window of {window} to "
            "train on, after a gap of one; hold out less"
        )
    if not len(usable):
        raise InvalidSequence(
            f"window={window} is too long for series of at most {longest} steps: a window to train on, a gap and a "
            f"held-out one need {3 * window}; choose a shorter one, or window=None for whole sequences"
        )
    starts, lengths = ragged.starts[usable], n_training[usable]
    ends = starts + ragged.lengths[usable]
    training = Ragged.view(ragged.values, starts, lengths, ragged.observed)
    held_out = Ragged.view(ragged.values, ends - n_held_out[usable], n_held_out[usable], ragged.observed)
    return Split(_part(series, training), _part(series, held_out), usable)


def _part(series: Series, ragged: Ragged) -> Series:
    return Series(ragged, series.times)
