"""seqae detect: find what is unlike normal data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InvalidParameter
from ..model.presets import AUTO, takes_symbols
from . import options
from .files import (
    DataFile,
    check_differs,
    check_figure_target,
    check_model_target,
    check_table_target,
    detector_file,
    draw,
    load_autoencoder,
    save_model,
)
from .learning import (
    LEARNING,
    AutoencoderOptions,
    EventOptions,
    LearningOptions,
    changed,
    training_parameters,
)
from .screen import best_epoch, counted, limit_shown, note, say, say_kept
from .training import ModelOptions, TrainingOptions, counted_or_auto

if TYPE_CHECKING:
    from sklearn.frozen import FrozenEstimator

    from ..detection.detector import AnomalyDetector
    from ..detection.limits import Threshold
    from ..detection.result import Detection
    from ..estimator import SequenceAutoencoder
    from ..reading import Source
    from ..storage.parts import Work


Said = tuple["Threshold | str | float | None", ...]
"""The threshold that an option says; empty if none does."""


class Rows(StrEnum):
    """What a row of the result is."""

    interval = "interval"
    step = "step"
    sequence = "sequence"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Files beside the data, and the limit."""

    normal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Normal data to learn from, laid out alike.", rich_help_panel=LEARNING),
    ] = None
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A detector that was saved; with --normal, a model from fit that has not seen that data.",
            rich_help_panel=LEARNING,
        ),
    ] = None
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to keep the detector.", rich_help_panel=LEARNING)
    ] = None
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, quantile, events, sigmas, peaks, conformal, scored, dynamic, none, or a number.",
            rich_help_panel=LEARNING,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class SymbolOptions:
    """How steps are read as symbols."""

    symbols: Annotated[
        bool,
        typer.Option(
            "--symbols",
            help="The steps are symbols, text or whole numbers, as those of a .txt file are.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = False
    split: options.SplitText = options.Split.auto


def detect(
    output: options.Output,
    *,
    files: FileOptions,
    learning: LearningOptions,
    events: EventOptions,
    autoencoder: AutoencoderOptions,
    sizes: ModelOptions,
    training: TrainingOptions,
    rows: Annotated[Rows, typer.Option(help="What a row of the result is.")] = Rows.interval,
    data: DataFile,
    symbols: SymbolOptions,
    plot: options.Plot = None,
    part: options.Part = None,
) -> None:
    """Find steps or sequences that are unlike normal data, and write them with their ids and times.

    What was chosen (windows, limit, epochs) is told on stderr. In a row of an interval, start is its first step and end
    the one after its last; start_time and end_time are the times of its first and last step.
    """
    _check_files(output, files, data, symbols)
    if part is not None and (files.model is None or files.normal is not None):
        raise InvalidParameter("--part needs --model with a saved detector, so that all parts have one limit")
    check_figure_target(plot, output, *data.inputs)
    data = data.following(files.model)
    trained, threshold = changed(autoencoder, sizes, training), threshold_of(files.threshold, events)
    if files.normal is None:
        _refuse([*changed(learning), *trained], "is for learning; add --normal FILE, or leave it out")
        detector = _saved(files.model, threshold)
    else:
        if files.model is not None:
            _refuse(trained, "is for training, but the --model is trained already; leave it out")
        if learning.baseline is not None:
            _refuse(trained, "is for an autoencoder, but the --baseline has none; leave it out")
        normal = _normal(replace(data, paths=[str(files.normal)]), autoencoder, symbols)
        parameters = training_parameters(autoencoder, sizes, training)
        detector = fitted_detector(normal, files.model, threshold, learning, parameters)
    work = _work(part, output, data.read_for(detector), files.model, detector, rows)
    if work.is_finished:
        say_kept(work.output)
        return
    for line in told(detector):
        note(line)
    detection = _detected(detector, work.source)
    from ..storage.tables import write_table

    write_table(work.output, detection.to_columns(rows.value), work.marks)
    if files.save is not None:
        save_model(detector, files.save, data)
    draw(plot, "timeline", detection)
    for line in _noticed(detector, detection, is_saved=files.normal is None):
        note(f"note: {line}")
    found = counted(len(detection.intervals), "interval" if detector.window_ else "anomalous sequence")
    say(f"{found} above the threshold in {counted(len(work.source), 'sequence')}: {work.output}", beside=output)


def _noticed(detector: AnomalyDetector, detection: Detection, *, is_saved: bool) -> list[str]:
    """Whether the scores have moved, where the limit is not of today; and why nothing is marked."""
    from ..detection.drift import drift_between

    scores = detection.judged_scores
    known = scores[scores == scores]
    told = []
    if is_saved and len(known) and (moved := drift_between(detector.held_out_scores_, known)).has_moved:
        told.append(f"{moved}; if these data are normal, let the detector follow them: seqae update")
    if not detection.intervals:
        told.append(detector.rule_.why_nothing(scores))
    return told


def _work(
    part: str | None,
    output: Path,
    source: Source,
    model: Path | None,
    detector: AnomalyDetector,
    rows: Rows,
) -> Work:
    """The whole, or a part of what a saved detector judges."""
    from ..storage.parts import Work, work_of

    if part is None or model is None:
        return Work(output, source)
    if detector.rule_.threshold.judges_together:
        raise InvalidParameter("--part needs a detector whose limit does not depend on the other sequences")
    return work_of(part, output, source, model, "detect", rows.value, detector.rule_.threshold)


def _check_files(output: Path, files: FileOptions, data: DataFile, symbols: SymbolOptions) -> None:
    """Raise InvalidParameter for files that would overwrite each other, or options that do not go together."""
    inputs = [path for path in (*data.inputs, files.normal, files.model) if path is not None]
    check_table_target(output, *inputs)
    if files.save is not None:
        check_model_target(files.save, *data.inputs)
        check_differs(files.save, output, *inputs)
    if files.model is not None and symbols != SymbolOptions():
        raise InvalidParameter(
            "--symbols and --split are for learning without --model, which takes what it was fitted on"
        )
    if files.threshold == "fbeta":
        raise InvalidParameter("--threshold fbeta needs labels, which the command line does not take; choose another")


def _normal(file: DataFile, autoencoder: AutoencoderOptions, symbols: SymbolOptions) -> DataFile:
    """The file of normal data, read as symbols where it holds some."""
    if symbols.symbols or takes_symbols(autoencoder.architecture or AUTO) or file.is_text:
        return replace(file, symbols=symbols.split.value)
    return file


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


def _saved(model: Path | None, threshold: Said) -> AnomalyDetector:
    from ..detection.detector import AnomalyDetector

    if model is None:
        raise InvalidParameter("give --normal FILE to learn what is normal, or --model FILE with a saved detector")
    return _judging(AnomalyDetector.from_model_file(detector_file(model)), threshold)


def threshold_of(name: str | None, events: EventOptions) -> Said:
    """The parameter threshold, if an option says what it is."""
    from ..detection.thresholds import Events

    said = changed(events)
    if not said:
        return () if name is None else (_number(name),)
    if name not in (None, "auto", "events"):
        raise InvalidParameter(f"{said[0]} is for events, but --threshold {name} marks none; leave one of them out")
    return (Events(counted_or_auto("--merge", events.merge), events.shortest, events.max_alarms_per_day),)


def _judging(detector: AnomalyDetector, threshold: Said) -> AnomalyDetector:
    """The detector with the threshold, if one is said."""
    return detector.set_params(threshold=threshold[0]) if threshold else detector


def _number(text: str) -> float | str | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def fitted_detector(
    file: DataFile,
    model: Path | None,
    threshold: Said,
    learning: LearningOptions,
    training: Mapping[str, Any],
) -> AnomalyDetector:
    """A detector of what is unlike the file.

    model: a file with an autoencoder that has not seen it, or None; then training holds the parameters of one.
    """
    from sklearn.frozen import FrozenEstimator

    from ..detection.detector import AnomalyDetector, own_autoencoder

    given: SequenceAutoencoder | FrozenEstimator | None = None
    if model is not None:
        given = load_autoencoder(model)
        normal, given = file.read_for(given), FrozenEstimator(given)
    else:
        normal = file.read()
        if learning.baseline is None:
            given = own_autoencoder(are_tokens=normal.ragged.is_tokens)
            given.set_params(**_own(training))
    names = split(learning.score)
    parameters = asdict(learning) | {
        "window": _window(learning.window),
        "stride": counted_or_auto("--stride", learning.stride),
        "score": names[0] if len(names) == 1 else names,
        "max_gap": None if learning.max_gap is None else _number(learning.max_gap),
        "scored_channels": None if learning.scored_channels is None else split(learning.scored_channels),
    }
    return _judging(AnomalyDetector(given, **parameters), threshold).fit(normal)


def _own(training: Mapping[str, object]) -> Mapping[str, object]:
    """What is to be changed of the detector's own autoencoder: all, where another architecture is to be trained."""
    if training["architecture"] is not None:
        return training
    return {name: value for name, value in training.items() if name != "architecture" and value != "auto"}


def told(detector: AnomalyDetector) -> list[str]:
    """What a detector chose, in a few short lines."""
    from ..detection.limits import runs

    setting, rule = detector.learnt_.setting, detector.rule_
    unit = "sequences" if setting.window is None else "steps"
    apart = "" if setting.stride == 1 else f", {setting.stride} apart"
    judged = "whole sequences" if setting.window is None else f"steps, through windows of {setting.window:,}{apart}"
    limit, n_held_out = limit_shown(rule.limit.value), len(detector.held_out_scores_)
    lines = [
        f"judges {judged}, by {', '.join(part.score.name for part in detector.scorer_.parts)}",
        f"limit {limit}, by {rule.threshold}; {n_held_out:,} {unit} were held out",
    ]
    if setting.window is not None and rule.steps_per_day is not None and rule.limit.value is not None:
        n_events = len(runs(rule.marks(detector.held_out_scores_).is_marked))
        n_days = n_held_out / rule.steps_per_day
        lines.append(f"in the {n_days:.2g} days held out, {counted(n_events, 'event')} above the limit")
    model = detector.autoencoder_
    if model is not None and model.history_.epochs:
        lines.append(f"autoencoder: best epoch {best_epoch(model.history_)}")
    return lines


def split(names: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in names.split(","))


def _window(text: str) -> int | Literal["auto"] | None:
    if text in ("auto", "none"):
        return None if text == "none" else "auto"
    if not (text.isascii() and text.isdigit()):
        raise InvalidParameter(f"--window must be a number of steps, auto or none, got {text!r}")
    return int(text)
