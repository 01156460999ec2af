"""Operations around the recurrence in plain PyTorch: scaling, linear maps, attention, losses, optimiser step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...sequences.ragged import Ragged, starts_of
from ..cells import BETAS, EPSILON, AdamState

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda prediction, target: (prediction - target) ** 2,
    "mae": lambda prediction, target: (prediction - target).abs(),
    "huber": lambda prediction, target: functional.huber_loss(prediction, target, reduction="none"),
    "bce": lambda prediction, target: functional.binary_cross_entropy_with_logits(prediction, target, reduction="none"),
}
"""Loss of each value by name; huber has delta 1, bce takes logits."""


def gather(sequences: Ragged, centre: Tensor, scale: Tensor) -> Ragged:
    """See Backend.gather."""
    rows = torch.from_numpy(sequences.step_indices())
    values = (sequences.values[rows] - centre) / scale
    observed = None if sequences.observed is None else sequences.observed[rows]
    if observed is not None:
        values = torch.where(observed, values, values.new_zeros(()))
    return Ragged.view(values, starts_of(sequences.lengths), sequences.lengths, observed)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """See Backend.linear."""
    y = functional.linear(x, weight, bias)
    return y if along is None else y + along[0] * along[1]


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """See Backend.concatenate."""
    return torch.cat(list(parts), dim=1)


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """See Backend.weighted_sum."""
    return torch.stack([weight * term for weight, term in terms]).sum()


def standardised_lengths(lengths: np.ndarray, mean: float, unit: float, longest: float, like: Tensor) -> Tensor:
    """See Backend.standardised_lengths."""
    return torch.from_numpy((np.minimum(lengths, longest) - mean) / unit).to(like)[:, None]


def attend(queries: Ragged, memory: Ragged) -> Tensor:
    """See Backend.attend."""
    scale = memory.values.shape[1] ** -0.5
    parts = (part.values.split(part.lengths.tolist()) for part in (queries, memory))
    return torch.cat([torch.softmax(scale * q @ kept.T, dim=1) @ kept for q, kept in zip(*parts, strict=True)])


def mean_loss(kind: str, prediction: Ragged, target: Ragged, *, per_sequence: bool) -> Tensor:
    """See Backend.mean_loss."""
    losses = VALUE_LOSSES[kind](prediction.values, target.values)
    if target.observed is not None:
        losses = torch.where(target.observed, losses, losses.new_zeros(()))
    if not per_sequence:
        n_values = losses.numel() if target.observed is None else int(target.observed.sum())
        return losses.sum() / max(n_values, 1)
    counts = torch.from_numpy(_observed_counts(target)).to(losses)
    of_steps = torch.repeat_interleave(1 / counts.clamp(min=1), torch.from_numpy(target.lengths).to(losses.device))
    return (losses.sum(dim=1) * of_steps).sum() / len(target)


def _observed_counts(sequences: Ragged) -> np.ndarray:
    """Observed values of each sequence. sequences: back to back. Returns (n_sequences,) int64."""
    if sequences.observed is None:
        return sequences.lengths * sequences.n_channels
    per_step = np.asarray(sequences.observed.sum(1).cpu())
    ends = np.cumsum(np.concatenate([[0], per_step]))
    return ends[sequences.starts + sequences.lengths] - ends[sequences.starts]


def adam_step(
    parameters: Tensor,
    gradient: Tensor,
    state: AdamState,
    *,
    learning_rate: float,
    max_norm: float | None = None,
) -> float:
    """See Backend.adam_step."""
    norm = float(torch.linalg.vector_norm(gradient))
    if not np.isfinite(norm):
        return norm
    if max_norm is not None and norm > max_norm:
        gradient = gradient * (max_norm / norm)
    state.n_updates += 1
    state.first.lerp_(gradient, 1 - BETAS[0])
    state.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    corrections = [1 - beta**state.n_updates for beta in BETAS]
    denominator = (state.second / corrections[1]).sqrt_().add_(EPSILON)
    parameters.addcdiv_(state.first, denominator, value=-learning_rate / corrections[0])
    return norm
