"""The autoregressive decoder of a chain, with teacher forcing or free running."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InvalidParameter
from ...recurrence import Readout, State, recur_feedback, recur_symbols
from ...sequences.ragged import Ragged, back_to_back
from ..interface import TrainingData, ValueDecoder
from ..layers import Draw, RecurrentLayer
from ..rows import shifted, shifted_symbols
from .links import Chain, Flow, Handover
from .plan import ChainLayer


class FeedbackChainDecoder(ValueDecoder):
    """Recurrent layers that start from the vector, and dense layers to a step or a softmax over tokens.

    With a softmax, its own step is the most likely token, embedded or one-hot.
    start: the input of the first step, (n_channels,) or one token; zeros unless it is set.
    """

    def __init__(
        self,
        specs: Sequence[ChainLayer],
        *,
        feedback: str,
        handover: Handover,
        n_channels: int,
        n_symbols: int | None = None,
    ) -> None:
        super().__init__()
        unfit = unfit_for_feedback(specs)
        if unfit is not None:
            raise InvalidParameter(f"the chain's layer {unfit[0]} after 'feedback' {unfit[1]}")
        self._handover, self._feedback, self._n_symbols = handover, feedback, n_symbols
        self.links = Chain(specs, n_channels, n_symbols)
        self.n_channels = self.links.output_size
        self._is_softmax = specs[-1].kind == "dense" and specs[-1].activation == "softmax"
        if n_symbols is not None and not self._is_softmax:
            raise InvalidParameter("a chain that reads its own tokens must end in a dense layer with softmax")
        if self.n_channels != (n_symbols or n_channels):
            raise InvalidParameter(f"the chain writes {self.n_channels} values a step, but reads {n_channels}")
        first = torch.zeros(n_channels, dtype=torch.float32) if n_symbols is None else torch.zeros(1, dtype=torch.int64)
        self.start = nn.Buffer(first)

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.decode."""
        if self._is_softmax:
            return self._reading(latent, self._symbols(latent, lengths), None)
        layers, states = self.recurrent_layers, self._states(latent)
        first = self.start.expand(len(lengths), self.n_channels).contiguous()
        weights = [layer.weights for (layer,) in layers]
        return recur_feedback(layers[0][0].cell, first, lengths, weights, states, self._readout())

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See ValueDecoder.taught."""
        return self.decode(latent, target.lengths) if self._feedback == "own" else self._reading(latent, target, draw)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return self.links.recurrent_layers

    def fit_closed_form(self, data: TrainingData) -> None:
        """Nothing; see Part.fit_closed_form."""

    def _reading(self, latent: Tensor, steps: Ragged, draw: Draw | None) -> Ragged:
        """Outputs of the layers that read the step before each of `steps`."""
        before = shifted_symbols(steps, int(self.start)) if steps.is_tokens else shifted(steps, self.start)
        flow = Flow(before.values, before.lengths, "steps", draw)
        return self.links.run(flow, self._handover.split(latent))[0].steps()

    def _symbols(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        """The most likely token at each step, free running: tokens, or one-hot steps."""
        if self.links.embeddings:
            first, table = self.start.expand(len(lengths)), self.links.embeddings[0].embedding.weight
        else:  # the embedding of a token is its one-hot step; the start is an additional row
            table = torch.cat([torch.eye(self.n_channels).to(self.start), self.start[None]])
            first = torch.full((len(lengths),), self.n_channels, device=latent.device)
        weights = [layer.weights for (layer,) in self.recurrent_layers]
        cell, states = self.recurrent_layers[0][0].cell, self._states(latent)
        symbols = recur_symbols(cell, first, lengths, weights, states, self._readout(), table)
        return symbols if self._n_symbols is not None else back_to_back(table[symbols.values.long()], symbols.lengths)

    def _states(self, latent: Tensor) -> list[State]:
        """The state of each recurrent layer before the first step."""
        given = self._handover.split(latent)
        return [
            given[k] if k in given else tuple(latent.new_zeros(len(latent), size) for size in link.state_sizes)
            for k, link in self.links.recurrent.items()
        ]

    def _readout(self) -> Readout:
        """All dense layers as one linear map; without any, the identity map."""
        weight = bias = None
        for link in self.links.dense:
            own = link.map.readout
            bias = own.bias if bias is None else own.weight @ bias + own.bias
            weight = own.weight if weight is None else own.weight @ weight
        if weight is None or bias is None:
            like = self.start
            return Readout(torch.eye(self.n_channels).to(like), like.new_zeros(self.n_channels))
        return Readout(weight, bias)


def unfit_for_feedback(specs: Sequence[ChainLayer]) -> tuple[int, str] | None:
    """The first layer that a free-running decoder cannot have, and why; None if there is none."""
    first = next((spec for spec in specs if spec.is_recurrent), None)
    if first is None:
        return 0, "is not recurrent, nor is any other"
    is_before, is_behind = True, False  # of the recurrent layers
    for k, spec in enumerate(specs):
        if spec.is_recurrent and is_behind:
            return k, "stands behind a dense layer"
        if spec.is_recurrent and (spec.kind, spec.activation) != (first.kind, first.activation):
            return k, f"differs in kind or activation from the {first.kind} before"
        if spec.is_recurrent and (spec.direction != "forward" or not spec.returns_steps):
            return k, "must run forward in time and give all its outputs"
        if spec.kind == "dense" and is_before:
            return k, "stands before the recurrent layers"
        if (
            spec.kind == "dense"
            and spec.activation != "linear"
            and (k < len(specs) - 1 or spec.activation != "softmax")
        ):
            return k, f"has activation {spec.activation!r}; what is read again must be linear, or a softmax at last"
        if not spec.is_recurrent and spec.kind not in ("dense", "dropout") and (spec.kind != "embedding" or k > 0):
            return k, f"is of kind {spec.kind!r}, which cannot stand there"
        is_before, is_behind = is_before and not spec.is_recurrent, is_behind or spec.kind == "dense"
    return None
