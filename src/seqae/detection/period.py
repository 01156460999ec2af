"""The default window of series: their period, by autocorrelation."""

from __future__ import annotations

import numpy as np

from ..sequences.ragged import Ragged
from ..sequences.scaling import divided

DEFAULT_WINDOW = 100
SHORTEST_WINDOW = 16
LONGEST_WINDOW = 1000
LEAST_CORRELATION = 0.3
EXAMINED_STEPS = 20_000


def choose_window(series: Ragged) -> int:
    """The series' period, by autocorrelation: the first lag whose peak is nearly as high as the highest.

    The autocorrelation is the mean over series and channels that vary, of at most 20,000 steps each, where missing
    values count as the mean. Its peaks are looked for after it first falls below zero. Between 16 and 1000 steps and at
    most a quarter of the longest series; 100 (or that quarter) if no lag correlates by more than 0.3.
    """
    longest = int(min(series.lengths.max(), EXAMINED_STEPS))
    most = max(2, min(LONGEST_WINDOW, longest // 4))
    correlation = _autocorrelation(series, most + 2)
    lag = _first_peak(correlation)
    return int(np.clip(lag or DEFAULT_WINDOW, min(SHORTEST_WINDOW, most), most))


def _autocorrelation(series: Ragged, n_lags: int) -> np.ndarray:
    """Mean autocorrelation at lags 0..n_lags-1, each lag divided by its number of pairs. Returns (n_lags,)."""
    total, n_added = np.zeros(n_lags), 0
    for first, n_steps in zip(series.starts, np.minimum(series.lengths, EXAMINED_STEPS), strict=True):
        rows = slice(int(first), int(first + n_steps))
        x = np.asarray(series.values[rows], np.float64).reshape(n_steps, -1)
        if len(x) <= n_lags:
            continue
        is_known = np.ones(x.shape, bool) if series.observed is None else series.observed[rows].reshape(x.shape)
        x = np.where(is_known, x - divided((x * is_known).sum(axis=0), is_known.sum(axis=0)), 0.0)
        x = x[:, x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))]
        spectrum = np.fft.rfft(x, 2 * len(x), axis=0)
        products = (
            np.fft.irfft(spectrum * spectrum.conj(), axis=0)[:n_lags] / np.arange(len(x), len(x) - n_lags, -1)[:, None]
        )
        total += (products / products[0]).sum(axis=1)
        n_added += x.shape[1]
    return total / max(n_added, 1)


def _first_peak(correlation: np.ndarray) -> int | None:
    """The first local maximum, after the first negative lag, that reaches 0.9 of the highest."""
    below = np.flatnonzero(correlation < 0)
    if not len(below):
        return None
    inner = np.arange(max(int(below[0]), 1), len(correlation) - 1)
    is_peak = (correlation[inner] >= correlation[inner - 1]) & (correlation[inner] >= correlation[inner + 1])
    peaks = inner[is_peak & (correlation[inner] > LEAST_CORRELATION)]
    if not len(peaks):
        return None
    return int(peaks[np.argmax(correlation[peaks] >= 0.9 * correlation[peaks].max())])
