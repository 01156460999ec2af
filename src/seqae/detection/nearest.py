"""How far the parts of a window lie from the nearest ones of normal windows, by how far those lie from each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..sequences.ragged import Ragged, starts_of
from .linear import LinearModel, fit_linear
from .neighbours import Neighbours, fit_neighbours
from .windowing import covered

NEAREST = "nearest"

MOST_PARTS = 8192
"""Evenly chosen among the normal ones: the fewer, the further from the nearest one that lies alike in time."""

FEWEST_COMPONENTS, MOST_COMPONENTS, PARTS_PER_COMPONENT = 20, 64, 8
"""Parts are compared in one principal component for every 8 of them, at least 20 and at most 64."""

LARGE = 0.9
"""The quantile of the distances of normal parts to each other that is added to each: only larger ones tell much."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Parts of model.length steps each, the normal ones to compare them with, and what distance is usual near each.

    usual: (n_normal_parts,) float32.
    """

    model: LinearModel
    neighbours: Neighbours
    usual: np.ndarray

    def distances(self, windows: Ragged) -> np.ndarray:
        """Of each step, the distance of its part of the window to the nearest normal part, by what is usual there.

        Returns (n_steps,).
        """
        parts = parts_of(windows, self.model.length)
        distances, which = self.neighbours.nearest(self.model.coefficients(parts.ragged))
        return np.repeat(distances / self.usual[which], parts.n_own)


@dataclass(frozen=True, slots=True, eq=False)
class NearestSensor:
    """The column "nearest": the geometric mean, over scales, of the distance of each step's part of the window.

    scales: whole sequences; or whole windows at any level, which know where in a period they are, and halves, which
    show what is short, and the level.
    """

    scales: tuple[Scale, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What columns there are."""
        return (NEAREST,)

    @property
    def reads_tokens(self) -> bool:
        """Never."""
        return False

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1

    def read(self, windows: Ragged) -> np.ndarray:
        """windows: in the units of the data, of any lengths. Returns (n_steps, 1) float64."""
        distances = [scale.distances(windows) for scale in self.scales]
        return (distances[0] if len(distances) == 1 else np.sqrt(distances[0] * distances[1]))[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Windows in parts. ragged: the parts; n_own: (n_parts,) steps up to the next part of the window, or to its end."""

    ragged: Ragged
    n_own: np.ndarray


def parts_of(windows: Ragged, length: int) -> Parts:
    """Parts of `length` steps; the last of a window ends where the window does. A shorter window is a part itself."""
    if (windows.lengths <= length).all():
        return Parts(windows, windows.lengths)
    n_parts = -(-windows.lengths // length)
    owner = np.repeat(np.arange(len(windows)), n_parts)
    k = np.arange(len(owner)) - np.repeat(starts_of(n_parts), n_parts)
    sizes = np.minimum(length, windows.lengths[owner])
    firsts = np.minimum(k * length, windows.lengths[owner] - sizes)
    n_own = np.where(k == n_parts[owner] - 1, sizes, np.append(firsts[1:], 0) - firsts)
    return Parts(Ragged.view(windows.values, windows.starts[owner] + firsts, sizes, windows.observed), n_own)


def fit_nearest(windows: Ragged, *, is_windowed: bool) -> NearestSensor:
    """windows: normal, in the units of the data, of one length but for a few shorter ones; is_windowed: of long series,
    of which parts are taken at every step that the windows cover.
    """
    if not is_windowed:
        return NearestSensor((_fit_scale(windows, sees_level=True, knows_usual=False),))
    length, series = int(windows.lengths.max()), covered(windows)
    whole = _fit_scale(series.windows(length), sees_level=False, knows_usual=True)
    half = _fit_scale(series.windows(-(-length // 2)), sees_level=True, knows_usual=True)
    return NearestSensor((whole, half))


def _fit_scale(parts: Ragged, *, sees_level: bool, knows_usual: bool) -> Scale:
    """knows_usual: whether distances are told by what is usual; whole sequences are too few to tell."""
    parts = parts[np.unique(np.linspace(0, len(parts) - 1, MOST_PARTS).astype(np.int64))]
    n_components = int(np.clip(len(parts) // PARTS_PER_COMPONENT, FEWEST_COMPONENTS, MOST_COMPONENTS))
    model = _seeing(fit_linear(parts, n_components=n_components, sees_level=sees_level))
    size = 1024
    coefficients = [model.coefficients(parts[first : first + size]) for first in range(0, len(parts), size)]
    neighbours = fit_neighbours(np.concatenate(coefficients), MOST_PARTS)
    usual = _usual(neighbours, parts) if knows_usual else np.ones(len(parts), np.float32)
    return Scale(model, neighbours, usual)


def _seeing(model: LinearModel) -> LinearModel:
    """The model itself, or where nothing varied one whose components are the means of the channels."""
    if model.variances.any():
        return model
    basis = np.tile(np.eye(model.n_channels, dtype=np.float32), model.length) / np.float32(np.sqrt(model.length))
    return replace(model, basis=basis, variances=np.zeros(model.n_channels, np.float32))


def _usual(neighbours: Neighbours, parts: Ragged) -> np.ndarray:
    """Of each normal part, its distance to the nearest one that shares no step with it, plus a large one of these.

    De Ridder, Tax & Duin 1998, "An experimental comparison of one-class classification methods": a distance to the
    nearest neighbour is compared with that neighbour's own. So what is noisy in normal data, or rare, is not found
    for being far from the rest. The large one keeps what repeats itself exactly from making all else infinitely far.
    Returns (n_parts,), 1 where all repeats itself or no two parts can be compared.
    """
    starts, ends = parts.starts, parts.starts + parts.lengths
    own = neighbours.own_distances(lambda rows: (starts[rows, None] < ends) & (starts < ends[rows, None]))
    known = own[np.isfinite(own)]
    large = float(np.quantile(known, LARGE)) if len(known) else 0.0
    if not large:
        return np.ones(len(parts), np.float32)
    return (np.where(np.isfinite(own), own, large) + large).astype(np.float32)
