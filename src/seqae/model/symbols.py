"""Latent vectors to sequences of tokens: a decoder with a softmax."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..recurrence import Constant, linear, recur_symbols
from ..sequences.ragged import Ragged, back_to_back
from .architecture import Feedback
from .interface import Decoder, TrainingData
from .layers import Draw, Embedding, LinearMap, RecurrentLayer, run
from .losses import Loss
from .recurrent import Conditioning, taught
from .rows import in_reverse, shifted_symbols, with_values

CHUNK_LOGITS = 1 << 24


class SymbolDecoder(Decoder):
    """Recurrent layers conditioned on the latent vector, and a softmax over tokens at each step.

    conditioning: of the layers on the vector. layers: see layers(). head: the logits. embedding: of the token before;
    feedback: the true token or its own; None for both if the layers read no tokens. n_sampled: for larger
    vocabularies, the number of sampled wrong tokens in training. is_reversed: whether the last step comes first.
    """

    writes_tokens = True

    def __init__(
        self,
        conditioning: Conditioning,
        layers: nn.ModuleList,
        head: LinearMap,
        *,
        n_symbols: int,
        n_sampled: int,
        embedding: Embedding | None = None,
        feedback: Feedback | None = None,
        is_reversed: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_channels, self.n_symbols = 1, n_symbols
        self.conditioning, self.embedding, self.layers, self.head = conditioning, embedding, layers, head
        self._feedback, self._n_sampled, self._is_reversed = feedback, n_sampled, is_reversed
        self._dropout = dropout

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """The most likely token at each step; an autoregressive decoder runs free."""
        states = self.conditioning.states(latent)
        if self.embedding is None:
            symbols = self._likeliest(run(self._stack, self.conditioning.inputs(latent, lengths), states))
        else:
            cell, weights = self._stack[0].cell, [layer.weights for layer in self._stack]
            first = torch.full((len(lengths),), self.n_symbols, device=latent.device)
            symbols = recur_symbols(
                cell, first, lengths, weights, states or [], self.head.readout, self.embedding.weight
            )
        return self._in_order(symbols)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [[layer] for layer in self._stack]

    def fit_closed_form(self, data: TrainingData) -> None:
        """Nothing; see Part.fit_closed_form."""

    def loss(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss, draw: Draw | None) -> Tensor:
        """Mean cross-entropy given the true tokens before, reduced by `loss`. Returns a scalar."""
        wanted = self._in_order(target)
        hidden = self._hidden(latent, wanted, draw)
        if draw is not None and self.n_symbols > self._n_sampled:
            losses = self._sampled_losses(hidden.values, wanted.values.long(), draw)
        else:
            losses = self._losses(hidden.values, wanted.values.long())
        return loss.mean_of_steps(losses, wanted.lengths)

    def losses(self, latent: Tensor, target: Ragged, memory: Ragged | None, loss: Loss) -> Tensor:
        """Cross-entropy of each step given the true tokens before, (n_steps, 1).

        Token n_symbols stands for an unknown symbol: its cross-entropy is that of the least likely token.
        """
        wanted = self._in_order(target)
        hidden, symbols = self._hidden(latent, wanted, None).values, wanted.values.long()
        is_unknown = symbols >= self.n_symbols
        losses = self._losses(hidden, symbols.masked_fill(is_unknown, 0))
        if is_unknown.any():
            losses[is_unknown] = self._greatest_losses(hidden[is_unknown])
        return self._in_order(with_values(wanted, losses)).values[:, None]

    def _in_order(self, sequences: Ragged) -> Ragged:
        return in_reverse(sequences) if self._is_reversed else sequences

    def _hidden(self, latent: Tensor, target: Ragged, draw: Draw | None) -> Ragged:
        """The top layer's outputs, by teacher forcing if the decoder is autoregressive."""
        if self._feedback is None:
            return self._run(self.conditioning.inputs(latent, target.lengths), latent, draw)

        def read(symbols: Ragged) -> Ragged:
            return self._run(self._before(symbols, latent, draw), latent, draw)

        return taught(self._feedback, target, draw, read, self._likeliest)

    def _before(self, symbols: Ragged, latent: Tensor, draw: Draw | None) -> Ragged:
        """The embedding of the token before each; that of the start if there is none or it is dropped in training."""
        if self.embedding is None or self._feedback is None:
            return symbols
        previous = shifted_symbols(symbols, self.n_symbols)
        if draw is not None and self._feedback.dropped > 0:
            is_kept = draw.kept((len(symbols.values),), self._feedback.dropped, latent).bool()
            previous = with_values(previous, torch.where(is_kept, previous.values, self.n_symbols))
        return self.embedding(previous)

    def _run(self, inputs: Ragged | Constant, latent: Tensor, draw: Draw | None) -> Ragged:
        states = self.conditioning.states(latent)
        return run(self._stack, inputs, states, dropout=self._dropout, draw=draw)

    @torch.no_grad()
    def _likeliest(self, hidden: Ragged) -> Ragged:
        parts = [self.head(chunk).argmax(dim=1) for chunk in self._chunks(hidden.values)]
        return back_to_back(torch.cat(parts).int(), hidden.lengths)

    def _losses(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Exact cross-entropy of each step, (n_steps,); some steps at a time."""
        parts = zip(self._chunks(hidden), self._chunks(wanted), strict=True)
        return torch.cat([functional.cross_entropy(self.head(h), w, reduction="none") for h, w in parts])

    def _greatest_losses(self, hidden: Tensor) -> Tensor:
        """Cross-entropy of the least likely token at each step, (n_steps,)."""
        parts = [self.head(chunk) for chunk in self._chunks(hidden)]
        return torch.cat([torch.logsumexp(logits, dim=1) - logits.amin(dim=1) for logits in parts])

    def _sampled_losses(self, hidden: Tensor, wanted: Tensor, draw: Draw) -> Tensor:
        """Cross-entropy with a uniform sample of wrong tokens (Jean et al. 2015, 1412.2007), (n_steps,).

        The sampled terms represent all wrong tokens: each has weight (n_symbols - 1) / n_sampled.
        """
        sample = draw.integers(self.n_symbols, self._n_sampled).to(hidden.device)
        own = (hidden * self.head.weight.index_select(0, wanted)).sum(1) + self.head.bias.index_select(0, wanted)
        others = linear(hidden, self.head.weight.index_select(0, sample), self.head.bias.index_select(0, sample))
        others = others + math.log((self.n_symbols - 1) / len(sample))
        others = others.masked_fill(sample[None] == wanted[:, None], -torch.inf)
        return torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own

    def _chunks(self, values: Tensor) -> tuple[Tensor, ...]:
        return values.split(max(1, CHUNK_LOGITS // self.n_symbols))

    @property
    def _stack(self) -> list[RecurrentLayer]:
        return list(self.layers)  # pyright: ignore[reportReturnType]
