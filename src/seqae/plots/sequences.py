"""Sequences beside what a model makes of them: reconstructions, continuations, errors, lengths, a walk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..examination.result import Examination
from ..reading.source import Source
from ..sequences.ragged import Ragged
from .style import BLUE, GREY, ORANGE, figure, grid, legend, plain, short, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MOST_CHANNELS = 4
N_BINS = 50


def reconstructions(examination: Examination) -> Figure:
    """The worst, a typical and the best sequence beside their reconstructions, in the channels with most error."""
    drawn = figure(10.0, 1.0 + 1.7 * min(examination.errors.shape[1], MOST_CHANNELS))
    draw_reconstructions(drawn, examination)
    return drawn


def draw_reconstructions(drawn: Figure | SubFigure, examination: Examination) -> None:
    """See reconstructions()."""
    shown = examination.shown
    order = np.argsort(-np.nan_to_num(examination.error[shown]), kind="stable")
    places = {"worst": order[0], "typical": order[len(order) // 2], "best": order[-1]}
    typical = np.abs(examination.error[shown] - np.nanmedian(examination.error))
    places["typical"] = int(np.argmin(np.where(np.isnan(typical), np.inf, typical)))
    channels = _channels(examination)
    cells = grid(drawn, len(channels), len(places))
    for column, (name, place) in enumerate(places.items()):
        i = int(shown[place])
        for row, channel in enumerate(channels):
            axes = plain(cells[row][column])
            _draw_pair(axes, examination, i, int(place), int(channel))
            whole(axes)
            if column == 0:
                axes.set_ylabel(short(examination.source.channel_names[channel], 16))
        told = f"{name}: {short(examination.source.ids[i], 16)}, error {examination.error[i]:.3g}"
        cells[0][column].set_title(told, loc="left", fontsize=9)
        cells[-1][column].set_xlabel("step")
    legend(cells[0][0])


def _channels(examination: Examination) -> np.ndarray:
    """The channels with the greatest mean error, in the order of the data."""
    means = np.nan_to_num(examination.errors).mean(axis=0)
    return np.sort(np.argsort(-means, kind="stable")[:MOST_CHANNELS])


def _draw_pair(axes: Axes, examination: Examination, i: int, place: int, channel: int) -> None:
    """Sequence i, whose reconstruction is at that place of examination.again, in one channel."""
    again = np.asarray(examination.again[place])
    marker = "." if len(again) < 3 else None
    if examination.source.ragged.is_tokens:
        symbols = np.asarray(examination.source.ragged[i])
        axes.plot(symbols, drawstyle="steps-mid", color=BLUE, label="data", marker=marker)
        axes.plot(again, drawstyle="steps-mid", color=ORANGE, label="reconstruction", marker=marker, linestyle="--")
        return
    axes.plot(_observed(examination.source.ragged, i)[:, channel], color=BLUE, label="data", marker=marker)
    axes.plot(again[:, channel], color=ORANGE, label="reconstruction", marker=marker, linewidth=1.2)


def _observed(sequences: Ragged, i: int) -> np.ndarray:
    """Sequence i with NaN where nothing was observed. Returns (n_steps, n_channels)."""
    values = np.asarray(sequences[i], np.float64)
    if sequences.observed is None:
        return values
    rows = slice(int(sequences.starts[i]), int(sequences.starts[i] + sequences.lengths[i]))
    return np.where(np.asarray(sequences.observed[rows]), values, np.nan)


def error_map(examination: Examination) -> Figure:
    """Where in a sequence, and in which channel, the error is: the mean over the shown sequences, in relative time."""
    means, names = error_bins(examination, N_BINS), examination.source.channel_names
    drawn = figure(9.0, min(12.0, 1.6 + 0.28 * len(names)))
    axes = drawn.subplots()
    image = axes.imshow(means, aspect="auto", cmap="cividis", extent=(0, 100, len(names) - 0.5, -0.5))
    step = max(1, len(names) // 40)
    axes.set_yticks(np.arange(0, len(names), step), [short(name, 20) for name in names[::step]])
    axes.set_xlabel("part of the sequence that has passed, %")
    axes.set_title(f"Mean error of {len(examination.shown):,} sequences by channel and time", loc="left", fontsize=10)
    drawn.colorbar(image, ax=axes, label="mean loss, scaled units", pad=0.01)
    return drawn


def error_bins(examination: Examination, n_bins: int) -> np.ndarray:
    """The mean loss of the shown sequences in each channel and part of relative time, NaN where there is none.

    Returns (n_channels, n_bins).
    """
    losses = examination.losses
    parts = (losses.step_numbers() + 0.5) / np.repeat(losses.lengths, losses.lengths)
    bins = np.minimum((parts * n_bins).astype(int), n_bins - 1)
    values = np.asarray(losses.values, np.float64)
    sums = np.zeros((n_bins, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, bins, np.nan_to_num(values))
    np.add.at(counts, bins, ~np.isnan(values))
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0).T


def lengths(examination: Examination) -> Figure:
    """The lengths of the sequences and, where the model tells them from the vector, how well it does."""
    actual, told = examination.source.ragged.lengths, examination.told_lengths
    drawn = figure(9.0, 4.0)
    own, *others = grid(drawn, 1, 1 if told is None else 2)[0]
    plain(own, title=f"Lengths of {len(actual):,} sequences", x="steps", y="sequences")
    own.hist(actual, bins=min(40, int(np.ptp(actual)) + 1), color=BLUE)
    if told is not None:
        _draw_told(others[0], actual, told)
    return drawn


def _draw_told(axes: Axes, actual: np.ndarray, told: np.ndarray) -> None:
    error = np.abs(told - actual)
    title = f"Told by the vector: off by {np.median(error):.3g} steps (median), {np.max(error):.3g} at most"
    plain(axes, title=title, x="true length, steps", y="told length, steps")
    ends = [min(actual.min(), told.min()), max(actual.max(), told.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.plot(actual, told, ".", color=BLUE, alpha=max(0.15, min(1.0, 200 / len(actual))))


def walk(between: Ragged, channel_names: Sequence[str]) -> Figure:
    """What lies between two sequences. between: what interpolate() returned, the two reconstructions at its ends."""
    n, n_channels = len(between), min(between.n_channels, MOST_CHANNELS)
    drawn = figure(9.0, 1.2 + 1.8 * n_channels)
    from matplotlib import colormaps

    column = [row[0] for row in grid(drawn, n_channels)]
    for k, axes in enumerate(column):
        plain(axes, y=short(channel_names[k], 20))
        for i in range(n):
            is_end = i in (0, n - 1)
            label = {0: "first", n - 1: "second"}.get(i)
            values = np.asarray(between[i]).reshape(len(between[i]), -1)[:, k]
            axes.plot(values, color=colormaps["cividis"](i / (n - 1)), linewidth=2 if is_end else 0.9, label=label)
    column[0].set_title(f"Between two sequences: {n} evenly spaced vectors, decoded", loc="left", fontsize=10)
    column[-1].set_xlabel("step")
    legend(column[0])
    return drawn


def continuation(source: Source, steps: Ragged) -> Figure:
    """The steps that follow the first sequences. steps: what forecast() returned."""
    n, n_channels = min(len(source), 3), min(source.ragged.n_channels, MOST_CHANNELS)
    drawn = figure(10.0, 1.2 + 1.7 * n_channels)
    cells = grid(drawn, n_channels, n)
    for column in range(n):
        before = _observed(source.ragged, column) if not steps.is_tokens else np.asarray(source.ragged[column])[:, None]
        after = np.asarray(steps[column]).reshape(len(steps[column]), -1)
        for k in range(n_channels):
            axes = plain(cells[k][column], y=short(source.channel_names[k], 16) if column == 0 else "")
            axes.plot(before[:, k], color=BLUE, label="data", marker="." if len(before) < 3 else None)
            places = len(before) + np.arange(len(after))
            whole(axes)
            axes.plot(places, after[:, k], color=ORANGE, label="forecast", marker="." if len(after) < 3 else None)
        cells[0][column].set_title(
            f"{short(source.id_name, 16)} {short(source.ids[column], 16)}", loc="left", fontsize=9
        )
        cells[-1][column].set_xlabel("step")
    legend(cells[0][0])
    return drawn
