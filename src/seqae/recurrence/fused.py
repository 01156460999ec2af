"""What a training step needs around the recurrence, in plain PyTorch: gather, loss, optimiser step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..sequences.ragged import Ragged, starts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda prediction, target: (prediction - target) ** 2,
    "mae": lambda prediction, target: (prediction - target).abs(),
    "huber": lambda prediction, target: functional.huber_loss(prediction, target, reduction="none"),
    "bce": lambda prediction, target: functional.binary_cross_entropy_with_logits(prediction, target, reduction="none"),
}
"""Loss of each value by name; huber has delta 1, bce takes logits."""


BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's, as its paper has them."""


@dataclass(slots=True)
class AdamState:
    """Running moments of a flat parameter vector (Kingma & Ba 2015). first, second: (n_parameters,)."""

    first: Tensor
    second: Tensor
    n_updates: int = 0


def gather(sequences: Ragged, centre: Tensor, scale: Tensor) -> Ragged:
    """The sequences back to back, scaled: (values - centre) / scale; what was not observed is 0.

    centre, scale: (n_channels,).
    """
    rows = torch.from_numpy(sequences.step_indices())
    values = (sequences.values[rows] - centre) / scale
    observed = None if sequences.observed is None else sequences.observed[rows]
    if observed is not None:
        values = torch.where(observed, values, values.new_zeros(()))
    return Ragged.view(values, starts_of(sequences.lengths), sequences.lengths, observed)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """y = weight x + bias, plus each row's amount times a direction.

    x: (n, input_size); weight: (output_size, input_size); along: amounts (n, 1) and direction (output_size,).
    Returns (n, output_size).
    """
    y = functional.linear(x, weight, bias)
    return y if along is None else y + along[0] * along[1]


def join(parts: Sequence[Tensor]) -> Tensor:
    """Matrices of as many rows, side by side."""
    return torch.cat(list(parts), dim=1)


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """The sum of weight times scalar."""
    return torch.stack([weight * term for weight, term in terms]).sum()


def usual_lengths(lengths: np.ndarray, mean: float, unit: float, highest: float, like: Tensor) -> Tensor:
    """(min(length, highest) - mean) / unit, (n_sequences, 1), of the dtype and on the device of `like`."""
    return torch.from_numpy((np.minimum(lengths, highest) - mean) / unit).to(like)[:, None]


def attend(queries: Ragged, memory: Ragged) -> Tensor:
    """c(t) = sum over s of softmax_s(m(s) . q(t) / sqrt(size)) m(s), one sequence after the other.

    queries: values (n_steps, size); memory: values (n_memory_steps, size), both back to back. Returns (n_steps, size).
    """
    scale = memory.values.shape[1] ** -0.5
    parts = (part.values.split(part.lengths.tolist()) for part in (queries, memory))
    return torch.cat([torch.softmax(scale * q @ kept.T, dim=1) @ kept for q, kept in zip(*parts, strict=True)])


def mean_loss(kind: str, prediction: Ragged, target: Ragged, *, per_sequence: bool) -> Tensor:
    """The mean loss of all observed values, or the mean over sequences of each one's mean. Returns a scalar.

    prediction, target: back to back, values (n_steps, n_channels). A sequence without an observed value counts as 0.
    """
    losses = VALUE_LOSSES[kind](prediction.values, target.values)
    if target.observed is not None:
        losses = torch.where(target.observed, losses, losses.new_zeros(()))
    if not per_sequence:
        n_values = losses.numel() if target.observed is None else int(target.observed.sum())
        return losses.sum() / max(n_values, 1)
    counts = torch.from_numpy(observed_counts(target)).to(losses)
    of_steps = torch.repeat_interleave(1 / counts.clamp(min=1), torch.from_numpy(target.lengths).to(losses.device))
    return (losses.sum(dim=1) * of_steps).sum() / len(target)


def observed_counts(sequences: Ragged) -> np.ndarray:
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
    """One Adam update in place (Kingma & Ba 2015, algorithm 1).

    parameters, gradient: flat (n_parameters,); the gradient is scaled down to max_norm first. Returns its norm before
    that; where it is not finite, nothing is updated.
    """
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
