"""Apply a trained model to whole data sets, batch by batch; rows are in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .errors import InvalidParameter, InvalidSequence
from .model.autoencoder import Autoencoder
from .model.interface import Decoder, Encoder
from .model.losses import Loss
from .parameters import check_choice
from .recurrence import kernel_first
from .sequences.checks import to_numpy
from .sequences.ragged import Ragged, as_ragged, back_to_back, owners_of, starts_of
from .sequences.scaling import divided, known_sums
from .training.batching import BatchLoader, ordered_batches


@kernel_first()
@torch.no_grad()
def encode(encoder: Encoder, loader: BatchLoader, latent_size: int) -> np.ndarray:
    """Latent vectors of all sequences. Returns (n_sequences, latent_size) float32.

    This and the functions below raise InvalidSequence naming the first sequence whose result is not finite.
    """
    vectors = np.empty((len(loader), latent_size), np.float32)
    for indices in ordered_batches(loader.lengths):
        vectors[indices] = encoder(loader.load(indices)).cpu().numpy()
    _check_finite(vectors, np.arange(len(vectors)), np.ones(len(vectors), np.int64), "vector")
    return vectors


@kernel_first()
@torch.no_grad()
def encode_steps(encoder: Encoder, loader: BatchLoader) -> Ragged:
    """See Encoder.states_of_steps, of all sequences; float32, back to back."""
    values, result = np.zeros((0, 0), np.float32), back_to_back(np.zeros(0, np.float32), loader.lengths)
    for indices in ordered_batches(loader.lengths):
        found = encoder.states_of_steps(loader.load(indices))
        if not len(values):
            values = np.empty((int(loader.lengths.sum()), found.values.shape[1]), np.float32)
        values[result[indices].step_indices()] = found.values.cpu().numpy()
    _check_finite(values, np.arange(len(loader)), loader.lengths, "state")
    return back_to_back(values, loader.lengths)


def one_sequence(name: str, sequence: object) -> Ragged | list[object]:
    """A sequence as a data set of one; a data set must contain one. Raises InvalidParameter."""
    ragged = as_ragged(sequence)
    if ragged is None:
        return [sequence]
    if len(ragged) != 1:
        raise InvalidParameter(f"{name} must be one sequence, got {len(ragged)}", parameter=name)
    return ragged


@torch.no_grad()
def tell_lengths(model: Autoencoder, latent: np.ndarray) -> np.ndarray:
    """The lengths that the length head finds. latent: (n_sequences, latent_size). Returns (n_sequences,) int64."""
    head = model.require_length_head()
    return head.lengths(torch.from_numpy(latent).to(next(head.parameters()).device))


@kernel_first()
@torch.no_grad()
def decode(decoder: Decoder, loss: Loss, latent: np.ndarray, lengths: np.ndarray) -> Ragged:
    """A sequence of lengths[i] steps for each latent[i]. latent: (n_sequences, latent_size); scaled values."""
    device = next(decoder.parameters(), torch.empty(0)).device  # a closed form has none

    def batches() -> Iterator[tuple[np.ndarray, Ragged]]:
        for indices in ordered_batches(lengths):
            vectors = torch.from_numpy(latent[indices]).to(device)
            yield indices, decoder(vectors, lengths[indices])

    return _collect(batches(), loss, lengths, decoder)


@kernel_first()
@torch.no_grad()
def reconstruct(model: Autoencoder, loss: Loss, loader: BatchLoader) -> Ragged:
    """Each sequence through encoder and decoder; scaled values."""
    batches = ((indices, model(loader.load(indices))) for indices in ordered_batches(loader.lengths))
    return _collect(batches, loss, loader.lengths, model.reconstructor)


def filled(sequences: Ragged, reconstruction: Ragged, usual: np.ndarray) -> Ragged:
    """The sequences, back to back, with the reconstruction where a value was not observed.

    usual: (n_channels,), for sequences of which nothing was observed.
    """
    compact = sequences.compact()
    values, observed = to_numpy(compact.values), to_numpy(compact.observed)
    is_seen = np.logical_or.reduceat(observed.any(axis=1), compact.starts)
    told = np.where(is_seen[compact.owners()][:, None], reconstruction.values, usual)
    return back_to_back(np.where(observed, values, told).astype(values.dtype, copy=False), compact.lengths)


@torch.no_grad()
def losses_of(model: Autoencoder, loss: Loss, loader: BatchLoader) -> Iterator[tuple[np.ndarray, Ragged]]:
    """For each batch, its indices and the loss of every value, (n_steps, n_channels), NaN where not observed.

    A decoder of tokens is taught: it reads the true tokens. Other decoders reconstruct from the vector.
    """
    with kernel_first():
        for indices in ordered_batches(loader.lengths):
            batch = loader.load(indices)
            code = model.encoder.encode(batch)
            yield indices, _losses(model.reconstructor, loss, code.latent, batch, indices, code.memory)


@kernel_first()
@torch.no_grad()
def predict(model: Autoencoder, loss: Loss, loader: BatchLoader, n_steps: int) -> Ragged:
    """The n_steps steps after each sequence; scaled values. The model must have a predictor."""
    predictor = model.require_predictor()
    lengths = np.full(len(loader), n_steps, np.int64)

    def batches() -> Iterator[tuple[np.ndarray, Ragged]]:
        for indices in ordered_batches(np.maximum(loader.lengths, n_steps)):
            batch = loader.load(indices)
            yield indices, predictor(model.encoder.encode(batch).latent, lengths[indices])

    return _collect(batches(), loss, lengths, predictor)


@torch.no_grad()
def prediction_losses_of(model: Autoencoder, loss: Loss, loader: BatchLoader) -> Iterator[tuple[np.ndarray, Ragged]]:
    """As losses_of(), but for predictions of the steps that training holds back, the preceding steps first."""
    with kernel_first():
        for indices in ordered_batches(loader.lengths):
            batch = loader.load(indices)
            latent = model.encoder.encode(model.source(batch)).latent
            parts = [_losses(decoder, loss, latent, target, indices) for decoder, target in model.held_back(batch)]
            yield indices, _one_after_the_other(parts)


def _losses(
    decoder: Decoder,
    loss: Loss,
    latent: torch.Tensor,
    target: Ragged,
    indices: np.ndarray,
    memory: Ragged | None = None,
) -> Ragged:
    """Of the sequences with these indices; NaN says that a value is missing, and nothing else."""
    values = decoder.losses(latent, target, memory, loss)
    known = values if target.observed is None else torch.where(target.observed, values, 0)
    _check_finite(known.cpu().numpy(), indices, target.lengths, "error")
    if target.observed is not None:
        values = torch.where(target.observed, values, torch.nan)
    return Ragged.view(values.cpu().numpy(), target.starts, target.lengths)


def _check_finite(values: np.ndarray, indices: np.ndarray, lengths: np.ndarray, result: str) -> None:
    """Raise InvalidSequence naming the first sequence that has a value that is not finite.

    values: (n_rows, n_columns), back to back; indices, lengths: (n_sequences,), of the sequences that rows belong to.
    """
    if not np.isfinite(values).all():
        first = indices[owners_of(lengths)[~np.isfinite(values).all(axis=1)]].min()
        raise InvalidSequence(
            f"sequence {first}: its {result} is not finite, because its values or the model's weights are too large "
            "for float32; compare the data with those of fit(), or fit the model again"
        )


def _one_after_the_other(parts: list[Ragged]) -> Ragged:
    """Join parts sequence by sequence. Each part: back to back, all sequences of one length."""
    n_sequences, n_channels = len(parts[0]), parts[0].n_channels
    values = np.concatenate([part.values.reshape(n_sequences, -1, n_channels) for part in parts], axis=1)
    lengths = np.full(n_sequences, values.shape[1], np.int64)
    return back_to_back(values.reshape(-1, n_channels), lengths)


def _collect(batches: Iterator[tuple[np.ndarray, Ragged]], loss: Loss, lengths: np.ndarray, decoder: Decoder) -> Ragged:
    """The steps of all batches in the order of the sequences, back to back."""
    n_steps = int(lengths.sum())
    shape = (n_steps,) if decoder.writes_tokens else (n_steps, decoder.n_channels)
    values = np.empty(shape, np.int32 if decoder.writes_tokens else np.float32)
    result = back_to_back(values, lengths)
    for indices, predictions in batches:
        written = loss.to_data(predictions.values).cpu().numpy()
        if not decoder.writes_tokens:
            _check_finite(written, indices, predictions.lengths, "decoded sequence")
        result.values[result[indices].step_indices()] = written
    return result


def reduced(
    batches: Iterator[tuple[np.ndarray, Ragged]], lengths: np.ndarray, n_channels: int, per: str
) -> np.ndarray | Ragged:
    """The mean loss of observed values, per sequence, step, channel or value; NaN where nothing was observed.

    lengths: (n_sequences,), of the sequences. See SequenceAutoencoder.reconstruction_error.
    """
    check_choice("per", per, ("sequence", "step", "channel", "value"))
    if per in ("step", "value"):
        return by_step(batches, lengths, n_columns=1 if per == "step" else n_channels)
    sums, counts = sums_by_sequence(batches, len(lengths), n_channels)
    if per == "sequence":
        sums, counts = sums.sum(axis=1), counts.sum(axis=1)
    return divided(sums, counts)


def sums_by_sequence(
    batches: Iterator[tuple[np.ndarray, Ragged]], n_sequences: int, n_channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count of the observed losses of each sequence and channel. Both: (n_sequences, n_channels)."""
    sums = np.empty((n_sequences, n_channels))
    counts = np.empty((n_sequences, n_channels), np.int64)
    for indices, losses in batches:
        sums[indices], counts[indices] = known_sums(losses.values, losses.lengths)
    return sums, counts


def by_step(batches: Iterator[tuple[np.ndarray, Ragged]], lengths: np.ndarray, *, n_columns: int) -> Ragged:
    """Losses of all steps in the order of the sequences, float32; n_columns=1 averages observed values."""
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
    return divided(sums, counts)
