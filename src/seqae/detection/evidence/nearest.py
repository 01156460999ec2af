"""Distances of parts of windows to the nearest normal parts, relative to the distances between normal parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ...sequences.ragged import Ragged, evenly_chosen, owners_of, step_numbers_of
from ...storage.vetting import Arrays, misfit, under
from ..series import covered, of_channels
from .interface import Evidence, Score, Setting
from .linear import LinearModel, Neighbours, fit_linear, fit_neighbours

NEAREST = "nearest"

WEIGHT = 16.0
"""Weight in a joint score, where an error has 1 at most. Chosen on the open sets of benchmarks/detect.py."""

MOST_PARTS = 8192
"""The most normal parts, evenly chosen: with fewer, the nearest one is further away in phase."""

FEWEST_COMPONENTS, MOST_COMPONENTS, PARTS_PER_COMPONENT = 20, 64, 8
"""Parts are compared in one principal component for every 8 of them, at least 20 and at most 64."""

LARGE = 0.9
"""The quantile of distances between normal parts that is added to each local distance, as a floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Parts of model.length steps: the normal ones, and the local distance of each.

    usual: (n_normal_parts,) float32, the local distances.
    """

    model: LinearModel
    neighbours: Neighbours
    usual: np.ndarray

    def distances(self, windows: Ragged) -> np.ndarray:
        """For each step, the distance of its part to the nearest normal part, divided by the local distance there.

        Returns (n_steps,).
        """
        parts = parts_of(windows, self.model.length)
        distances, which = self.neighbours.nearest(self.model.coefficients(parts.ragged))
        return np.repeat(distances / self.usual[which], parts.n_own)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        parts = under("model.", self.model.to_arrays()) | under("neighbours.", self.neighbours.to_arrays())
        return parts | {"usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_channels: int) -> Scale:
        """The inverse of to_arrays(). Raises ModelFileError for arrays of other sizes."""
        model = LinearModel.from_arrays(arrays.below("model."), n_channels)
        neighbours = Neighbours.from_arrays(arrays.below("neighbours."), len(model.basis))
        return cls(model, neighbours, arrays.take("usual", (len(neighbours.vectors),), above=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class NearestEvidence(Evidence):
    """The score "nearest": distance to the nearest normal sequence, of one length, in whitened principal components.
    For windows without level and for halves, each distance is divided by the local distance.

    The column "nearest": the geometric mean, over scales, of the distance of each step's part of the window.

    scales: of whole sequences; or of whole windows without level, which identify the phase of a period, and of halves,
    which show short events and the level. channels: those that are compared, None for all.
    """

    name: ClassVar[str] = "nearest"
    offers: ClassVar[tuple[str, ...]] = (NEAREST,)
    scores: ClassVar[tuple[Score, ...]] = (
        Score(
            "nearest",
            (NEAREST,),
            measure="distance",
            of="vectors",
            weight=WEIGHT,
        ),
    )

    kinds: tuple[str, ...]
    scales: tuple[Scale, ...]
    channels: np.ndarray | None = None

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """windows: of one length, with a few shorter ones; for long series, parts start at every covered step."""
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
    """Parts of windows. ragged: the parts; n_own: (n_parts,) steps up to the next part of the window, or to its end."""

    ragged: Ragged
    n_own: np.ndarray


def parts_of(windows: Ragged, length: int) -> Parts:
    """Parts of `length` steps; the last one ends with its window. A shorter window is one part."""
    if (windows.lengths <= length).all():
        return Parts(windows, windows.lengths)
    n_parts = -(-windows.lengths // length)
    owner, k = owners_of(n_parts), step_numbers_of(n_parts)
    sizes = np.minimum(length, windows.lengths[owner])
    firsts = np.minimum(k * length, windows.lengths[owner] - sizes)
    n_own = np.where(k == n_parts[owner] - 1, sizes, np.append(firsts[1:], 0) - firsts)
    return Parts(Ragged.view(windows.values, windows.starts[owner] + firsts, sizes, windows.observed), n_own)


def _fit_scale(parts: Ragged, *, sees_level: bool, knows_usual: bool) -> Scale:
    """knows_usual: whether distances are divided by local distances; whole sequences are too few for that."""
    parts = parts[evenly_chosen(len(parts), MOST_PARTS)]
    n_components = int(np.clip(len(parts) // PARTS_PER_COMPONENT, FEWEST_COMPONENTS, MOST_COMPONENTS))
    model = _seeing(fit_linear(parts, n_components=n_components, sees_level=sees_level))
    size = 1024
    coefficients = [model.coefficients(parts[first : first + size]) for first in range(0, len(parts), size)]
    neighbours = fit_neighbours(np.concatenate(coefficients), MOST_PARTS)
    usual = _usual(neighbours, parts) if knows_usual else np.ones(len(parts), np.float32)
    return Scale(model, neighbours, usual)


def _seeing(model: LinearModel) -> LinearModel:
    """The model, or if nothing varied, one whose components are the means of the channels."""
    if model.variances.any():
        return model
    basis = np.tile(np.eye(model.n_channels, dtype=np.float32), model.length) / np.float32(np.sqrt(model.length))
    return replace(model, basis=basis, variances=np.zeros(model.n_channels, np.float32))


def _usual(neighbours: Neighbours, parts: Ragged) -> np.ndarray:
    """Local distances: of each normal part to its nearest neighbour without common steps, plus a high quantile of
    these.

    De Ridder, Tax & Duin 1998, "An experimental comparison of one-class classification methods": a distance to the
    nearest neighbour is compared with that neighbour's own distance. So noisy or rare parts of normal data are not
    reported. The quantile prevents division by zero where parts repeat exactly.
    Returns (n_parts,), 1 if all parts repeat or no two can be compared.
    """
    starts, ends = parts.starts, parts.starts + parts.lengths
    own = neighbours.own_distances(lambda rows: (starts[rows, None] < ends) & (starts < ends[rows, None]))
    known = own[np.isfinite(own)]
    large = float(np.quantile(known, LARGE)) if len(known) else 0.0
    if not large:
        return np.ones(len(parts), np.float32)
    return (np.where(np.isfinite(own), own, large) + large).astype(np.float32)
