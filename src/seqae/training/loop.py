"""The training loop."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch

from ..errors import InvalidParameter, TrainingDiverged
from ..model.autoencoder import Autoencoder, total_of
from ..model.interface import Decoder
from ..model.layers import Draw
from ..model.losses import Loss, known, linear_part, share_of_lengths, spread, squares_about_mean
from ..recurrence import AdamState, active_kernel, adam_step, kernel_first
from ..sequences.ragged import Ragged, evenly_chosen
from .batching import BatchLoader, FlatParameters, LossAndGradient, Settings, ordered_batches, shuffled_batches
from .checkpoint import Checkpoint
from .diagnostics import Measured
from .history import Callback, ClosedFormPart, Epoch, History, Run, StopReason, StopTraining, check_hooks

WARM_UP = 0.02
FINAL_RATE = 0.01
SAMPLE, SAMPLE_STEPS = 128, 50_000
FEWEST_PER_VALUE = 4
TINY = float(np.finfo(np.float64).tiny)
LENGTHS = ("max_epochs", "patience")
"""Settings that may change when a run is resumed: how long it goes on."""


def train(
    model: Autoencoder,
    loss: Loss,
    training: BatchLoader,
    validation: BatchLoader | None,
    settings: Settings,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoints: Sequence[Checkpoint] = (),
) -> History:
    """Train model in place and leave it with the best weights, or with the last ones if nothing is monitored.

    The monitored loss is the validation loss; without validation sequences it is the training loss, and is looked at
    only if there is a patience. checkpoints: files from which the run resumes. A KeyboardInterrupt ends
    training: the model has the best weights of whole epochs so far, and history.stopped_by is "interrupt".

    Raises TrainingDiverged if the loss or its gradient is not finite; the model then has the best weights so far.
    Raises KeyboardInterrupt if it comes before the first epoch has ended.
    """
    with FlatParameters(model) as flat, kernel_first(), torch.enable_grad():
        return _Trainer(model, loss, training, validation, settings, callbacks, checkpoints, flat).run()


class _Trainer:
    """One run: the loop's fixed parts and the state that changes from epoch to epoch."""

    def __init__(
        self,
        model: Autoencoder,
        loss: Loss,
        training: BatchLoader,
        validation: BatchLoader | None,
        settings: Settings,
        callbacks: Sequence[Callback],
        checkpoints: Sequence[Checkpoint],
        flat: FlatParameters,
    ) -> None:
        self._model, self._loss, self._settings, self._flat = model, loss, settings, flat
        self._gradient = LossAndGradient(model, loss, flat)
        self._training, self._validation = training, validation
        self._callbacks, self._checkpoints = callbacks, checkpoints
        self._keeps_best = validation is not None or settings.patience is not None
        moments = AdamState(torch.zeros_like(flat.values), torch.zeros_like(flat.values))
        self._state = Run(flat.values, flat.values.clone(), moments, [])
        self._n_batches = len(shuffled_batches(training.lengths, settings.batch_size, seed=0, epoch=0))

    def run(self) -> History:
        identity = self._identity() if self._checkpoints else {}
        for checkpoint in self._checkpoints:
            checkpoint.resume(self._state, identity, self._n_batches, self._settings.max_epochs)
        self._call("on_train_start", self._settings.max_epochs, self._n_batches, len(self._state.epochs))
        try:
            return self._epochs(identity)
        finally:
            if self._state.best_epoch:
                self._flat.values.copy_(self._state.best)
            self._call("on_train_end")

    def _epochs(self, identity: dict[str, object]) -> History:
        reason: StopReason = "patience" if self._is_out_of_patience() else "max_epochs"
        try:
            while len(self._state.epochs) < self._settings.max_epochs and reason == "max_epochs":
                epoch = self._epoch(len(self._state.epochs) + 1)
                self._record(epoch)
                for checkpoint in self._checkpoints:
                    checkpoint.save(self._state, identity)
                self._call("on_epoch_end", epoch)
                if self._is_out_of_patience():
                    reason = "patience"
        except StopTraining:
            reason = "callback"
        except KeyboardInterrupt:
            if not self._state.best_epoch:
                raise
            reason = "interrupt"
        else:
            for checkpoint in self._checkpoints:
                checkpoint.save(self._state, identity, has_ended=True)
        return History(tuple(self._state.epochs), self._state.best_epoch, reason)

    def _epoch(self, number: int) -> Epoch:
        started = time.perf_counter()
        settings = self._settings
        total, n_steps, rate = 0.0, 0, 0.0
        batches = shuffled_batches(self._training.lengths, settings.batch_size, seed=settings.seed, epoch=number)
        for indices in batches:
            batch = self._training.load(indices)
            value = self._gradient.compute(batch, self._draw())
            rate = self._learning_rate()
            norm = adam_step(
                self._flat.values,
                self._flat.gradient(),
                self._state.moments,
                learning_rate=rate,
                max_norm=settings.max_norm,
            )
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise TrainingDiverged(
                    _diverged(number, value, norm, settings.learning_rate), parameter="learning_rate"
                )
            n_batch_steps = len(batch.values)  # they lie back to back
            total += value * n_batch_steps
            n_steps += n_batch_steps
            if self._callbacks:
                self._call("on_batch_end")
        losses = {} if self._validation is None else self._mean_losses(self._validation)
        total_loss = losses.pop("validation_loss", None)
        return Epoch(number, total / n_steps, total_loss, rate, time.perf_counter() - started, **losses)

    @torch.no_grad()
    def _mean_losses(self, loader: BatchLoader) -> dict[str, float]:
        """The loss of all sequences and its parts, by their names in Epoch: means over batches by their steps."""
        sums: dict[str, float] = {}
        n_steps = 0
        for indices in ordered_batches(loader.lengths):
            batch = loader.load(indices)
            terms = self._model.evaluation_terms(batch, self._loss)
            values = [("validation_loss", total_of(terms)), *((term.name, term.value) for term in terms)]
            for name, value in values:
                sums[name] = sums.get(name, 0.0) + float(value) * batch.n_steps
            n_steps += batch.n_steps
        return {name: value / n_steps for name, value in sums.items()}

    def _record(self, epoch: Epoch) -> None:
        """Add the epoch, and keep its weights if it is the best so far or nothing is monitored."""
        state = self._state
        state.epochs.append(epoch)
        best_loss = math.inf if not state.best_epoch else state.epochs[state.best_epoch - 1].monitored_loss
        if not self._keeps_best or not state.best_epoch or epoch.monitored_loss < best_loss:
            state.best.copy_(state.parameters)
            state.best_epoch = epoch.number

    def _is_out_of_patience(self) -> bool:
        patience, n_annealed = self._settings.patience, self._settings.max_epochs * self._model.objective.annealing
        first = max(self._state.best_epoch, math.ceil(n_annealed))
        return patience is not None and len(self._state.epochs) - first >= patience

    def _draw(self) -> Draw:
        """The random draw of the next update, a function of the seed and the update number."""
        n_updates = self._state.moments.n_updates
        return Draw(self._settings.seed, n_updates, n_updates / self._n_updates)

    @property
    def _n_updates(self) -> int:
        return self._settings.max_epochs * self._n_batches

    def _learning_rate(self) -> float:
        n_updates = self._n_updates
        done = self._state.moments.n_updates / n_updates
        warm_up = min(1.0, (self._state.moments.n_updates + 1) / max(1.0, WARM_UP * n_updates))
        cosine = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * done))
        return self._settings.learning_rate * warm_up * cosine

    def _identity(self) -> dict[str, object]:
        """All that determines an epoch beside the state: settings, loss, initial weights, and the scaled data."""
        start = hashlib.blake2b(repr(self._model.architecture).encode())
        start.update(self._flat.values.detach().cpu().numpy().tobytes())
        _add_data(start, self._training)
        if self._validation is not None:
            _add_data(start, self._validation)
        kernel = active_kernel()
        settings = {name: value for name, value in asdict(self._settings).items() if name not in LENGTHS}
        return {
            **settings,
            **asdict(self._loss),
            "kernel": kernel,
            "data and initial weights": start.hexdigest(),
        }

    def _call(self, hook: str, *arguments: object) -> None:
        for callback in self._callbacks:
            method = getattr(callback, hook, None)
            if method is not None:
                method(*arguments)


