"""A run that was killed goes on where its last whole epoch ended, to the same bits."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..errors import InvalidParameter
from ..recurrence import AdamState
from ..storage.model_file import ModelFile, read_model_file, write_model_file
from .history import Callback, Epoch, check_hooks

KIND = "checkpoint"


@dataclass(slots=True)
class Run:
    """All that changes from epoch to epoch. parameters, best: flat (n_parameters,)."""

    parameters: torch.Tensor
    best: torch.Tensor
    moments: AdamState
    epochs: list[Epoch]
    best_epoch: int = 0


class Checkpoint:
    """A training callback that keeps the run in a file after every epoch, and resumes from it if it is there.

    Raises InvalidParameter in fit() if the file belongs to other data or settings.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def save(self, run: Run, identity: dict[str, object]) -> None:
        """identity: what must be the same for the run to be resumed."""
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
        write_model_file(self.path, ModelFile(KIND, config, arrays))

    def resume(self, run: Run, identity: dict[str, object]) -> None:
        """Bring run to where the file left it; without a file, leave it at its start."""
        if not self.path.exists():
            return
        file = read_model_file(self.path)
        if file.kind != KIND:
            raise InvalidParameter(f"{self.path} holds a {file.kind}, not a checkpoint; choose another file")
        saved = file.config["identity"]
        if saved != identity:
            differing = ", ".join(sorted(name for name in identity if identity[name] != saved.get(name)))
            raise InvalidParameter(
                f"{self.path} belongs to another run (differs in: {differing}); remove it or choose another file"
            )
        targets = (run.parameters, run.best, run.moments.first, run.moments.second)
        for name, target in zip(("parameters", "best", "first", "second"), targets, strict=True):
            target.copy_(torch.from_numpy(file.tensors[name]))
        run.moments.n_updates = file.config["n_updates"]
        run.epochs = [Epoch(**epoch) for epoch in file.config["epochs"]]
        run.best_epoch = file.config["best_epoch"]


def told_apart(callbacks: Iterable[Callback | Checkpoint]) -> tuple[tuple[Callback, ...], tuple[Checkpoint, ...]]:
    """The callbacks that are told how training goes, and the checkpoints, which keep its state.

    Raises InvalidParameter for what is neither.
    """
    if not isinstance(callbacks, Iterable):
        raise InvalidParameter(f"callbacks must be a list, got {callbacks!r}", parameter="callbacks")
    others: list[Callback] = []
    checkpoints: list[Checkpoint] = []
    for callback in callbacks:
        if isinstance(callback, Checkpoint):  # it reads and writes the whole run, which no other callback may see
            checkpoints.append(callback)
        else:
            check_hooks(callback)
            others.append(callback)
    return tuple(others), tuple(checkpoints)
