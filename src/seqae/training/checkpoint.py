"""Resume a killed run after its last whole epoch, with the same bits."""

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
    """The state that changes from epoch to epoch. parameters, best: flat (n_parameters,)."""

    parameters: torch.Tensor
    best: torch.Tensor
    moments: AdamState
    epochs: list[Epoch]
    best_epoch: int = 0


class Checkpoint:
    """A training callback that saves the run to a file after every epoch, and resumes from an existing file.

    Raises InvalidParameter in fit() if the file belongs to other data or settings.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

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
        write_model_file(self.path, ModelFile(KIND, config, arrays))

    def resume(self, run: Run, identity: dict[str, object]) -> None:
        """Load the state from the file into run; without a file, change nothing."""
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
