"""Training beyond a closed form: what recurrence learns is kept only where held-out sequences gain by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..model.autoencoder import Autoencoder
from ..model.losses import Loss
from ..recurrence import kernel_first
from .batching import BatchLoader, ordered_batches
from .checkpoint import Checkpoint
from .history import Callback, ClosedFormPart, History
from .loop import Settings, train


def learn(
    model: Autoencoder,
    loss: Loss,
    training: BatchLoader,
    validation: BatchLoader | None,
    settings: Settings | None,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoints: Sequence[Checkpoint] = (),
) -> History:
    """What the parts learn in closed form, and then train(); settings None trains nothing.

    The best epoch of a model that has a closed form may be 0, which is that alone: it is unless the mean over held-out
    sequences of what each gains by training is larger than its standard error. Without held-out sequences, what
    train() leaves is kept. Raises as train() does.
    """
    model.fit_closed_form(training)
    judge = training if validation is None else validation
    if settings is None:
        before, usual = losses_by_sequence(model, loss, judge)
        return History((), 0, "closed_form", _told(before, before, usual))
    if not model.has_closed_form:
        return train(model, loss, training, validation, settings, callbacks=callbacks, checkpoints=checkpoints)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    before, usual = losses_by_sequence(model, loss, judge)
    history = train(model, loss, training, validation, settings, callbacks=callbacks, checkpoints=checkpoints)
    after, _ = losses_by_sequence(model, loss, judge)
    if validation is not None and not gains(before, after):
        with torch.no_grad():
            for parameter, own in zip(model.parameters(), start, strict=True):
                parameter.copy_(own)
        history, after = replace(history, best_epoch=0), before
    return replace(history, closed_form=_told(before, after, usual))


def gains(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the mean of before - after is larger than its standard error. Both: (n_sequences,)."""
    gained = before - after
    return len(gained) > 1 and bool(gained.mean() > gained.std(ddof=1) / np.sqrt(len(gained)))


@kernel_first()
@torch.no_grad()
def losses_by_sequence(model: Autoencoder, loss: Loss, loader: BatchLoader) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the losses of all observed values, of the reconstruction and of zeros. Both: (n_sequences,) float64."""
    sums = np.zeros((2, len(loader)))
    for indices in ordered_batches(loader.lengths):
        batch = loader.load(indices)
        code = model.encoder.encode(batch)
        made = model.reconstructor.losses(code.latent, batch, code.memory, loss)
        for row, values in enumerate((made, loss.of_values(torch.zeros_like(batch.values), batch.values))):
            known = values if batch.observed is None else torch.where(batch.observed, values, 0)
            sums[row, indices] = np.add.reduceat(known.double().sum(dim=1).cpu().numpy(), batch.starts)
    return sums[0], sums[1]


def _told(before: np.ndarray, after: np.ndarray, usual: np.ndarray) -> ClosedFormPart:
    total = max(float(usual.sum()), float(np.finfo(np.float64).tiny))
    return ClosedFormPart(1 - float(before.sum()) / total, float((before - after).sum()) / total)
