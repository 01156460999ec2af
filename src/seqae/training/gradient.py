"""The loss of a batch and its gradient: by model and autograd, or by replaying the calls of an earlier batch."""

from __future__ import annotations

from torch import Tensor

from ..model.autoencoder import Autoencoder
from ..model.draw import Draw
from ..model.losses import Loss
from ..recurrence import Replay, replay_of, traced
from ..sequences.ragged import Ragged
from .flat import FlatParameters

RETRACE_EVERY = 200  # batches; a change of the model during training has its effect from then on


class LossAndGradient:
    """What an update needs of each batch, added up in flat parameters.

    Where anything but the kernel has a part in the loss, every batch goes through model and autograd.
    """

    def __init__(self, model: Autoencoder, loss: Loss, flat: FlatParameters) -> None:
        self._model, self._loss, self._flat = model, loss, flat
        self._replay: Replay | None = None
        self._n_batches = 0

    def compute(self, batch: Ragged, draw: Draw) -> float:
        """The training loss; its gradient is in the flat parameters."""
        is_due = self._n_batches % RETRACE_EVERY == 0
        self._n_batches += 1
        self._flat.forget_gradient()
        if self._replay is not None and self._replay.takes(batch) and not is_due:
            return self._replay.loss(batch).item()
        loss = self._traced(batch, draw) if is_due else self._model.training_loss(batch, self._loss, draw)
        loss.backward()
        return loss.item()

    def _traced(self, batch: Ragged, draw: Draw) -> Tensor:
        with traced() as calls:
            loss = self._model.training_loss(batch, self._loss, draw)
        frozen = (parameter for parameter in self._model.parameters() if not parameter.requires_grad)
        self._replay = replay_of(calls, batch, loss, [*self._model.buffers(), *frozen])
        return loss
