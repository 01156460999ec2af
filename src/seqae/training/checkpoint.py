"""Resume a killed run after its last whole epoch, with the same bits."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InvalidParameter, ModelFileError
from ..storage.files import problem_with
from ..storage.model_file import ModelFile, read_model_file, write_model_file
from ..storage.vetting import Arrays, as_count, as_mapping, decoded, misfit
from .history import Epoch, Run

KIND = "checkpoint"


class Checkpoint:
    """A training callback that saves the run to a file after every epoch, and resumes from an existing file.

    The file before the last one is kept beside it, as NAME.previous, for a last one that cannot be read. When training
    has ended by itself, only the last file stays: fit() with more epochs goes on from it, at the learning rates of the
    new number of epochs; fit() of other data or settings begins anew and replaces it.

    Raises InvalidParameter in fit() if the file belongs to a run of other data or settings that has not ended.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._has_failed = False

    @property
    def previous(self) -> Path:
        """The file before the last one."""
        real = Path(os.path.realpath(self.path))
        return real.with_name(f"{real.name}.previous")

    def save(self, run: Run, identity: dict[str, object], *, has_ended: bool = False) -> None:
        """identity: a digest of data and settings, which must be equal for the run to be resumed."""
        tensors = {
            "parameters": run.parameters,
            "best": run.best,
            "first": run.moments.first,
            "second": run.moments.second,
        }
        config = {
            "identity": identity,
            "has_ended": has_ended,
            "n_updates": run.moments.n_updates,
            "epochs": [asdict(epoch) for epoch in run.epochs],
            "best_epoch": run.best_epoch,
        }
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        try:
            with suppress(OSError):  # no file yet, or no room for a longer name: then only one is kept
                os.replace(os.path.realpath(self.path), self.previous)
            write_model_file(self.path, ModelFile(KIND, config, arrays))
            if has_ended:
                self.previous.unlink(missing_ok=True)
        except ModelFileError as error:  # training is worth more than its checkpoint
            if not self._has_failed:
                warnings.warn(f"{error}; training goes on, and cannot be resumed from here", stacklevel=2)
            self._has_failed = True

    def resume(self, run: Run, identity: dict[str, object], n_batches: int, max_epochs: int) -> None:
        """Load the state from the file into run; without a file, change nothing. n_batches: of an epoch.

        Raises ModelFileError for a file that is damaged, if the one before it cannot be read either, and where no file
        can be written.
        """
        file = self._last_file()
        if file is None:
            if (problem := problem_with(self.path)) is not None:
                raise ModelFileError(f"{self.path} cannot be written: {problem}")
            return
        if file.kind != KIND:
            raise InvalidParameter(f"{self.path} holds a {file.kind}, not a checkpoint; choose another file")
        config = dict(file.config)
        saved = as_mapping(config.pop("identity", None), "identity")
        progress = decoded(_Progress, config, "the checkpoint")
        if saved != identity:
            if progress.has_ended:
                return
            differing = ", ".join(sorted(name for name in identity if identity[name] != saved.get(name)))
            raise InvalidParameter(
                f"{self.path} belongs to another run (differs in: {differing}); remove it or choose another file"
            )
        if len(progress.epochs) > max_epochs:
            raise InvalidParameter(
                f"{self.path} holds {len(progress.epochs)} epochs of this run, more than max_epochs={max_epochs}; "
                "ask for as many, remove it or choose another file"
            )
        _restore(run, progress, Arrays(file.tensors), n_batches)

    def _last_file(self) -> ModelFile | None:
        """The newest file that can be read; a warning names the one that cannot. None if there is none."""
        problem = f"{self.path} is missing"
        if self.path.exists():
            try:
                return read_model_file(self.path)
            except ModelFileError as error:
                if not self.previous.exists():
                    raise
                problem = str(error)
        elif not self.previous.exists():
            return None
        file = read_model_file(self.previous)
        warnings.warn(f"{problem}; training resumes an epoch earlier, from {self.previous}", stacklevel=2)
        return file


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the run of a file had come."""

    has_ended: bool
    n_updates: int
    epochs: tuple[Epoch, ...]
    best_epoch: int


def _restore(run: Run, saved: _Progress, arrays: Arrays, n_batches: int) -> None:
    """Bring run to where a file left it. Raises ModelFileError, before anything is changed, if its parts do not fit."""
    shape, moments = tuple(run.parameters.shape), run.moments
    targets = {"parameters": run.parameters, "best": run.best, "first": moments.first, "second": moments.second}
    dtype = run.parameters.detach().cpu().numpy().dtype
    found = {name: arrays.take(name, shape, dtype, least=0 if name == "second" else None) for name in targets}
    n_epochs = len(saved.epochs)
    as_count(saved.best_epoch, "best_epoch", least=min(1, n_epochs), most=n_epochs)
    as_count(saved.n_updates, "n_updates", least=n_epochs * n_batches, most=n_epochs * n_batches)
    if [epoch.number for epoch in saved.epochs] != list(range(1, n_epochs + 1)):
        raise misfit("epochs", "are not counted from 1")
    for name, target in targets.items():
        target.copy_(torch.from_numpy(np.array(found[name])))
    run.moments.n_updates, run.epochs, run.best_epoch = saved.n_updates, list(saved.epochs), saved.best_epoch
