"""A vector that decodes and can be read, without training: what decodes, what describes and the length, rotated.

    z = Q' [w z_x / s_x; z_phi / s_phi; c n']        curve = M + D' z, read off at any number of steps

z_x are values of a learnt basis (basis.py), z_phi compress convolution shares and statistics (description.py), n' is
the length in usual units. s_x, s_phi bring both parts to one length, at which a value is about 1; w < 1 because few
values decode and all are read. D is the basis, and for all values what they say beyond it (fit_correction()). The
rotation Q spreads all parts over all values, so that scaling each to deviation 1, as classifiers like it, does not undo
w or blow up the least components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from ..recurrence.sequencewise import grid_write, resample
from ..sequences.ragged import Ragged
from ..sequences.scaling import LengthUnits, fit_length_units
from ..storage.vetting import Arrays, as_count, misfit, under
from .basis import N_FOLDS, Basis, fit_basis
from .chunks import Sequences, as_arrays, chunks, evenly, folds
from .description import Description, fit_description
from .linear_algebra import affine, one_thread, random_rotation

DECODING_WEIGHT = 0.3
LENGTH_WEIGHT = 0.1
USUAL_DECODING = 32
SAMPLE = 4096
TINY = float(np.finfo(np.float64).tiny)
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # of the ridge regression, times the mean variance of a value


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Sums over sequences of products: of values, (k, k), and of values and residuals, (k, q)."""

    gram: np.ndarray
    cross: np.ndarray

    def __add__(self, other: Products) -> Products:
        return Products(self.gram + other.gram, self.cross + other.cross)

    def __sub__(self, other: Products) -> Products:
        return Products(self.gram - other.gram, self.cross - other.cross)


def products_of(values: np.ndarray, residuals: np.ndarray) -> Products:
    """values: (n, k); residuals: (n, q), of each curve after the basis."""
    return Products(values.T @ values, values.T @ residuals)


def fit_correction(folds: Sequence[Products], n_decoding: int) -> np.ndarray:
    """Ridge weights from values to the residual of a curve, (k, q); zeros unless they improve left-out sequences.

    Two candidates per penalty: from all values, and from those alone that do not decode. The best is taken if its gain
    over all folds is larger than its standard error.
    """
    candidates = [(penalty, first) for first in (0, n_decoding) for penalty in PENALTIES]
    whole = reduce(add, folds)
    gains = np.empty((len(folds), len(candidates)))
    for k, fold in enumerate(folds):
        others = whole - fold
        gains[k] = [_gain(fold, _solution(others, *candidate)) for candidate in candidates]
    best = int(np.argmax(gains.sum(axis=0)))
    error = gains[:, best].std(ddof=1) * np.sqrt(len(folds))
    return _solution(whole, *candidates[best]) if gains[:, best].sum() > error else np.zeros_like(whole.cross)


def _solution(products: Products, penalty: float, first: int) -> np.ndarray:
    """Ridge weights of the values from `first` on, zeros for those before. Returns (k, q)."""
    weights = np.zeros_like(products.cross)
    own = products.gram[first:, first:]
    ridge = penalty * max(float(np.trace(own)), float(np.finfo(np.float64).tiny)) / max(len(own), 1)
    weights[first:] = np.linalg.solve(own + ridge * np.eye(len(own)), products.cross[first:])
    return weights


def _gain(products: Products, weights: np.ndarray) -> float:
    """The reduction of squared residuals by the weights, summed over the sequences."""
    return float(2 * np.sum(weights * products.cross) - np.sum(weights * (products.gram @ weights)))


@dataclass(frozen=True, slots=True, eq=False)
class ClosedEncoder:
    """basis: of z_x; description: of z_phi; lengths: of n'.

    scales: what each part is multiplied by, (n_parts,): of z_x, z_phi and n'. rotation: Q, (n_parts, latent_size),
    orthonormal rows. Both float64.
    """

    basis: Basis
    description: Description
    lengths: LengthUnits
    scales: np.ndarray
    rotation: np.ndarray

    @property
    def latent_size(self) -> int:
        """Values of a vector."""
        return self.rotation.shape[1]

    def encode(self, sequences: Ragged) -> np.ndarray:
        """The vector of each sequence, by itself. sequences: scaled. Returns (n, latent_size) float32."""
        parts = self.parts(as_arrays(sequences))
        return affine(parts, self.rotation.T, np.zeros(self.latent_size)).astype(np.float32)

    def parts(self, sequences: Ragged) -> np.ndarray:
        """z_x, z_phi and n' of each sequence, scaled, (n, n_parts) float64. sequences: scaled, NumPy."""
        own = self.basis.encode(sequences), self.description.of(sequences), self.lengths.of(sequences.lengths)[:, None]
        return np.concatenate(own, axis=1, dtype=np.float64) * self.scales

    @property
    def length_direction(self) -> np.ndarray:
        """How a vector changes by one usual unit of length, (latent_size,); zeros where all lengths were one."""
        return self.rotation[-1] * (self.scales[-1] if self.lengths.unit else 0.0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        own = {"scales": self.scales, "rotation": self.rotation, "lengths": self.lengths.to_array()}
        return own | under("basis.", self.basis.to_arrays()) | under("description.", self.description.to_arrays())

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, latent_size: int, n_channels: int) -> ClosedEncoder:
        """What to_arrays() was called on. Raises ModelFileError for arrays that do not fit together, or the sizes."""
        basis = Basis.from_arrays(arrays.below("basis."))
        description = Description.from_arrays(arrays.below("description."))
        if {basis.mean.shape[1], description.plain.convolutions.n_channels} != {n_channels}:
            raise misfit("the closed form", f"must have a basis and a description of {n_channels} channels")
        n_parts = basis.n_components + description.n_values + 1
        lengths = LengthUnits.from_array(arrays.take("lengths", (3,), np.float64))
        rotation = arrays.take("rotation", (n_parts, latent_size), np.float64)
        return cls(basis, description, lengths, arrays.take("scales", (n_parts,), np.float64), rotation)