def _add_data(digest: hashlib.blake2b, loader: BatchLoader) -> None:
    digest.update(loader.lengths.tobytes())
    for indices in ordered_batches(loader.lengths):
        batch = loader.load(indices)
        for tensor in (batch.values, batch.observed):
            if tensor is not None:
                digest.update(tensor.cpu().numpy().tobytes())


def _diverged(number: int, loss: float, norm: float, learning_rate: float) -> str:
    return (
        f"training diverged in epoch {number}: the loss is {loss}, its gradient's norm {norm}; lower learning_rate "
        f"(it is {learning_rate:g}), or use scale=True if it was off"
    )


def learn(
    model: Autoencoder,
    loss: Loss,
    training: BatchLoader,
    validation: BatchLoader | None,
    settings: Settings | None,
    is_new: bool = True,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoints: Sequence[Checkpoint] = (),
) -> History:
    """What the parts of a new model learn in closed form, and then train(); settings None trains nothing.

    The best epoch of a model that has a closed form may be 0, which is that alone: it is unless the mean over held-out
    sequences of what each gains by training is larger than its standard error. Without held-out sequences, what
    train() leaves is kept. Raises as train() does, but a closed form stands if KeyboardInterrupt comes early.
    """
    started = time.perf_counter()
    if is_new:
        model.fit_closed_form(training)
    seconds = time.perf_counter() - started
    judge = training if validation is None else validation
    if settings is not None and not model.has_closed_form:
        history = train(model, loss, training, validation, settings, callbacks=callbacks, checkpoints=checkpoints)
        return history if validation is None else _judged(history, model, loss, validation)
    before, usual = losses_by_sequence(model, loss, judge)
    history, after = History((), 0, "closed_form"), before
    if settings is not None:
        start = [parameter.detach().clone() for parameter in model.parameters()]
        try:
            history = train(model, loss, training, validation, settings, callbacks=callbacks, checkpoints=checkpoints)
            after, _ = losses_by_sequence(model, loss, judge)
        except KeyboardInterrupt:
            history = History((), 0, "interrupt")
        if not history.best_epoch or (validation is not None and not gains(before, after)):
            with torch.no_grad():
                for parameter, own in zip(model.parameters(), start, strict=True):
                    parameter.copy_(own)
            history, after = replace(history, best_epoch=0), before
    told = replace(_told(before, after, usual), seconds=seconds)
    explained = told.explained + told.gained if loss.kind == "mse" else explained_by(model, judge)
    return replace(history, closed_form=told, explained=explained, is_held_out=validation is not None)


