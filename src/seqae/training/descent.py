"""The loss of a batch and its gradient: by model and autograd, or by the calls of the kernel they were seen to make."""

from __future__ import annotations

from torch import Tensor

from ..model.autoencoder import Autoencoder
from ..model.draw import Draw
from ..model.losses import Loss
from ..recurrence import Program, program_of, recorded_calls
from ..sequences.ragged import Ragged
from .flat import FlatParameters

RECORD_EVERY = 200  # batches; a model that changes its ways during training is seen to do so


class Descent:
    """Computes what an update needs. The calls of the kernel are recorded now and then, and repeated in between.

    Where anything but the kernel has a part in the loss, every batch goes through model and autograd.
    """

    def __init__(self, model: Autoencoder, loss: Loss, flat: FlatParameters) -> None:
        self._model, self._loss, self._flat = model, loss, flat
        self._program: Program | None = None
        self._n_batches = 0

    def loss(self, batch: Ragged, draw: Draw) -> float:
        """The training loss; its gradient is in the flat parameters."""
        is_recorded = self._n_batches % RECORD_EVERY == 0
        self._n_batches += 1
        self._flat.forget_gradient()
        if self._program is not None and not is_recorded:
            return self._program.run(batch).item()
        loss = self._recorded(batch, draw) if is_recorded else self._model.training_loss(batch, self._loss, draw)
        loss.backward()
        return loss.item()

    def _recorded(self, batch: Ragged, draw: Draw) -> Tensor:
        with recorded_calls() as calls:
            loss = self._model.training_loss(batch, self._loss, draw)
        frozen = (parameter for parameter in self._model.parameters() if not parameter.requires_grad)
        self._program = program_of(calls, batch, loss, [*self._model.buffers(), *frozen])
        return loss