@dataclass(frozen=True, slots=True, eq=False)
class ClosedDecoder:
    """mean: M, (n_points, n_channels); weight: D, (latent_size, n_points * n_channels). Both float64."""

    mean: np.ndarray
    weight: np.ndarray

    def curves(self, vectors: np.ndarray) -> np.ndarray:
        """The curve of each vector. vectors: (n, latent_size). Returns (n, n_points, n_channels) float64."""
        flat = affine(np.asarray(vectors, np.float64), self.weight.T, self.mean.reshape(-1))
        return flat.reshape(len(flat), *self.mean.shape)

    def decode(self, vectors: np.ndarray, lengths: np.ndarray) -> Ragged:
        """A scaled sequence of lengths[i] steps for each vector, float32."""
        return grid_write(self.curves(vectors), lengths)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        return {"mean": self.mean, "weight": self.weight}

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, latent_size: int, n_channels: int) -> ClosedDecoder:
        """What to_arrays() was called on. Raises ModelFileError for arrays that do not fit together, or the sizes."""
        mean = arrays.take("mean", (None, n_channels), np.float64)
        as_count(len(mean), "points of the mean curve", least=1)
        return cls(mean, arrays.take("weight", (latent_size, mean.size), np.float64))


@one_thread
def fit_closed_encoder(
    sequences: Sequences, latent_size: int, *, n_decoding: int | None = None, seed: int
) -> ClosedEncoder:
    """n_decoding values decode, one tells the length, the others describe. n_decoding: see shared_out() where None.

    Fewer where the data has fewer directions: the rotation then maps what there is to latent_size values all the same.
    """
    basis = fit_basis(sequences, bounds_of_decoding(latent_size)[1] if n_decoding is None else n_decoding)
    if n_decoding is None:
        description = fit_description(sequences, latent_size - 1, seed=seed)
        basis = basis.first(shared_out(latent_size, basis.variances, description.variances))
        description = description.first(latent_size - 1 - basis.n_components)
    else:
        description = fit_description(sequences, latent_size - 1 - basis.n_components, seed=seed)
    sizes = basis.n_components, description.n_values, 1
    powers = basis.variances.sum(), description.variances.sum(), 1.0
    weights = DECODING_WEIGHT, 1.0, LENGTH_WEIGHT
    scales = [
        weight * np.sqrt(latent_size / power) if power > 0 else 1.0
        for weight, power in zip(weights, powers, strict=True)
    ]
    rotation = random_rotation(sum(sizes), latent_size, seed)
    return ClosedEncoder(basis, description, fit_length_units(sequences.lengths), np.repeat(scales, sizes), rotation)


def bounds_of_decoding(latent_size: int) -> tuple[int, int]:
    """The least and the most values that decode, unless their number is given.

    At least a quarter or, if that is less than 32, half of all up to 32; at most three quarters. One value tells the
    length, at least one describes.
    """
    least = max(latent_size // 4, min(latent_size // 2, USUAL_DECODING), 1)
    return least, max(min(latent_size * 3 // 4, latent_size - 2), least)


def shared_out(latent_size: int, of_curves: np.ndarray, of_features: np.ndarray) -> int:
    """How many values decode: those along which more of all variance lies than along the last one that describes.

    What lies along a value is its part of the variance of curves, or of features: neighbours and probes lost nothing
    on the open sets, and reconstruction gained (docs/vectors.md).
    of_curves, of_features: variances along the directions that there are, largest first.
    """
    parts = [own / max(own.sum(), TINY) for own in (of_curves, of_features)]
    chosen = np.argsort(-np.concatenate(parts), kind="stable")[: latent_size - 1]
    return int(np.clip(np.sum(chosen < len(of_curves)), *bounds_of_decoding(latent_size)))


@one_thread
def fit_closed_decoder(sequences: Sequences, encoder: ClosedEncoder) -> ClosedDecoder:
    """From the encoder's training sequences, at most 4096 of them, evenly chosen."""
    basis, n = encoder.basis, encoder.basis.n_components
    balance = np.ones(len(encoder.scales))
    balance[:n] /= DECODING_WEIGHT
    products = [products_of(np.zeros((0, len(balance))), np.zeros((0, basis.mean.size)))] * N_FOLDS
    for which, some in chunks(sequences, evenly(len(sequences), SAMPLE)):
        parts = encoder.parts(some)
        curves = basis.curves(parts[:, :n] / encoder.scales[:n])
        residuals = (resample(some, basis.n_points) - curves).reshape(len(some), basis.mean.size)
        fold = folds(which, N_FOLDS)
        for k in range(N_FOLDS):
            products[k] += products_of((parts * balance)[fold == k], residuals[fold == k])
    weight = fit_correction(products, n) * balance[:, None]
    weight[:n] += basis.components.reshape(n, basis.mean.size) / encoder.scales[:n, None]
    return ClosedDecoder(basis.mean, encoder.rotation.T @ weight)