def _judged(history: History, model: Autoencoder, loss: Loss, held_out: BatchLoader) -> History:
    """With what the model explains of held-out sequences, where it reconstructs values."""
    if model.decoder is None or not loss.takes_scaled:
        return history
    return replace(history, explained=explained_by(model, held_out), is_held_out=True)


@kernel_first()
@torch.no_grad()
def explained_by(model: Autoencoder, loader: BatchLoader) -> float:
    """The part of the squares of observed values, as they are scaled, that the reconstruction takes away."""
    left, power = 0.0, 0.0
    for indices in ordered_batches(loader.lengths):
        batch = loader.load(indices)
        observed = torch.ones_like(batch.values) if batch.observed is None else batch.observed
        left += float(((model(batch).values - batch.values) * observed).double().square().sum())
        power += float((batch.values * observed).double().square().sum())
    return 1 - left / max(power, TINY)


@kernel_first()
@torch.no_grad()
def measured(model: Autoencoder, loss: Loss, data: BatchLoader) -> Measured | None:
    """Numbers for diagnostics, of at most 128 sequences of 50,000 steps; None if the model only predicts."""
    if model.decoder is None:
        return None
    chosen = evenly_chosen(len(data), SAMPLE)
    fits = np.cumsum(data.lengths[chosen]) <= SAMPLE_STEPS
    fits[0] = True
    batch = data.load(chosen[fits])
    code = model.encoder.encode(batch)
    own, usual = _errors(model.decoder, loss, code.latent, batch, code.memory), squares_about_mean(batch)
    varies = usual.sum(axis=0) > TINY
    others = _errors(model.decoder, loss, code.latent.roll(1, 0), batch, None)
    vectors = code.latent.double().cpu().numpy()
    layers = [layer for part in (model.encoder, model.decoder) for stack in part.recurrent_layers for layer in stack]
    variances, by_sequence = vectors.var(axis=0), np.add.reduceat(own.sum(axis=1), batch.starts)
    least, greatest, mean = spread(batch)
    can_tell = not model.has_closed_form and len(batch) >= FEWEST_PER_VALUE * vectors.shape[1]
    return Measured(
        n_sequences=len(batch),
        whole=0.0 if batch.is_tokens else 1 - float(own.sum()) / max(float(usual.sum()), TINY),
        explained=() if batch.is_tokens else tuple(_explained(own.sum(axis=0), usual.sum(axis=0), varies).tolist()),
        is_constant=tuple((~varies).tolist()),
        n_unused=int((variances <= 1e-6 * max(float(variances.mean()), TINY)).sum()),
        n_values=vectors.shape[1],
        greatest=float(np.abs(vectors).max()),
        other_vector=float(others.sum()) / max(float(own.sum()), TINY),
        dominance=float(by_sequence.max()) / max(float(by_sequence.sum()), TINY),
        length_share=share_of_lengths(vectors, batch.lengths),
        least_deviation=least,
        greatest_deviation=greatest,
        greatest_mean=mean,
        linear=linear_part(batch, float(usual.sum()), vectors.shape[1]) if can_tell else None,
        is_relu=any(layer.cell.activation == "relu" for layer in layers),
    )


