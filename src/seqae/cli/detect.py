"""seqae detect: find what is unlike normal data."""

from __future__ import annotations

import warnings
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidParameter
from ..model.presets import as_architecture
from ..parameters import DEFAULTS
from . import options
from .files import DataFile, check_differs, check_model_target, check_table_target, save_model
from .learning import (
    LEARNING,
    AutoencoderOptions,
    LearningOptions,
    changed,
    fitted_detector,
    told,
    training_parameters,
)
from .screen import counted, note, say
from .training import ModelOptions, TrainingOptions

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..detection.result import Detection
    from ..reading import Source


class Rows(StrEnum):
    """What a row of the result is."""

    interval = "interval"
    step = "step"
    sequence = "sequence"


def detect(
    output: options.Output,
    *,
    normal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Normal data to learn from, laid out alike.", rich_help_panel=LEARNING),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A detector that was saved; with --normal, a model from fit that has not seen that data.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to keep the detector.", rich_help_panel=LEARNING)
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="quantile (the default), sigmas, peaks, conformal, scored, dynamic, none, or a number.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    learning: LearningOptions,
    autoencoder: AutoencoderOptions,
    sizes: ModelOptions,
    training: TrainingOptions,
    rows: Annotated[Rows, typer.Option(help="What a row of the result is.")] = Rows.interval,
    data: DataFile,
    symbols: Annotated[
        bool,
        typer.Option(
            "--symbols",
            help="The steps are symbols, text or whole numbers, as those of a .txt file are.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = False,
    split: options.SplitText = options.Split.auto,
) -> None:
    """Find steps or sequences that are unlike normal data, and write them with their ids and times.

    What was chosen (windows, limit, epochs) is told on stderr. In a row of an interval, start is its first step and end
    the one after its last; start_time and end_time are the times of its first and last step.
    """
    inputs = [path for path in (data.path, normal, model) if path is not None]
    check_table_target(output, *inputs)
    if save is not None:
        check_model_target(save, data.path)
        check_differs(save, output, *inputs)
    if model is not None and (symbols or split != options.Split.auto):
        raise InvalidParameter(
            "--symbols and --split are for learning without --model, which takes what it was fitted on"
        )
    if threshold == "fbeta":
        raise InvalidParameter("--threshold fbeta needs labels, which the command line does not take; choose another")
    trained = changed(autoencoder, sizes, training)
    if normal is None:
        _refuse([*changed(learning), *trained], "is for learning; add --normal FILE, or leave it out")
        detector = _saved(model, threshold)
    else:
        if model is not None:
            _refuse(trained, "is for training, but the --model is trained already; leave it out")
        if learning.baseline is not None:
            _refuse(trained, "is for an autoencoder, but the --baseline has none; leave it out")
        file = replace(data, path=normal)
        takes_symbols = as_architecture(autoencoder.architecture or DEFAULTS.architecture).takes_symbols
        if symbols or takes_symbols or file.is_text:
            file = replace(file, symbols=split.value)
        parameters = training_parameters(autoencoder, sizes, training)
        detector = fitted_detector(file, model, _number(threshold or "quantile"), learning, parameters)
    source = data.read_for(detector)
    for line in told(detector):
        note(line)
    detection = _detected(detector, source)
    from ..storage.tables import write_table

    write_table(output, detection.to_columns(rows.value))
    if save is not None:
        save_model(detector, save)
    found = counted(len(detection.intervals), "interval" if detector.window_ else "anomalous sequence")
    say(f"{found} above the threshold in {counted(len(source), 'sequence')}: {output}", beside=output)


def _refuse(given: list[str], problem: str) -> None:
    if given:
        raise InvalidParameter(f"{given[0]} {problem}")


def _detected(detector: AnomalyDetector, source: Source) -> Detection:
    """What detector.detect() finds; its warnings become lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        detection = detector.detect(source)
    for warning in caught:
        note(f"note: {warning.message}")
    return detection


def _saved(model: Path | None, threshold: str | None) -> AnomalyDetector:
    from ..detection.detector import AnomalyDetector
    from ..detection.storage import KIND
    from ..storage.model_file import read_model_file

    if model is None:
        raise InvalidParameter("give --normal FILE to learn what is normal, or --model FILE with a saved detector")
    file = read_model_file(model)
    if file.kind != KIND:
        raise InvalidParameter(f"{model} is not a detector; add --normal FILE to learn from what is normal")
    detector = AnomalyDetector.from_model_file(file)
    return detector if threshold is None else detector.set_params(threshold=_number(threshold))


def _number(text: str) -> float | str | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        return text
