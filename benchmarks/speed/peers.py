"""The peers in torch, as good users write them: one training epoch, one embedding, one decoding each.

The model is always the same: LSTM -> last hidden state, repeated -> LSTM -> dense, mean squared error, Adam.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_sequence

from seqae.training.batching import shuffled_batches


class TorchAutoencoder(nn.Module):
    """nn.LSTM, repeat, nn.LSTM, nn.Linear."""

    def __init__(self, n_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(n_channels, hidden_size, batch_first=True)
        self.decoder = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, n_channels)


class TorchTrainer:
    """Trains a TorchAutoencoder with seqae's optimiser settings, in torch's fastest form."""

    def __init__(self, sequences: Sequence[Tensor], hidden_size: int, batch_size: int) -> None:
        self.sequences = sequences
        self.lengths = np.array([len(sequence) for sequence in sequences])
        self.batch_size = batch_size
        self.model = TorchAutoencoder(sequences[0].shape[1], hidden_size)
        self.optimiser = torch.optim.Adam(self.model.parameters(), fused=True)

    def step(self, loss: Tensor) -> None:
        """One update."""
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimiser.step()

    def batches(self, epoch: int) -> Iterator[list[Tensor]]:
        """Length-bucketed batches, as seqae makes them."""
        for indices in shuffled_batches(self.lengths, self.batch_size, seed=0, epoch=epoch):
            yield [self.sequences[i] for i in indices]


def equal_epoch(trainer: TorchTrainer, epoch: int) -> None:
    """Sequences of one length, stacked: nothing to pad or mask."""
    for batch in trainer.batches(epoch):
        x = torch.stack(batch)
        _, (h, _) = trainer.model.encoder(x)
        hidden, _ = trainer.model.decoder(h[0][:, None].expand(-1, x.shape[1], -1))
        trainer.step(nn.functional.mse_loss(trainer.model.head(hidden), x))


def padded_epoch(trainer: TorchTrainer, epoch: int) -> None:
    """Sequences of many lengths, padded, the last real state gathered, the loss masked."""
    for batch in trainer.batches(epoch):
        x = pad_sequence(batch, batch_first=True)
        lengths = torch.tensor([len(sequence) for sequence in batch])
        states, _ = trainer.model.encoder(x)
        last = states[torch.arange(len(batch)), lengths - 1]
        hidden, _ = trainer.model.decoder(last[:, None].expand(-1, x.shape[1], -1))
        is_data = torch.arange(x.shape[1]) < lengths[:, None]
        errors = ((trainer.model.head(hidden) - x) ** 2).mean(dim=2) * is_data
        trainer.step(errors.sum() / lengths.sum())


def packed_epoch(trainer: TorchTrainer, epoch: int) -> None:
    """Sequences of many lengths as torch's packed sequences: exact, without padding."""
    for batch in trainer.batches(epoch):
        x = pack_sequence(batch, enforce_sorted=False)
        lengths = torch.tensor([len(sequence) for sequence in batch])
        _, (h, _) = trainer.model.encoder(x)
        repeated = h[0][:, None].expand(-1, int(lengths.max()), -1)
        z = pack_padded_sequence(repeated, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = trainer.model.decoder(z)
        trainer.step(nn.functional.mse_loss(trainer.model.head(hidden.data), x.data))


@torch.no_grad()
def embed(encoder: nn.LSTM, x: Tensor, batch_size: int = 256) -> Tensor:
    """The last hidden states of sequences of one length. x: (n_sequences, n_steps, n_channels)."""
    return torch.cat([encoder(part)[1][0][0] for part in x.split(batch_size)])


@torch.no_grad()
def free_running(
    cell: nn.LSTMCell, head: nn.Linear, first: Tensor, state: tuple[Tensor, Tensor], n_steps: int
) -> Tensor:
    """The LSTMCell loop of the tutorials. Returns (n_sequences, n_steps, n_channels)."""
    x, outputs = first, []
    for _ in range(n_steps):
        state = cell(x, state)
        x = head(state[0])
        outputs.append(x)
    return torch.stack(outputs, dim=1)
