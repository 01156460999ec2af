"""Ways to make one vector of a sequence: seqae's, the floors, and what others do where it is installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from seqae import Ragged, SequenceAutoencoder
from seqae.baselines import ResampledPCA
from seqae.recurrence.sequencewise import statistics
from seqae.sequences.scaling import fit_scaling

LATENT_SIZE, VECTOR_SIZE = 32, 128


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Of training and test sequences, (n, size); reconstruction and told lengths of the test ones, if any."""

    train: np.ndarray
    test: np.ndarray
    fit_seconds: float
    reconstruction: Ragged | None = None
    lengths: np.ndarray | None = None


Method = Callable[[Ragged, Ragged, int], Vectors]
"""From training sequences, test sequences and a seed."""


def of_statistics(train: Ragged, test: Ragged, seed: int) -> Vectors:
    """Mean, deviation, least, most, first and last value of each channel, and the length."""
    started = time.perf_counter()
    vectors = statistics(train)
    return Vectors(vectors, statistics(test), time.perf_counter() - started)


def of_pca(n_components: int) -> Method:
    """Principal components of sequences resampled to the longest."""

    def vectors(train: Ragged, test: Ragged, seed: int) -> Vectors:
        started = time.perf_counter()
        pca = ResampledPCA.fit(train, n_components)
        seconds = time.perf_counter() - started
        return Vectors(pca.transform(train), pca.transform(test), seconds, pca.reconstruct(test))

    return vectors


def of_seqae(**settings: object) -> Method:
    """SequenceAutoencoder with these settings, and its defaults for all others."""

    def vectors(train: Ragged, test: Ragged, seed: int) -> Vectors:
        started = time.perf_counter()
        model = SequenceAutoencoder(**settings, random_state=seed, verbose=False).fit(train)  # pyright: ignore[reportArgumentType]
        seconds = time.perf_counter() - started
        made = model.transform(test)
        return Vectors(
            model.transform(train),
            made,
            seconds,
            model.inverse_transform(made, test.lengths),
            model.lengths_of(made),
        )

    return vectors


def of_minirocket(train: Ragged, test: Ragged, seed: int) -> Vectors:
    """10,000 shares of dilated convolutions by aeon, of sequences resampled to the longest."""
    from aeon.transformations.collection.convolution_based import MiniRocket  # pyright: ignore[reportMissingImports]

    from seqae.recurrence.sequencewise import resample

    n_steps, scaling = int(train.lengths.max()), fit_scaling(train)
    rows = [((resample(part, n_steps) - scaling.centre) / scaling.scale).transpose(0, 2, 1) for part in (train, test)]
    started = time.perf_counter()
    rocket = MiniRocket(random_state=seed).fit(rows[0])
    seconds = time.perf_counter() - started
    return Vectors(np.asarray(rocket.transform(rows[0])), np.asarray(rocket.transform(rows[1])), seconds)


def of_ts2vec(train: Ragged, test: Ragged, seed: int) -> Vectors:
    """The authors' TS2Vec, 320 values, on sequences padded with NaN."""
    import torch
    from ts2vec import TS2Vec  # pyright: ignore[reportMissingImports]

    scaling = fit_scaling(train)
    padded = [(part.to_padded(padding_value=np.nan)[0] - scaling.centre) / scaling.scale for part in (train, test)]
    torch.manual_seed(seed)
    started = time.perf_counter()
    model = TS2Vec(input_dims=train.n_channels, device="cpu", output_dims=320)
    model.fit(padded[0])
    seconds = time.perf_counter() - started
    return Vectors(*(model.encode(part, encoding_window="full_series") for part in padded), fit_seconds=seconds)


METHODS: Mapping[str, Method] = {
    "statistics": of_statistics,
    "PCA 32": of_pca(32),
    "PCA 128": of_pca(128),
    "repeat 32": of_seqae(architecture="repeat", latent_size=LATENT_SIZE),
    "linear": of_seqae(architecture="linear", latent_size=VECTOR_SIZE),
    "hybrid": of_seqae(architecture="hybrid", latent_size=VECTOR_SIZE),
    "MiniRocket": of_minirocket,
    "TS2Vec": of_ts2vec,
}
