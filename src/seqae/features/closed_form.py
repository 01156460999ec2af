"""A vector that decodes and can be read, without training: what decodes, what describes and the length, rotated.

    z = Q' [w z_x / s_x; z_phi / s_phi; c n']        curve = M + D' Q z, read off at any number of steps

z_x are values of a learnt basis (basis.py), z_phi compress convolution shares and statistics (description.py), n' is
the length in usual units. s_x, s_phi bring both parts to length 1; w < 1 because few values decode and all are read.
D is the basis, and for all values what they say beyond it (correction.py). The rotation Q spreads both parts over all
values, so that scaling each to deviation 1, as classifiers like it, does not undo w or blow up the least components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..recurrence.sequencewise import grid_write, resample
from ..sequences.ragged import Ragged
from .basis import N_FOLDS, Basis, fit_basis
from .chunks import Sequences, as_arrays, chunks, evenly, folds
from .correction import fit_correction, products_of
from .description import Description, fit_description
from .lengths import LengthUnits, fit_length_units
from .rows import affine
from .threads import one_thread

DECODING_WEIGHT = 0.25
LENGTH_WEIGHT = 0.1
SAMPLE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ClosedForm:
    """basis: of z_x; description: of z_phi; lengths: of n'.

    scales: what each part is multiplied by, (n_parts,): of z_x, z_phi and n'. rotation: Q, (n_parts, latent_size),
    orthonormal rows. decoder: D, (n_parts, n_points * n_channels). All float64.
    """

    basis: Basis
    description: Description
    lengths: LengthUnits
    scales: np.ndarray
    rotation: np.ndarray
    decoder: np.ndarray

    @property
    def latent_size(self) -> int:
        """Values of a vector."""
        return self.rotation.shape[1]

    def encode(self, sequences: Ragged) -> np.ndarray:
        """The vector of each sequence, by itself. sequences: scaled. Returns (n, latent_size) float32."""
        parts = _parts(as_arrays(sequences), self.basis, self.description, self.lengths) * self.scales
        return affine(parts, self.rotation.T, np.zeros(self.latent_size)).astype(np.float32)

    def curves(self, vectors: np.ndarray) -> np.ndarray:
        """The curve of each vector. vectors: (n, latent_size). Returns (n, n_points, n_channels) float64."""
        parts = affine(np.asarray(vectors, np.float64), self.rotation, np.zeros(len(self.rotation)))
        flat = affine(parts, self.decoder.T, self.basis.mean.reshape(-1))
        return flat.reshape(len(flat), *self.basis.mean.shape)

    def decode(self, vectors: np.ndarray, lengths: np.ndarray) -> Ragged:
        """A scaled sequence of lengths[i] steps for each vector, float32."""
        return grid_write(self.curves(vectors), lengths)

    @property
    def length_direction(self) -> np.ndarray:
        """What times a vector gives the length in usual units, (latent_size,); zeros where all lengths were one."""
        scale = self.scales[-1]
        return self.rotation[-1] / scale if scale else np.zeros(self.latent_size)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        own = {"scales": self.scales, "rotation": self.rotation, "decoder": self.decoder}
        own["lengths"] = self.lengths.to_array()
        for part, arrays in (("basis", self.basis.to_arrays()), ("description", self.description.to_arrays())):
            own |= {f"{part}.{name}": array for name, array in arrays.items()}
        return own

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ClosedForm:
        """What to_arrays() was called on."""
        basis, description = (
            {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
            for part in ("basis.", "description.")
        )
        own = (arrays[name] for name in ("scales", "rotation", "decoder"))
        lengths = LengthUnits.from_array(arrays["lengths"])
        return cls(Basis.from_arrays(basis), Description.from_arrays(description), lengths, *own)


@one_thread
def fit_closed_form(sequences: Sequences, latent_size: int, *, n_decoding: int, seed: int) -> ClosedForm:
    """n_decoding values decode, one tells the length where lengths differ, the others describe.

    Fewer where the data has fewer directions: the rotation then maps what there is to latent_size values all the same.
    """
    lengths = fit_length_units(sequences.lengths)
    basis = fit_basis(sequences, n_decoding)
    n_describing = latent_size - basis.n_components - 1
    description = fit_description(sequences, n_describing, seed=seed)
    sample = evenly(len(sequences), SAMPLE)
    parts = np.concatenate([_parts(some, basis, description, lengths) for _, some in chunks(sequences, sample)])
    scales = _scales(parts, basis.n_components)
    decoder = _decoder(basis, sequences, sample, parts, scales)
    return ClosedForm(basis, description, lengths, scales, _rotation(parts.shape[1], latent_size, seed), decoder)


def _parts(sequences: Ragged, basis: Basis, description: Description, lengths: LengthUnits) -> np.ndarray:
    """z_x, z_phi and n' of each sequence, side by side, (n, n_parts) float64."""
    of_lengths = lengths.of(sequences.lengths)[:, None]
    return np.concatenate([basis.encode(sequences), description.of(sequences), of_lengths], axis=1, dtype=np.float64)


def _scales(parts: np.ndarray, n_decoding: int) -> np.ndarray:
    """See ClosedForm. parts: (n, n_parts), of training sequences."""
    scales = np.empty(parts.shape[1])
    for own, weight in ((slice(n_decoding), DECODING_WEIGHT), (slice(n_decoding, -1), 1.0)):
        size = np.sqrt((parts[:, own] ** 2).sum(axis=1).mean())
        scales[own] = weight / size if size > 0 else 1.0
    scales[-1] = LENGTH_WEIGHT
    return scales


def _rotation(n_parts: int, latent_size: int, seed: int) -> np.ndarray:
    """Orthonormal rows that the seed decides, (n_parts, latent_size)."""
    normal = np.random.default_rng(seed).standard_normal((latent_size, n_parts))
    columns, triangle = np.linalg.qr(normal)
    return np.ascontiguousarray((columns * np.sign(np.diag(triangle))).T)


def _decoder(
    basis: Basis, sequences: Sequences, sample: np.ndarray, parts: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """D, for scaled parts, (n_parts, n_points * n_channels). parts: (len(sample), n_parts)."""
    n = basis.n_components
    balance = scales.copy()
    balance[:n] /= DECODING_WEIGHT
    products, first = [products_of(np.zeros((0, len(scales))), np.zeros((0, basis.mean.size)))] * N_FOLDS, 0
    for which, some in chunks(sequences, sample):
        own = parts[first : first + len(which)]
        first += len(which)
        residuals = (resample(some, basis.n_points) - basis.curves(own[:, :n])).reshape(len(own), basis.mean.size)
        fold = folds(which, N_FOLDS)
        for k in range(N_FOLDS):
            products[k] += products_of((own * balance)[fold == k], residuals[fold == k])
    decoder = fit_correction(products, n) * (balance / scales)[:, None]
    decoder[:n] += basis.components.reshape(n, basis.mean.size) / scales[:n, None]
    return decoder
