"""Files that commands read and write: checked before the work, so that none of it is lost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidParameter, ModelFileError
from . import options

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..estimator import SequenceAutoencoder
    from ..reading import Layout, Source


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file and how it is laid out, as the argument and the options say that a command with one takes.

    channels: column names between commas. symbols: as for read(); what a model takes decides it.
    """

    path: options.Data
    id: options.Id = None
    time: options.Time = None
    channels: options.Channels = None
    wide: options.Wide = False
    missing: options.MissingValues = options.Missing.error
    symbols: Literal["auto", "words", "characters"] | None = None

    def read(self) -> Source:
        """Its sequences."""
        from ..reading.inputs import read_laid_out

        return read_laid_out(self.path, self.layout)

    @property
    def layout(self) -> Layout:
        """What the options say of the columns."""
        from ..reading import Layout

        channels = None if self.channels is None else tuple(name.strip() for name in self.channels.split(","))
        missing = "mask" if self.missing == "mask" else "error"
        return Layout(self.id, self.time, channels, self.wide, missing, self.symbols)

    @property
    def is_text(self) -> bool:
        """Whether it can hold nothing but symbols."""
        return self.path.name.lower().removesuffix(".gz").endswith(".txt")

    def read_for(self, model: SequenceAutoencoder | AnomalyDetector) -> Source:
        """Its sequences as the model takes them: its channels, or symbols.

        Raises InvalidSequence if one of the model's channels is not among those of the file.
        """
        from ..reading import take

        return take(self.path, model.schema_, layout=self.layout)


def load_autoencoder(path: Path) -> SequenceAutoencoder:
    """The autoencoder saved to path. Raises ModelFileError if it is something else, such as a detector."""
    from ..estimator import SequenceAutoencoder
    from ..storage.loading import load

    model = load(path)
    if not isinstance(model, SequenceAutoencoder):
        raise ModelFileError(f"{path} holds no autoencoder but {type(model).__name__}; name a file that fit saved")
    return model


def check_model_target(path: Path, data: Path) -> None:
    """Raise InvalidParameter unless a model can be written to path, another file than the data."""
    _check_folder(path)
    check_differs(path, data)


def check_table_target(path: Path, *inputs: Path) -> None:
    """Raise InvalidParameter unless a table can be written to path, another file than the inputs."""
    from ..storage.tables import check_target

    check_target(path)
    _check_folder(path)
    check_differs(path, *inputs)


def check_differs(path: Path, *others: Path) -> None:
    """Raise InvalidParameter if path is one of the other files."""
    for other in others:
        if path.resolve() == other.resolve():
            raise InvalidParameter(f"cannot write {path}: it is also read; choose another name")


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise InvalidParameter(f"cannot write {path}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InvalidParameter(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InvalidParameter(f"cannot write {path}: no permission to write in {path.parent}; choose another folder")
