"""Files that commands read and write, checked before the work."""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import InvalidParameter, ModelFileError
from . import options

if TYPE_CHECKING:
    import numpy as np

    from ..estimator import SequenceAutoencoder
    from ..reading import Layout, Source
    from ..reading.schema import Schema
    from ..storage.model_file import ModelFile


class FittedModel(Protocol):
    """What an autoencoder and a detector have in common."""

    @property
    def schema_(self) -> Schema:
        """What fit() saw of the data."""
        ...

    def to_model_file(self) -> ModelFile:
        """All that was learnt, as the content of a file."""
        ...


class _StandardInput(io.BytesIO):
    """What was read from it."""

    name = "standard input"


REMEMBERED = ("id", "time", "time_format", "missing", "na")
"""The options that a model remembers."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """Argument and options of a command that reads data: its paths and layout.

    channels, names, na: between commas. symbols, unknown: as for read(); a model overrides symbols.
    """

    paths: options.Data
    id: options.Id = None
    time: options.Time = None
    time_format: options.TimeFormat = None
    channels: options.Channels = None
    wide: options.Wide = False
    missing: options.MissingValues = None
    header: options.Header = True
    names: options.Names = None
    decimal: options.Decimal = None
    na: options.Na = None
    max_bytes: options.MaxBytes = None
    symbols: Literal["auto", "words", "characters"] | None = None
    unknown: Literal["error", "skip", "token"] = "error"

    def read(self) -> Source:
        """Its sequences."""
        from ..reading.inputs import read_laid_out

        return read_laid_out(self.given, self.layout)

    def read_noticed(self) -> Source:
        """Its sequences, with a warning of what looks as if it was meant otherwise."""
        from ..reading.inputs import read_noticed

        return read_noticed(self.given, self.layout)

    def read_labelled(self, label: str | None) -> tuple[Source, np.ndarray | None]:
        """The sequences without the label's column, and the label of each, (n_sequences,) text or numbers."""
        if label is None:
            return self.read(), None
        import numpy as np

        from ..reading.inputs import read_laid_out

        given, again = self._given_twice
        source = read_laid_out(given, replace(self.layout, drop=(label,)))
        if label in source.channel_names:  # of arrays, whose channels are no columns
            return _without_channel(source, label)
        layout = replace(self.layout, channels=(label,), symbols="auto", missing="error")
        symbols = read_laid_out(again, layout)
        values = np.array(symbols.vocabulary)[symbols.ragged.values]
        return source, _constant(values, source, label)

    @property
    def given(self) -> str | list[Path]:
        """What read() is to take; texts in a list might be symbols."""
        return self.paths[0] if len(self.paths) == 1 else [Path(path) for path in self.paths]

    @property
    def _given_twice(self) -> tuple[object, object]:
        """What two reads are to take; standard input can be read only once."""
        from ..reading.paths import is_standard_input

        if len(self.paths) > 1 or not is_standard_input(self.paths[0]):
            return self.given, self.given
        content = sys.stdin.buffer.read()
        return _StandardInput(content), _StandardInput(content)

    @property
    def inputs(self) -> list[Path]:
        """The files that are read, which no result may replace.

        Raises UnreadableFile for a folder or a pattern without files.
        """
        from ..reading.files import files_of

        return [Path(file) for file in files_of(self.paths)]

    @property
    def layout(self) -> Layout:
        """The options for columns, as arguments of read()."""
        from ..reading import Layout

        layout = Layout(
            self.id or None,
            self.time or None,
            _listed(self.channels),
            self.wide,
            None if self.missing is None else self.missing.value,
            self.symbols,
            time_format=self.time_format,
            header=self.header,
            names=_listed(self.names),
            decimal=self.decimal,  # pyright: ignore[reportArgumentType]
            na=_listed(self.na) or (),
            unknown=self.unknown,
        )
        return layout if self.max_bytes is None else replace(layout, max_bytes=self.max_bytes)

    @property
    def remembered(self) -> dict[str, str]:
        """The options that new data for a model follow, by name."""
        return {name: str(value) for name in REMEMBERED if (value := getattr(self, name))}

    def following(self, model: Path | None) -> DataFile:
        """With the options that a saved model was fitted with, where these do not say otherwise; --id '' says none.

        Raises ModelFileError if the file cannot be read.
        """
        from ..storage.model_file import read_model_file

        if model is None or self.has_no_columns:
            return self
        known = read_model_file(model).layout
        names = [name for name in REMEMBERED if name in known and getattr(self, name) is None]
        if self.wide or self.time is not None:
            names = [name for name in names if name not in ("time", "time_format")]
        told: dict[str, str | None] = {name: known[name] for name in names}
        if "missing" in told:
            told["missing"] = options.Missing.__members__.get(known["missing"])
        return replace(self, **told)

    @property
    def has_no_columns(self) -> bool:
        """Whether the files hold arrays or symbols, not tables."""
        from ..reading.paths import kind_of

        return self.is_text or any(kind_of(str(file)) in ("npy", "ts", "tsf") for file in self.inputs)

    @property
    def is_text(self) -> bool:
        """Whether the file can contain only symbols."""
        from ..reading.paths import kind_of
        from ..reading.symbols import holds_symbols

        return all(kind_of(str(file)) == "txt" and holds_symbols(file) for file in self.inputs)

    def read_for(self, model: FittedModel, *, keeps_float64: bool = False) -> Source:
        """Its sequences with the model's channels, or as symbols.

        keeps_float64: whether values are not rounded as the model rounds them.

        Raises InvalidSequence if the file lacks one of the model's channels.
        """
        from ..reading import take

        schema = replace(model.schema_, keeps_float64=True) if keeps_float64 else model.schema_
        return take(self.given, schema, layout=self.layout)


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Windows in place of whole sequences."""

    window: options.Window = None
    stride: options.Stride = 1

    def of(self, source: Source) -> Source:
        """The windows of each sequence, or the sequences as they are."""
        if self.window is None:
            if self.stride != 1:
                raise InvalidParameter("--stride is from one window to the next; add --window N")
            return source
        return source.windows(self.window, self.stride)

    def split(self, source: Source, fraction: float) -> tuple[Source, Source | None]:
        """Windows to train on, and later ones of the same sequences that share no step with them, to validate."""
        if self.window is None or not 0 < fraction < 1:
            return self.of(source), None
        first, late = source.split_late(fraction, self.window)
        return self.of(first), None if late is None else self.of(late)


def _without_channel(source: Source, label: str) -> tuple[Source, np.ndarray]:
    k = source.channel_names.index(label)
    labels = _constant(source.ragged.values[:, k], source, label)
    others = [j for j in range(source.ragged.n_channels) if j != k]
    observed = None if source.ragged.observed is None else source.ragged.observed[:, others]
    rest = replace(source.ragged, values=source.ragged.values[:, others], observed=observed)
    return replace(source, ragged=rest, channel_names=tuple(source.channel_names[j] for j in others)), labels


def _constant(values: np.ndarray, source: Source, label: str) -> np.ndarray:
    """The label of each sequence. values: of each row of the sequences' values."""
    sequences = source.ragged
    labels = values[sequences.starts]
    for i in range(len(sequences)):
        if (values[sequences[[i]].step_indices()] != labels[i]).any():
            raise InvalidParameter(f"the label {label!r} changes within sequence {source.ids[i]}; it must be constant")
    return labels