def _explained(own: np.ndarray, usual: np.ndarray, varies: np.ndarray) -> np.ndarray:
    """The part of each channel's squares that is explained, 0 of a constant channel."""
    return 1 - np.divide(own, usual, out=np.ones_like(usual), where=varies)


def _errors(decoder: Decoder, loss: Loss, latent: torch.Tensor, batch: Ragged, memory: Ragged | None) -> np.ndarray:
    """Squared errors of what is decoded, zeros where nothing was observed; of tokens their cross-entropy. float64."""
    if batch.is_tokens:
        return decoder.losses(latent, batch, memory, loss).double().cpu().numpy()
    made = loss.to_data(decoder.decode(latent, batch.lengths, memory).values).double()
    return known((made - batch.values) ** 2, batch)


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
    total = max(float(usual.sum()), TINY)
    return ClosedFormPart(1 - float(before.sum()) / total, float((before - after).sum()) / total)


def told_apart(callbacks: Iterable[Callback | Checkpoint]) -> tuple[tuple[Callback, ...], tuple[Checkpoint, ...]]:
    """Separate callbacks from checkpoints, which save the state of training.

    Raises InvalidParameter for other objects.
    """
    if not isinstance(callbacks, Iterable):
        raise InvalidParameter(f"callbacks must be a list, got {callbacks!r}", parameter="callbacks")
    others: list[Callback] = []
    checkpoints: list[Checkpoint] = []
    for callback in callbacks:
        if isinstance(callback, Checkpoint):  # a checkpoint reads and writes the whole run, which callbacks do not get
            checkpoints.append(callback)
        else:
            check_hooks(callback)
            others.append(callback)
    return tuple(others), tuple(checkpoints)
