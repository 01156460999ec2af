"""Resume a killed run after its last whole epoch, with the same bits."""

from __future__ import annotations

import os
import warnings
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

    Raises InvalidParameter in fit() if the file belongs to other data or settings.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._has_failed = False

    def save(self, run: Run, identity: dict[str, object]) -> None:
        """identity: a digest of data and settings, which must be equal for the run to be resumed."""
        tensors = {
            "parameters": run.parameters,
            "best": run.best,
            "first": run.moments.first,
            "second": run.moments.second,
        }
        config = {
            "identity": identity,
            "n_updates": run.moments.n_updates,
            "epochs": [asdict(epoch) for epoch in run.epochs],
            "best_epoch": run.best_epoch,
        }
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        try:
            write_model_file(self.path, ModelFile(KIND, config, arrays))
        except ModelFileError as error:  # training is worth more than its checkpoint
            if not self._has_failed:
                warnings.warn(f"{error}; training goes on, and cannot be resumed from here", stacklevel=2)
            self._has_failed = True

    def resume(self, run: Run, identity: dict[str, object], n_batches: int) -> None:
        """Load the state from the file into run; without a file, change nothing. n_batches: of an epoch.

        Raises ModelFileError for a file that is damaged, and where no file can be written.
        """
        if not self.path.exists():
            if (problem := problem_with(self.path)) is not None:
                raise ModelFileError(f"{self.path} cannot be written: {problem}")
            return
        file = read_model_file(self.path)
        if file.kind != KIND:
            raise InvalidParameter(f"{self.path} holds a {file.kind}, not a checkpoint; choose another file")
        config = dict(file.config)
        saved = as_mapping(config.pop("identity", None), "identity")
        if saved != identity:
            differing = ", ".join(sorted(name for name in identity if identity[name] != saved.get(name)))
            raise InvalidParameter(
                f"{self.path} belongs to another run (differs in: {differing}); remove it or choose another file"
            )
        _restore(run, decoded(_Progress, config, "the checkpoint"), Arrays(file.tensors), n_batches)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the run of a file had come."""

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