def _listed(names: str | None) -> tuple[str, ...] | None:
    """Names between commas."""
    return None if names is None else tuple(name.strip() for name in names.split(","))


def check_model_target(path: Path, *inputs: Path) -> None:
    """Raise InvalidParameter unless a model can be written to path, another file than the inputs."""
    from ..storage.files import check_target

    check_target(path)
    check_differs(path, *inputs)


def check_table_target(path: Path, *inputs: Path) -> None:
    """Raise InvalidParameter unless a table can be written to path, another file than the inputs."""
    from ..storage.tables import check_target

    check_target(path)
    check_differs(path, *inputs)


def check_figure_target(path: Path | None, *inputs: Path) -> None:
    """Raise InvalidParameter unless a figure can be written to path, if any, and MissingExtra without matplotlib."""
    if path is None:
        return
    from .. import plots

    plots.check_figure_target(path)
    check_differs(path, *inputs)


def draw(path: Path | None, name: str, *results: object) -> None:
    """Save the figure of seqae.plots with that name, where there is a path."""
    if path is None:
        return
    from .. import plots

    plots.save(getattr(plots, name)(*results), path)


def check_differs(path: Path, *others: Path) -> None:
    """Raise InvalidParameter if path is one of the other files."""
    for other in others:
        if path.resolve() == other.resolve():
            raise InvalidParameter(f"cannot write {path}: it is also read; choose another name")


def save_model(model: FittedModel, path: Path, data: DataFile) -> None:
    """Save a model that took long to fit: where path cannot be written any more, in the folder of temporary files.

    data: what it was fitted on, whose layout new data follow.

    Raises ModelFileError that names the file that was written instead.
    """
    from ..storage.model_file import write_model_file

    file = replace(model.to_model_file(), layout=data.remembered)
    try:
        write_model_file(path, file)
    except ModelFileError as error:
        rescued = Path(tempfile.mkdtemp(prefix="seqae-")) / (path.name if path.suffix else f"{path.name}.seqae")
        write_model_file(rescued, file)
        raise ModelFileError(f"{error}; the model was saved as {rescued} instead") from error


def load_autoencoder(path: Path) -> SequenceAutoencoder:
    """The SequenceAutoencoder that was saved to path. Raises ModelFileError as load() does, and for a detector."""
    from ..estimator import SequenceAutoencoder
    from ..storage.autoencoder import KIND
    from ..storage.model_file import read_model_file

    file = read_model_file(path)
    if file.kind != KIND:
        raise ModelFileError(f"{path} holds no autoencoder but a {file.kind}; name a file that fit saved")
    return SequenceAutoencoder.from_model_file(file)


def detector_file(path: Path) -> ModelFile:
    """The file of an AnomalyDetector. Raises ModelFileError as load() does, and for an autoencoder."""
    from ..detection.storage import KIND
    from ..storage.model_file import read_model_file

    file = read_model_file(path)
    if file.kind != KIND:
        learns = "detect --normal FILE --save FILE learns one"
        raise ModelFileError(f"{path} is not a detector, its kind is {file.kind!r}; {learns}")
    return file
