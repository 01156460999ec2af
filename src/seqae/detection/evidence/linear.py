"""Principal components of whole windows, the linear autoencoder; and distances to whitened vectors of normal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.linalg import eigh

from ...errors import InvalidSequence
from ...recurrence import linear
from ...sequences.ragged import Ragged, as_tensor, evenly_chosen
from ...sequences.scaling import Scaling, fit_scaling
from ...storage.vetting import Arrays, misfit
from ...training.batching import BatchLoader, scaled

MOST_VECTORS = 4096
FLATTENING = 0.05
CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Whitened vectors of normal data.

    vectors: (n, size), whitened; centre: (latent_size,); whitener: (size, latent_size); half_norms: (n,), half of the
    squared lengths of vectors. All float32; vectors are kept column by column, as linear() reads them.
    """

    vectors: np.ndarray
    centre: np.ndarray
    whitener: np.ndarray
    half_norms: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", np.asfortranarray(self.vectors))

    def distances(self, latent: np.ndarray) -> np.ndarray:
        """Euclidean distance to the nearest vector, each computed alone. latent: (m, latent_size). Returns (m,)."""
        return self.nearest(latent)[0]

    def nearest(self, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Euclidean distance to the nearest vector and its number, each computed alone.

        latent: (m, latent_size). Returns (m,) float64 and (m,) int64.
        """
        whitener = as_tensor(self.whitener)
        x = linear(torch.from_numpy(latent - self.centre), whitener, torch.zeros(len(whitener)))
        which = self._closeness(x).argmax(axis=1)
        return self._distances(x.numpy(), which), which

    def own_distances(self, is_near: Callable[[slice], np.ndarray]) -> np.ndarray:
        """The distance of each vector to the nearest one that is not excluded; NaN if all are.

        is_near: takes indices of m vectors, returns (m, n) bool: the vectors to exclude, itself included.
        """
        found, x = np.empty(len(self.vectors)), np.ascontiguousarray(self.vectors)
        for first in range(0, len(x), CHUNK):
            rows = slice(first, first + CHUNK)
            closeness = np.where(is_near(rows), -np.inf, self._closeness(torch.from_numpy(x[rows])))
            which = closeness.argmax(axis=1)
            is_alone = np.isneginf(closeness.max(axis=1))
            found[rows] = np.where(is_alone, np.nan, self._distances(x[rows], which))
        return found

    def _closeness(self, x: torch.Tensor) -> np.ndarray:
        """x.m - |m|^2 / 2, highest for the nearest vector m. x: (m, size), whitened. Returns (m, n)."""
        return linear(x, as_tensor(self.vectors.T).t(), torch.from_numpy(-self.half_norms)).numpy()

    def _distances(self, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """x: (m, size), whitened; which: (m,) the vectors they are compared with. Returns (m,)."""
        return np.sqrt(_sum_of_squares(x.astype(np.float64) - self.vectors[which]))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        return {
            "vectors": np.ascontiguousarray(self.vectors),
            "centre": self.centre,
            "whitener": self.whitener,
            "half_norms": self.half_norms,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, latent_size: int | None = None) -> Neighbours:
        """The inverse of to_arrays(). latent_size: None for any. Raises ModelFileError for other sizes."""
        whitener = arrays.take("whitener", (None, latent_size))
        vectors, centre = arrays.take("vectors", (None, len(whitener))), arrays.take("centre", (whitener.shape[1],))
        if not len(vectors):
            raise misfit(f"{arrays.prefix}vectors", "is empty")
        return cls(vectors, centre, whitener, arrays.take("half_norms", (len(vectors),)))


def fit_neighbours(latent: np.ndarray, most: int = MOST_VECTORS) -> Neighbours:
    """Whiten at most n_largest of the vectors, evenly chosen. latent: (n, latent_size).

    Whitening divides each principal component by sqrt(its variance + 0.05 of the mean one), so that a component
    with little variance in normal data has a larger weight, but does not dominate.
    """
    chosen = latent[evenly_chosen(len(latent), most)]
    centre = chosen.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = (chosen - centre).astype(np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variances = np.maximum(variances, 0.0)
    flattening = FLATTENING * variances.mean()
    deviations = np.sqrt(variances + (flattening if flattening > 0 else 1.0))
    whitener = np.ascontiguousarray((axes / deviations).T, np.float32)
    vectors = linear(torch.from_numpy(chosen - centre), torch.from_numpy(whitener), torch.zeros(len(whitener))).numpy()
    return Neighbours(vectors, centre, whitener, 0.5 * (vectors * vectors).sum(axis=1))


def _sum_of_squares(x: np.ndarray) -> np.ndarray:
    """Squared length of each row. cumsum adds column by column: a row's bits do not depend on other rows."""
    return np.cumsum(x * x, axis=1)[:, -1]


FLOATS = (np.float32, np.float64)

KEPT_VARIANCE = 0.95
MOST_WINDOWS = 1024
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Principal components of windows of one length, with channels concatenated.

    mean: (length * n_channels,); basis: (n_components, length * n_channels), orthonormal rows;
    variances: (n_components,) of the coefficients; noise: variance left per value. All float32, in scaled units.
    """

    scaling: Scaling
    mean: np.ndarray
    basis: np.ndarray
    variances: np.ndarray
    noise: float

    @property
    def n_channels(self) -> int:
        """Values of one step."""
        return len(self.scaling.centre)

    @property
    def length(self) -> int:
        """Steps of a window."""
        return len(self.mean) // self.n_channels

    def read(self, windows: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """The error of every value and the coefficients of every window; each window is computed alone.

        windows: in the units of the data, of any lengths; a shorter window counts as the first
        steps of one, a longer one as several. Returns (n_steps, n_channels) absolute, scaled, NaN where not observed;
        and (n_windows, n_components).
        """
        batch = scaled(windows, self.scaling, CPU)
        errors = np.empty((batch.n_steps, self.n_channels), np.float32)
        coefficients = np.zeros((len(batch), len(self.basis)), np.float32)
        for which, rows, x in _by_length(batch):
            residual, coefficients[which] = self._residual(x)
            errors[rows] = np.abs(residual).reshape(-1, self.n_channels)
        if batch.observed is not None:
            errors[~np.asarray(batch.observed)] = np.nan
        return errors, coefficients

    def rebuilt(self, windows: Ragged) -> np.ndarray:
        """Every value as its window's coefficients have it, (n_steps, n_channels) in the units of the data."""
        batch = scaled(windows, self.scaling, CPU)
        found = np.empty((batch.n_steps, self.n_channels), np.float32)
        for _, rows, x in _by_length(batch):
            found[rows] = (x.numpy() - self._residual(x)[0]).reshape(-1, self.n_channels)
        return self.scaling.undo(found)

    def coefficients(self, windows: Ragged) -> np.ndarray:
        """Of every window's first `length` steps, as read() has them. Returns (n_windows, n_components)."""
        batch = scaled(windows, self.scaling, CPU)
        found = np.empty((len(batch), len(self.basis)), np.float32)
        for which, _, x in _by_length(batch):
            found[which] = self._coefficients(self._centred(x[:, : self.length])).numpy()
        return found

    def _residual(self, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """x: (n, length, n_channels) scaled. Returns its residual, and the coefficients of its first part."""
        parts = [self._residual_of_part(part) for part in x.split(self.length, dim=1)]
        return np.concatenate([residual for residual, _ in parts], axis=1), parts[0][1]

    def _residual_of_part(self, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        centred = self._centred(x)
        coefficients, n_values = self._coefficients(centred), centred.shape[1]
        rebuilt = linear(coefficients, self._basis(n_values).T, torch.zeros(n_values))
        return (centred.numpy() - rebuilt.numpy()).reshape(x.shape), coefficients.numpy()

    def _centred(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, n_steps, n_channels) scaled. Returns (n, n_steps * n_channels)."""
        flat = x.reshape(len(x), -1).numpy()
        return torch.from_numpy(flat - self.mean[: flat.shape[1]])

    def _coefficients(self, centred: torch.Tensor) -> torch.Tensor:
        return linear(centred, self._solver(self._basis(centred.shape[1])), torch.zeros(len(self.basis)))

    def _basis(self, n_values: int) -> torch.Tensor:
        return as_tensor(self.basis[:, :n_values])

    def _solver(self, basis: torch.Tensor) -> torch.Tensor:
        """The map from values to coefficients: the basis or, for part of a window, the posterior mean of probabilistic
        PCA (Tipping & Bishop 1999, equation 9).
        """
        if basis.shape[1] == len(self.mean):
            return basis
        shrinkage = torch.from_numpy(self.noise / np.maximum(self.variances, self.noise)).diag()
        return torch.linalg.solve((basis @ basis.T + shrinkage).double(), basis.double()).float()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        return {
            "centre": self.scaling.centre,
            "scale": self.scaling.scale,
            "mean": self.mean,
            "basis": self.basis,
            "variances": self.variances,
            "noise": np.array([self.noise], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_channels: int) -> LinearModel:
        """The inverse of to_arrays(). Raises ModelFileError for arrays of other sizes."""
        scaling = Scaling(
            arrays.take("centre", (n_channels,), FLOATS), arrays.take("scale", (n_channels,), FLOATS, above=0.0)
        )
        mean = arrays.take("mean", (None,))
        if not len(mean) or len(mean) % n_channels:
            raise misfit(f"{arrays.prefix}mean", f"must have a value for each step and each of {n_channels} channels")
        basis = arrays.take("basis", (None, len(mean)))
        variances = arrays.take("variances", (len(basis),))
        noise = arrays.take("noise", (1,), np.float64, least=0.0)
        return cls(scaling, mean, basis, variances, float(noise[0]))


def _by_length(batch: Ragged) -> Iterator[tuple[np.ndarray | slice, np.ndarray | slice, torch.Tensor]]:
    """Windows of one length at a time: indices, rows of their values, and values, (n, length, n_channels).

    batch: back to back.
    """
    lengths, n_channels = batch.lengths, batch.n_channels
    if len(lengths) and (lengths == lengths[0]).all():
        yield slice(None), slice(None), batch.values.view(len(batch), -1, n_channels)
        return
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        rows = (batch.starts[which, None] + np.arange(length)).reshape(-1)
        yield which, rows, batch.values[rows].view(len(which), -1, n_channels)


def fit_linear(windows: Ragged, *, n_components: int | None = None, sees_level: bool = True) -> LinearModel:
    """Fit n_components, or those that explain .95 of the variance, on at most 1024 windows, evenly chosen.

    windows: in the units of the data, of one length; a few shorter ones are left out.
    sees_level: False subtracts the mean of each channel from each window: the components of a whole window then do not
    depend on its level.
    """
    length = int(windows.lengths.max())
    full = windows[np.flatnonzero(windows.lengths == length)]
    if 2 * len(full) <= len(windows):
        raise InvalidSequence(
            f"the linear part needs sequences of one length, but only {len(full)} of {len(windows)} have {length} "
            "steps; use window=, or a score without 'linear'"
        )
    chosen = full[evenly_chosen(len(full), MOST_WINDOWS)]
    scaling = fit_scaling(chosen)
    batch = BatchLoader(chosen, scaling).load(np.arange(len(chosen)))
    flat = batch.values.reshape(len(chosen), -1).numpy()
    flat = flat if sees_level else _without_level(flat, length)
    mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
    if sees_level:
        return _components(flat - mean, mean, scaling, n_components)
    most = max(flat.shape[1] - len(scaling.centre), 1)  # remaining directions
    model = _components(flat - mean, mean, scaling, None if n_components is None else min(n_components, most))
    return replace(model, basis=_without_level(model.basis, length))


def _without_level(rows: np.ndarray, length: int) -> np.ndarray:
    """Each row minus the mean of each channel. rows: (n, length * n_channels)."""
    values = rows.reshape(len(rows), length, -1)
    return (values - values.mean(axis=1, keepdims=True)).reshape(rows.shape)


def _components(centred: np.ndarray, mean: np.ndarray, scaling: Scaling, wanted: int | None) -> LinearModel:
    """centred: (n_windows, n_values). By the smaller of the two Gram matrices."""
    n_windows, n_values = centred.shape
    is_wide = n_windows < n_values
    gram = (centred @ centred.T if is_wide else centred.T @ centred).astype(np.float64)
    total = max(float(np.trace(gram)), 0.0)
    values, vectors = eigh(gram, subset_by_index=(max(len(gram) - (wanted or len(gram)), 0), len(gram) - 1))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if wanted is None:
        wanted = int((np.cumsum(values) <= KEPT_VARIANCE * total).sum()) + 1
    n_components = max(1, min(wanted, int((values > 1e-9 * max(total, 1e-30)).sum())))
    basis = vectors[:, :n_components].T
    basis = np.where(values[:n_components, None] > 0, basis, 0.0)  # a component without variance
    if is_wide:
        basis = basis @ centred / np.sqrt(np.maximum(values[:n_components, None], 1e-30))
    noise = max(total - values[:n_components].sum(), 0.0) / max(n_windows, 1) / n_values
    variances = (values[:n_components] / max(n_windows, 1)).astype(np.float32)
    return LinearModel(scaling, mean, np.ascontiguousarray(basis, np.float32), variances, float(max(noise, 1e-6)))
