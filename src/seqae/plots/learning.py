"""How training went, what the model is made of, and how architectures compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..comparison.result import Comparison
from ..examination.result import Examination, Layers
from ..training.history import History
from .style import BLUE, GREY, ORANGE, RED, figure, legend, plain, short, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def loss(history: History) -> Figure:
    """The loss of every epoch in training and validation; without epochs, what the closed form gives back."""
    drawn = figure()
    draw_loss(drawn.subplots(), history)
    return drawn


def draw_loss(axes: Axes, history: History) -> None:
    """See loss()."""
    closed = history.closed_form
    if not history.epochs:
        told = 0.0 if closed is None else closed.explained
        plain(axes, title="No epoch was trained: the model is a closed form", x="part of the mean step's loss, %")
        axes.barh(["taken away", "left over"], [100 * told, 100 * (1 - told)], color=[BLUE, ORANGE])
        axes.set_xlim(min(0.0, 100 * told), 100)
        return
    numbers = [epoch.number for epoch in history.epochs]
    trained = [epoch.training_loss for epoch in history.epochs]
    held_out = [epoch.validation_loss for epoch in history.epochs]
    marker = "o" if len(numbers) < 3 else None
    axes.plot(numbers, trained, color=BLUE, label="training", marker=marker)
    if held_out[0] is not None:
        axes.plot(numbers, held_out, color=ORANGE, label="validation", marker=marker)  # pyright: ignore[reportArgumentType]
    if history.best is not None:
        axes.plot(history.best_epoch, history.best.monitored_loss, "o", color=RED, label="kept")
    else:
        axes.plot([], [], " ", label="the closed form alone was kept")
    if min(trained) > 0 and max(trained) > 10 * min(trained):
        axes.set_yscale("log")
    whole(axes)
    plain(axes, title=f"Loss of {len(numbers):,} epochs", x="epoch", y="loss, scaled units")
    legend(axes)


def architecture(examination: Examination) -> Figure:
    """The parts of the model with what comes out of each, from the data to the data."""
    parts = examination.layers
    drawn = figure(max(7.0, 2.1 * len(parts)), 2.2)
    axes = drawn.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.5, len(parts) - 0.5)
    axes.set_ylim(-0.6, 0.75)
    axes.set_title(short(f"Architecture: {examination.architecture}", 90), loc="left", fontsize=10)
    for k, part in enumerate(parts):
        _box(axes, k, part)
    for k in range(len(parts) - 1):
        axes.annotate("", (k + 0.58, 0), (k + 0.42, 0), arrowprops={"arrowstyle": "->", "color": GREY})
    return drawn


def _box(axes: Axes, place: int, part: Layers) -> None:
    from matplotlib.patches import FancyBboxPatch

    edge = {"vector": ORANGE, "sequence": GREY}.get(part.name, BLUE)
    box = FancyBboxPatch((place - 0.4, -0.45), 0.8, 0.9, boxstyle="round,pad=0,rounding_size=0.06", fc="none", ec=edge)
    axes.add_patch(box)
    told = [part.name, *part.told.split("; ")[:3], *part.shape.split(" of ", 1)]
    text = "\n".join(line for line in told if line)
    axes.text(place, 0, text, ha="center", va="center", fontsize=8, linespacing=1.6)


def comparison(result: Comparison) -> Figure:
    """The held-out error of each architecture and baseline with its 95 % interval; the recommended one is filled."""
    rows = [row for row in result.rows if not row.problem]
    drawn = figure(8.0, 1.2 + 0.36 * len(rows))
    axes = drawn.subplots()
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        colour = GREY if row.is_baseline else BLUE
        is_chosen = row.name == result.recommended
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=2)
        axes.plot(row.error, place, "o", markersize=8, color=colour, markerfacecolor=colour if is_chosen else "white")
    names = [short(row.name, 40) + (" *" if row.is_cut else "") for row in rows]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    told = f" Recommended: {short(result.recommended)} (filled)." if result.recommended else ""
    title = f"Error of {result.n_held_out:,} held-out sequences.{told}"
    plain(axes, title=title, x="mean squared error, in squared deviations of the channels (95 % interval)")
    return drawn
