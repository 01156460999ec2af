"""How far the parts of a window lie from the nearest ones of normal windows, by how far those lie from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ...sequences.ragged import Ragged
from ...sequences.steps import evenly_chosen, owners_of, step_numbers_of
from ...storage.vetting import Arrays, misfit, under
from ..series import covered, of_channels
from .interface import Evidence, Score, Setting
from .linear import LinearModel, fit_linear
from .neighbours import Neighbours, fit_neighbours

NEAREST = "nearest"

WEIGHT_OF_ONE_CHANNEL = 16.0
"""In a joint score; with several channels 1. Chosen on the open sets of benchmarks/detect.py."""

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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, as arrays by name."""
        parts = under("model.", self.model.to_arrays()) | under("neighbours.", self.neighbours.to_arrays())
        return parts | {"usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_channels: int) -> Scale:
        """What to_arrays() was called on. Raises ModelFileError for arrays of other sizes."""
        model = LinearModel.from_arrays(arrays.below("model."), n_channels)
        neighbours = Neighbours.from_arrays(arrays.below("neighbours."), len(model.basis))
        return cls(model, neighbours, arrays.take("usual", (len(neighbours.vectors),), above=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class NearestEvidence(Evidence):
    """The score "nearest": distance to the nearest normal sequence in whitened principal components, which need one
    length; of windows at any level, with that of each half to the nearest half, each by what is usual there.

    The column "nearest": the geometric mean, over scales, of the distance of each step's part of the window.

    scales: whole sequences; or whole windows at any level, which know where in a period they are, and halves, which
    show what is short, and the level. channels: those that are compared, None for all.
    """

    name: ClassVar[str] = "nearest"
    offers: ClassVar[tuple[str, ...]] = (NEAREST,)
    scores: ClassVar[tuple[Score, ...]] = (
        Score(
            "nearest",
            (NEAREST,),
            measure="distance",
            of="vectors",
            weight=1.0,
            weight_of_one_channel=WEIGHT_OF_ONE_CHANNEL,
        ),
    )

    kinds: tuple[str, ...]
    scales: tuple[Scale, ...]
    channels: np.ndarray | None = None

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """windows: of one length but for a few shorter ones; of long series, parts are taken at every step that the
        windows cover.
        """
        seen = of_channels(windows, setting.channels)
        if setting.window is None:
            return cls(kinds, (_fit_scale(seen, sees_level=True, knows_usual=False),), setting.channels)
        length, series = int(seen.lengths.max()), covered(seen)
        whole = _fit_scale(series.windows(length), sees_level=False, knows_usual=True)
        half = _fit_scale(series.windows(-(-length // 2)), sees_level=True, knows_usual=True)
        return cls(kinds, (whole, half), setting.channels)

    def width(self, kind: str) -> int:
        """See Evidence.width."""
        return 1

    def read(self, windows: Ragged) -> list[np.ndarray]:
        """See Evidence.read."""
        seen = of_channels(windows, self.channels)
        distances = [scale.distances(seen) for scale in self.scales]
        return [(distances[0] if len(distances) == 1 else np.sqrt(distances[0] * distances[1]))[:, None]]

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Evidence.to_arrays."""
        scales = [under(f"scale{k}.", scale.to_arrays()) for k, scale in enumerate(self.scales)]
        return {name: array for scale in scales for name, array in scale.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.from_arrays."""
        n_scales = 1 if setting.window is None else 2
        parts = [arrays.below(f"scale{k}.") for k in range(n_scales)]
        scales = tuple(Scale.from_arrays(part, setting.n_scored) for part in parts)
        if setting.window not in (None, scales[0].model.length):
            length = scales[0].model.length
            raise misfit(f"{arrays.prefix}scale0", f"is of windows of {length} steps, not of {setting.window}")
        if n_scales == 1 and arrays.below("scale1.").tensors:
            raise misfit(f"{arrays.prefix}scale1", "belongs to windows, but whole sequences are judged")
        return cls(kinds, scales, setting.channels)


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
    owner, k = owners_of(n_parts), step_numbers_of(n_parts)
    sizes = np.minimum(length, windows.lengths[owner])
    firsts = np.minimum(k * length, windows.lengths[owner] - sizes)
    n_own = np.where(k == n_parts[owner] - 1, sizes, np.append(firsts[1:], 0) - firsts)
    return Parts(Ragged.view(windows.values, windows.starts[owner] + firsts, sizes, windows.observed), n_own)


def _fit_scale(parts: Ragged, *, sees_level: bool, knows_usual: bool) -> Scale:
    """knows_usual: whether distances are told by what is usual; whole sequences are too few to tell."""
    parts = parts[evenly_chosen(len(parts), MOST_PARTS)]
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
