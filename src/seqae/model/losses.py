"""Losses of values, and their reduction over observed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import VALUE_LOSSES, mean_loss
from ..sequences.ragged import Ragged
from .plans import check_part

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a reconstruction.

    kind: "mse" squared error; "mae" absolute error; "huber" (Huber 1964, delta 1); "bce" binary cross-entropy, for data
        in 0..1, which is then not scaled; "cross_entropy" for tokens. The first three are in
        scaled units.
    per: "step" gives every observed value the same weight, so that long sequences count more; "sequence" gives every
        sequence the same weight.

    Raises InvalidParameter for any other kind or per.
    """

    kind: Literal["mse", "mae", "huber", "bce", "cross_entropy"] = "mse"
    per: Literal["step", "sequence"] = "step"

    def __post_init__(self) -> None:
        kinds = (*VALUE_LOSSES, "cross_entropy")
        if self.kind not in kinds:
            raise InvalidParameter(f"loss must be one of {', '.join(kinds)}, got {self.kind!r}", parameter="loss")
        if self.per not in ("step", "sequence"):
            raise InvalidParameter(f"Loss.per must be 'step' or 'sequence', got {self.per!r}")

    @property
    def takes_scaled(self) -> bool:
        """Whether targets are centred and scaled; probabilities are not."""
        return self.kind not in ("bce", "cross_entropy")

    def check_target(self, sequences: Ragged) -> None:
        """Raise InvalidSequence if the data do not suit the loss."""
        if sequences.is_tokens != (self.kind == "cross_entropy"):
            raise InvalidParameter(
                f"X holds {'tokens' if sequences.is_tokens else 'vectors'}, but loss is {self.kind!r}; "
                "tokens need loss='cross_entropy', vectors any other",
                parameter="loss",
            )
        if self.kind != "bce":
            return
        if np.any(_is_outside(sequences.values)):  # it may lie outside every sequence, where it does not matter
            _check_probabilities(sequences)

    def mean(self, prediction: Ragged, target: Ragged) -> torch.Tensor:
        """The loss of a batch, differentiable in the prediction. Both: back to back, tensors (n_steps, n_channels).

        For "cross_entropy" the prediction holds probabilities, (n_steps, n_symbols), and the target tokens.
        """
        if self.kind == "cross_entropy":
            return self.mean_of_steps(self.of_values(prediction.values, target.values)[:, 0], target.lengths)
        return mean_loss(self.kind, prediction, target, per_sequence=self.per == "sequence")

    def mean_of_steps(self, losses: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
        """Losses of steps that lie back to back, (n_steps,), reduced to a scalar. lengths: (n_sequences,)."""
        if self.per == "step":
            return losses.mean()
        return sum(part.mean() for part in losses.split(lengths.tolist())) / len(lengths)  # pyright: ignore[reportReturnType]

    def of_values(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of each value. All: (n_steps, n_channels); for "cross_entropy" see mean(), returns (n_steps, 1)."""
        if self.kind == "cross_entropy":
            return -prediction.gather(1, target.long()[:, None]).clamp(min=1e-30).log()
        return VALUE_LOSSES[self.kind](prediction, target)

    def to_data(self, prediction: torch.Tensor) -> torch.Tensor:
        """The decoder's output as scaled data: probabilities for logits."""
        return prediction.sigmoid() if self.kind == "bce" else prediction


def _is_outside(values: np.ndarray) -> np.ndarray:
    return (values < 0) | (values > 1)


def _check_probabilities(sequences: Ragged) -> None:
    """Raise InvalidSequence for the first observed value that is not from 0 to 1."""
    for i in range(len(sequences)):
        rows = slice(int(sequences.starts[i]), int(sequences.starts[i] + sequences.lengths[i]))
        is_outside = _is_outside(sequences.values[rows])
        if sequences.observed is not None:
            is_outside &= sequences.observed[rows]
        if is_outside.any():
            step, channel = (int(k) for k in np.argwhere(is_outside)[0])
            raise InvalidSequence(
                f"loss 'bce' needs values from 0 to 1, got {sequences.values[rows][step, channel]} in sequence {i}, "
                f"step {step}, channel {channel}; rescale the data or use loss='mse'"
            )


def as_loss(loss: str | Loss, *, of_tokens: bool) -> Loss:
    """The Loss of that name, reduced per step; "auto" depends on the data; a Loss is returned unchanged."""
    if loss == "auto":
        return Loss("cross_entropy" if of_tokens else "mse")
    if isinstance(loss, str):
        return Loss(loss)  # pyright: ignore[reportArgumentType]
    check_part("loss", loss, Loss)
    return loss


# -- what a batch is like, beside which losses are judged --------------------------------------------------------------


def known(values: torch.Tensor, batch: Ragged) -> np.ndarray:
    """Values of a batch's shape, zeros where nothing was observed."""
    own = values.cpu().numpy()
    return own if batch.observed is None else np.where(batch.observed.cpu().numpy(), own, 0)


def squares_about_mean(batch: Ragged) -> np.ndarray:
    """Squared distances from the mean step, zeros where nothing was observed; (1, 1) zeros for tokens. float64."""
    if batch.is_tokens:
        return np.zeros((1, 1))
    values = batch.values.double().cpu().numpy()
    observed = np.ones(values.shape, bool) if batch.observed is None else batch.observed.cpu().numpy()
    means = values.sum(axis=0, where=observed) / np.maximum(observed.sum(axis=0), 1)
    return np.where(observed, (values - means) ** 2, 0)


def spread(batch: Ragged) -> tuple[float, float, float]:
    """Least and greatest deviation, and greatest mean, of the channels that vary; 1, 1, 0 where none does."""
    values = np.zeros((1, 1)) if batch.is_tokens else batch.values.double().cpu().numpy()
    deviations, means = values.std(axis=0), np.abs(values.mean(axis=0))
    varying = deviations > 0
    own = deviations[varying] if varying.any() else np.ones(1)
    return float(own.min()), float(own.max()), float(means[varying].max(initial=0.0))


def share_of_lengths(vectors: np.ndarray, lengths: np.ndarray) -> float:
    """The part of the vectors' variance that is linear in the length. vectors: (n, size); lengths: (n,)."""
    centred, own = vectors - vectors.mean(axis=0), (lengths - lengths.mean())[:, None]
    power, length_power = float((centred**2).sum()), float((own**2).sum())
    if not (power > 0 and length_power > 0):
        return 0.0
    return float(((own * centred).sum(axis=0) ** 2).sum()) / (length_power * power)


def linear_part(batch: Ragged, total: float, n_components: int) -> float | None:
    """The part of the mean step's squared error, `total`, that PCA of the batch takes away.

    None for tokens, for sequences of several lengths, and where values are missing.
    """
    if batch.is_tokens or batch.observed is not None or (batch.lengths != batch.lengths[0]).any():
        return None
    rows = batch.values.double().cpu().numpy().reshape(len(batch), -1)
    centred = rows - rows.mean(axis=0)
    powers = np.linalg.eigvalsh(centred @ centred.T)[::-1]
    # Rounded, since the last digits depend on the threads of LAPACK.
    return round(1 - float(powers[n_components:].sum()) / total, 6) if total > 0 else None
