"""A trained model over whole data sets, batch by batch; rows come back in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .batching import BatchLoader, ordered_batches
from .losses import Loss
from .model import Autoencoder, Decoder, Encoder
from .ragged import Ragged, starts_of


@torch.no_grad()
def encode(encoder: Encoder, loader: BatchLoader, latent_size: int) -> np.ndarray:
    """Latent vectors of all sequences. Returns (n_sequences, latent_size) float32."""
    vectors = np.empty((len(loader), latent_size), np.float32)
    for indices in ordered_batches(loader.lengths):
        vectors[indices] = encoder(loader.load(indices)).cpu().numpy()
    return vectors


@torch.no_grad()
def decode(decoder: Decoder, loss: Loss, latent: np.ndarray, lengths: np.ndarray) -> Ragged:
    """A sequence of lengths[i] steps for each latent[i]. latent: (n_sequences, latent_size); scaled values."""
    device = decoder.head.weight.device

    def batches() -> Iterator[tuple[np.ndarray, Ragged]]:
        for indices in ordered_batches(lengths):
            vectors = torch.from_numpy(latent[indices]).to(device)
            yield indices, decoder(vectors, lengths[indices])

    return _collect(batches(), loss, lengths, decoder.n_channels)


@torch.no_grad()
def reconstruct(model: Autoencoder, loss: Loss, loader: BatchLoader) -> Ragged:
    """Each sequence through encoder and decoder; scaled values."""
    batches = ((indices, model(loader.load(indices))) for indices in ordered_batches(loader.lengths))
    return _collect(batches, loss, loader.lengths, model.decoder.n_channels)


@torch.no_grad()
def losses_of(model: Autoencoder, loss: Loss, loader: BatchLoader) -> Iterator[tuple[np.ndarray, Ragged]]:
    """For each batch its indices, and the loss of every value (n_steps, n_channels), NaN where not observed."""
    for indices in ordered_batches(loader.lengths):
        batch = loader.load(indices)
        values = loss.of_values(model(batch).values, batch.values)
        if batch.observed is not None:
            values = torch.where(batch.observed, values, torch.nan)
        yield indices, Ragged.view(values.cpu().numpy(), batch.starts, batch.lengths)


def _collect(batches: Iterator[tuple[np.ndarray, Ragged]], loss: Loss, lengths: np.ndarray, n_channels: int) -> Ragged:
    """All batches' steps in the order of the sequences, back to back."""
    result = Ragged.view(np.empty((int(lengths.sum()), n_channels), np.float32), starts_of(lengths), lengths)
    for indices, predictions in batches:
        result.values[result[indices].step_indices()] = loss.to_data(predictions.values).cpu().numpy()
    return result


def sums_by_sequence(
    batches: Iterator[tuple[np.ndarray, Ragged]], n_sequences: int, n_channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count of the observed losses of each sequence and channel. Both: (n_sequences, n_channels)."""
    sums = np.empty((n_sequences, n_channels))
    counts = np.empty((n_sequences, n_channels), np.int64)
    for indices, losses in batches:
        values = losses.values.astype(np.float64)
        is_observed = ~np.isnan(values)
        sums[indices] = np.add.reduceat(np.where(is_observed, values, 0.0), losses.starts)
        counts[indices] = np.add.reduceat(is_observed, losses.starts, dtype=np.int64)
    return sums, counts


def by_step(batches: Iterator[tuple[np.ndarray, Ragged]], lengths: np.ndarray, *, n_columns: int) -> Ragged:
    """Losses of all steps in the order of the sequences, float32; n_columns 1 averages each step's observed values."""
    result = Ragged.view(np.empty((int(lengths.sum()), n_columns), np.float32), starts_of(lengths), lengths)
    for indices, losses in batches:
        rows = result[indices].step_indices()
        result.values[rows] = losses.values if n_columns == losses.n_channels else _observed_mean(losses.values)
    return result


def _observed_mean(values: np.ndarray) -> np.ndarray:
    """values: (n_steps, n_channels), NaN where not observed. Returns (n_steps, 1)."""
    is_observed = ~np.isnan(values)
    counts = is_observed.sum(axis=1, keepdims=True)
    sums = np.where(is_observed, values, 0).sum(axis=1, keepdims=True, dtype=np.float64)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
