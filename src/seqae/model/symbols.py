"""Sequences of symbols: embedding them, and a decoder that tells the next one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..recurrence import Cell, Constant, linear, recur_symbols
from ..sequences.ragged import Ragged, back_to_back
from .architecture import Architecture
from .conditioning import Conditioning
from .draw import Draw
from .interface import Decoder
from .layer import LinearMap, RecurrentLayer
from .losses import Loss
from .rows import in_reverse, shifted_symbols, with_values
from .stack import layers, run

CHUNK_LOGITS = 1 << 24


class Embedding(nn.Module):
    """A vector for each symbol; number n_symbols stands for the start of a sequence and for a dropped step."""

    def __init__(self, n_symbols: int, size: int) -> None:
        super().__init__()
        self.n_symbols = n_symbols
        self.weight = nn.Parameter(torch.zeros(n_symbols + 1, size, dtype=torch.float32))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Normal with unit length on average."""
        self.weight.normal_(0, 1 / math.sqrt(self.weight.shape[1]), generator=generator)

    def forward(self, sequences: Ragged) -> Ragged:
        """sequences: tokens. Returns values (n_rows, size)."""
        return with_values(sequences, self.weight.index_select(0, sequences.values.long()))


class SymbolDecoder(Decoder):
    """A stack of recurrent layers that starts from the latent vector, and a softmax over the symbols of each step.

    sizes: units of each layer.
    """

    writes_tokens = True

    def __init__(
        self,
        architecture: Architecture,
        cell: Cell,
        sizes: Sequence[int],
        *,
        latent_size: int,
        n_symbols: int,
        n_steps: int | None = None,
    ) -> None:
        super().__init__()
        self.n_channels, self.n_symbols = 1, n_symbols
        self._architecture, self._cell = architecture, cell
        self.conditioning = Conditioning(architecture, cell, sizes, latent_size, n_steps)
        is_fed = architecture.feedback != "none"
        self.embedding = Embedding(n_symbols, architecture.embedding_size or 1) if is_fed else None
        input_size = (architecture.embedding_size or 1) if is_fed else self.conditioning.input_size
        self.layers = layers(cell, input_size, sizes)
        self.head = LinearMap(sizes[-1], n_symbols)

    def forward(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """The likeliest symbol at each step; a decoder that reads the one before reads its own."""
        states = self.conditioning.states(latent)
        if self.embedding is None:
            symbols = self._likeliest(run(self._stack, self.conditioning.inputs(latent, lengths), states))
        else:
            weights = [layer.weights for layer in self._stack]
            first = torch.full((len(lengths),), self.n_symbols, device=latent.device)
            symbols = recur_symbols(
                self._cell, first, lengths, weights, states or [], self.head.readout, self.embedding.weight
            )
        return in_reverse(symbols) if self._architecture.is_reversed else symbols

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """The likeliest symbol at each step, given the true one before."""
        symbols = self._likeliest(self._hidden(latent, self._in_order(target), draw))
        return self._in_order(symbols)

    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """Mean cross-entropy given the true symbols before, reduced as `loss` says. Returns a scalar."""
        wanted = self._in_order(target)
        hidden = self._hidden(latent, wanted, draw)
        if draw is not None and self.n_symbols > self._architecture.sampled_symbols:
            losses = self._sampled_losses(hidden.values, wanted.values.long(), draw)
        else:
            losses = self._losses(hidden.values, wanted.values.long())
        return loss.mean_of_steps(losses, wanted.lengths)

    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """Cross-entropy of each step given the true symbols before, (n_steps, 1).

        Symbol n_symbols is one that was never seen: it counts as the one that is least likely at its step.
        """
        wanted = self._in_order(target)
        hidden, symbols = self._hidden(latent, wanted, None).values, wanted.values.long()
        is_unknown = symbols >= self.n_symbols
        losses = self._losses(hidden, symbols.masked_fill(is_unknown, 0))
        if is_unknown.any():
            losses[is_unknown] = self._greatest_losses(hidden[is_unknown])
        return self._in_order(with_values(wanted, losses)).values[:, None]

    def _in_order(self, sequences: Ragged) -> Ragged:
        return in_reverse(sequences) if self._architecture.is_reversed else sequences

    def _hidden(self, latent: Tensor, target: Ragged, draw: Draw | None) -> Ragged:
        """The top layer's outputs, reading the true symbols where the decoder reads any."""
        if self.embedding is None:
            return self._run(self.conditioning.inputs(latent, target.lengths), latent, draw)
        plan = self._architecture
        previous = shifted_symbols(target, self.n_symbols)
        if draw is not None and plan.feedback == "scheduled":
            guessed = self._likeliest(self._run(self.embedding(previous), latent, draw))
            is_true = draw.kept((len(target.values),), draw.progress, latent).bool()
            mixed = with_values(target, torch.where(is_true, target.values, guessed.values))
            previous = shifted_symbols(mixed, self.n_symbols)
        if draw is not None and plan.dropped_feedback > 0:
            is_kept = draw.kept((len(target.values),), plan.dropped_feedback, latent).bool()
            previous = with_values(previous, torch.where(is_kept, previous.values, self.n_symbols))
        return self._run(self.embedding(previous), latent, draw)

    def _run(self, inputs: Ragged | Constant, latent: Tensor, draw: Draw | None) -> Ragged:
        states, dropout = self.conditioning.states(latent), self._architecture.dropout
        return run(self._stack, inputs, states, dropout=dropout, draw=draw)

    @torch.no_grad()
    def _likeliest(self, hidden: Ragged) -> Ragged:
        parts = [self.head(chunk).argmax(dim=1) for chunk in self._chunks(hidden.values)]
        return back_to_back(torch.cat(parts).int(), hidden.lengths)

    def _losses(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Exact cross-entropy of each step, (n_steps,); some steps at a time."""
        parts = zip(self._chunks(hidden), self._chunks(wanted), strict=True)
        return torch.cat([functional.cross_entropy(self.head(h), w, reduction="none") for h, w in parts])

    def _greatest_losses(self, hidden: Tensor) -> Tensor:
        """Cross-entropy of the least likely symbol of each step, (n_steps,)."""
        parts = [self.head(chunk) for chunk in self._chunks(hidden)]
        return torch.cat([torch.logsumexp(logits, dim=1) - logits.amin(dim=1) for logits in parts])

    def _sampled_losses(self, hidden: Tensor, wanted: Tensor, draw: Draw) -> Tensor:
        """Cross-entropy against a uniform sample of wrong symbols (Jean et al. 2015, 1412.2007), (n_steps,).

        The sampled terms stand for all wrong symbols: each weighs (n_symbols - 1) / n_sampled.
        """
        sample = draw.integers(self.n_symbols, self._architecture.sampled_symbols).to(hidden.device)
        own = (hidden * self.head.weight.index_select(0, wanted)).sum(1) + self.head.bias.index_select(0, wanted)
        others = linear(hidden, self.head.weight.index_select(0, sample), self.head.bias.index_select(0, sample))
        others = others + math.log((self.n_symbols - 1) / len(sample))
        others = others.masked_fill(sample[None] == wanted[:, None], -torch.inf)
        return torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own

    def _chunks(self, values: Tensor) -> tuple[Tensor, ...]:
        return values.split(max(1, CHUNK_LOGITS // self.n_symbols))

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [[layer] for layer in self._stack]

    @property
    def _stack(self) -> list[RecurrentLayer]:
        return list(self.layers)  # pyright: ignore[reportReturnType]
