"""Vectors on a plane, and how much of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InvalidParameter
from ..examination.result import Examination
from ..examination.vectors import Method, placed
from ..parameters import check_choice
from .style import BLUE, COLOURS, GREY, ORANGE, figure, legend, plain, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = Literal["label", "error", "length", "kind", "order"]
MOST_LABELS = 8
UNUSED = 1e-3
MARKERS = "osDv^<>P"


def vectors(examination: Examination, colour: Colour = "error", method: Method = "pca") -> Figure:
    """The vectors on a plane, one point for each sequence.

    colour: by label, error, length, kind (group) or order (the place of the sequence in the data). method: "umap"
    needs umap-learn. Raises InvalidParameter for labels that were not given, MissingExtra without UMAP.
    """
    check_choice("colour", colour, ("label", "error", "length", "kind", "order"))
    check_choice("method", method, ("pca", "tsne", "umap"))
    if colour == "label" and examination.labels is None:
        raise InvalidParameter("colour='label' needs labels; pass them to examine(), or choose another colour")
    places = examination.map.places if method == "pca" else placed(examination.vectors, method)
    drawn = figure(7.5, 6.0)
    axes = drawn.subplots()
    shares = examination.map.shares
    names = {"pca": [f"axis {k + 1} ({shares[k]:.0%} of the variance)" for k in range(2)]}
    x, y = names.get(method, [f"{method} {k + 1}" for k in range(2)])
    plain(axes, title=f"{len(places):,} vectors of {examination.latent_size} values by {colour}", x=x, y=y)
    if colour in ("label", "kind"):
        groups = examination.labels if colour == "label" else np.array([f"kind {k + 1}" for k in examination.kinds.of])
        _draw_groups(axes, places, np.asarray(groups))
    else:
        _draw_scale(drawn, axes, places, *_scale(examination, colour))
    return drawn


def _scale(examination: Examination, colour: Colour) -> tuple[np.ndarray, str]:
    """A number for each sequence, and what it is."""
    if colour == "error":
        return examination.error, "mean loss, scaled units"
    if colour == "length":
        return examination.source.ragged.lengths, "length, steps"
    return np.arange(len(examination)), "place in the data"


def _draw_scale(drawn: Figure, axes: Axes, places: np.ndarray, values: np.ndarray, name: str) -> None:
    order = np.argsort(np.nan_to_num(values), kind="stable")  # the greatest on top
    known = values[~np.isnan(values.astype(float))]
    high = np.percentile(known, 99) if len(known) else 1.0  # one outlier does not take all colours
    low = known.min() if len(known) else 0.0
    points = axes.scatter(*places[order].T, c=values[order], cmap="cividis", vmin=low, vmax=high, s=_size(places))
    drawn.colorbar(points, ax=axes, label=name, extend="max" if len(known) and known.max() > high else "neither")


def _draw_groups(axes: Axes, places: np.ndarray, groups: np.ndarray) -> None:
    names, counts = np.unique(groups.astype(str), return_counts=True)
    shown = names[np.sort(np.argsort(-counts, kind="stable")[:MOST_LABELS])]
    is_other = ~np.isin(groups.astype(str), shown)
    if is_other.any():
        axes.scatter(*places[is_other].T, s=_size(places), color=GREY, label=f"{len(names) - len(shown)} others")
    for k, name in enumerate(shown):
        rows = places[groups.astype(str) == name]
        axes.scatter(*rows.T, s=_size(places), color=COLOURS[k], marker=MARKERS[k], label=short(name), linewidths=0)
    legend(axes)


def _size(places: np.ndarray) -> float:
    return float(np.clip(4000 / len(places), 3, 28))


def spectrum(examination: Examination) -> Figure:
    """How much of the vectors' variance each value, and each principal axis, holds: which are used."""
    own = np.sort(examination.vectors.astype(np.float64).var(axis=0))[::-1]
    along = examination.map.variances[: len(own)]
    total = max(float(own.sum()), float(np.finfo(float).tiny))
    is_used = own > UNUSED * total / len(own)
    drawn = figure(8.0, 4.0)
    axes = drawn.subplots()
    numbers = np.arange(1, len(own) + 1)
    axes.bar(numbers[is_used], 100 * own[is_used] / total, color=BLUE, label="a value of the vector")
    floor = 100 * UNUSED / len(own)
    if (~is_used).any():
        axes.bar(numbers[~is_used], floor, color=ORANGE, label="unused: hardly varies")
    axes.plot(numbers, np.maximum(100 * along / total, floor / 10), color=GREY, marker=".", label="a principal axis")
    axes.set_yscale("log")
    title = f"{int(is_used.sum())} of {len(own)} values are used"
    plain(axes, title=title, x="value or axis, by falling variance", y="part of the variance, %")
    legend(axes)
    return drawn
