"""Files that commands read and write: checked before the work, so that none of it is lost."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidParameter, InvalidSequence, ModelFileError
from . import options

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..estimator import SequenceAutoencoder
    from ..reading import Source


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
        from ..reading import read

        channels = None if self.channels is None else [name.strip() for name in self.channels.split(",")]
        missing = "mask" if self.missing == "mask" else "error"
        return read(
            self.path,
            id=self.id,
            time=self.time,
            channels=channels,
            wide=self.wide,
            missing=missing,
            symbols=self.symbols,
        )

    @property
    def is_text(self) -> bool:
        """Whether it can hold nothing but symbols."""
        return self.path.name.lower().removesuffix(".gz").endswith(".txt")

    def read_for(self, model: SequenceAutoencoder | AnomalyDetector) -> Source:
        """Its sequences, with the channels of the model picked by name where the options do not choose them.

        A model of symbols reads symbols.

        Raises InvalidSequence if the file names its channels and one of the model's is not among them.
        """
        source = replace(self, symbols=model.seen_.symbols).read()
        return (
            source
            if self.channels is not None or source.ragged.is_tokens
            else _with_channels(source, model.channel_names_)
        )


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


def _with_channels(source: Source, wanted: tuple[str, ...]) -> Source:
    names = source.channel_names
    made_up = (tuple(f"channel_{k}" for k in range(len(names))), ("value",), ("token",))
    if names == wanted or names in made_up or wanted in (made_up[0][: len(wanted)], *made_up[1:]):
        return source
    for name in wanted:
        if name not in names:
            raise InvalidSequence(
                f"the model was fitted on channel {name!r}, but the data has {', '.join(map(repr, names))}; "
                "rename it, or give the columns in the model's order with --channels"
            )
    columns = [names.index(name) for name in wanted]
    ragged = source.ragged
    observed = None if ragged.observed is None else ragged.observed[:, columns]
    picked = replace(ragged, values=ragged.values[:, columns], observed=observed)
    return replace(source, ragged=picked, channel_names=wanted)
