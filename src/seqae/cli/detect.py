"""seqae detect: find what is unlike normal data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InvalidParameter
from . import options
from .files import DataFile, check_differs, check_model_target, check_table_target, load_autoencoder
from .screen import counted, say

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..reading import Source

LEARNING = "What is normal"
LEARNT = (None, "quantile", "sigmas", "peaks", "conformal")
"""Thresholds learnt from normal data; None is the default one."""


class Rows(StrEnum):
    """What a row of the result is."""

    interval = "interval"
    step = "step"
    sequence = "sequence"


@dataclass(frozen=True, slots=True)
class Learning:
    """Options for learning what is normal."""

    window: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Steps, none to judge whole sequences, or auto: the period, none for symbols.",
            rich_help_panel=LEARNING,
        ),
    ] = "auto"
    score: Annotated[
        str,
        typer.Option(
            metavar="A,B,...", help="error, mahalanobis, latent, linear, nearest, ngram ...", rich_help_panel=LEARNING
        ),
    ] = "auto"
    scored_channels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...", help="Of the channels, those whose errors count; all are read.", rich_help_panel=LEARNING
        ),
    ] = None
    random_state: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same detector.", rich_help_panel=LEARNING)
    ] = 0


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
    learning: Learning,
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
    """Find steps or sequences that are unlike normal data, and write them with their ids and times."""
    if model is None and normal is None:
        raise InvalidParameter("give --normal FILE to learn what is normal, or --model FILE with a saved detector")
    inputs = [path for path in (data.path, normal, model) if path is not None]
    check_table_target(output, *inputs)
    if save is not None:
        check_model_target(save, data.path)
        check_differs(save, output, *inputs)
    if model is not None and (symbols or split != options.Split.auto):
        raise InvalidParameter(
            "--symbols and --split are for learning without --model, which takes what it was fitted on"
        )
    if normal is None and learning != Learning():
        raise InvalidParameter(
            "--window, --score, --scored-channels and --seed are for learning; add --normal FILE, or leave them out"
        )
    if threshold == "fbeta":
        raise InvalidParameter("--threshold fbeta needs labels, which the command line does not take; choose another")
    if normal is not None and normal.resolve() == data.path.resolve() and threshold in LEARNT:
        raise InvalidParameter(
            "--normal is the file that is judged; give another, or ask for it by name: --threshold scored or dynamic"
        )
    if normal is None:
        detector = _saved(model, threshold)
    else:
        file = replace(data, path=normal)
        if symbols or file.is_text:
            file = replace(file, symbols=split.value)
        detector = _fitted(file, model, learning, threshold or "quantile")
    source = data.read_for(detector)
    detection = detector.detect(source)
    from ..storage.tables import write_table

    write_table(output, detection.to_columns(rows.value))
    if save is not None:
        detector.save(save)
    found = counted(len(detection.intervals), "interval")
    say(f"{found} above the threshold in {counted(len(source), 'sequence')}: {output}")


def _saved(model: Path | None, threshold: str | None) -> AnomalyDetector:
    from ..detection.detector import AnomalyDetector
    from ..storage.loading import load

    detector = load(model or "")
    if not isinstance(detector, AnomalyDetector):
        raise InvalidParameter(f"{model} is not a detector; add --normal FILE to learn from what is normal")
    return detector if threshold is None else detector.set_params(threshold=_number(threshold))


def _fitted(file: DataFile, model: Path | None, learning: Learning, threshold: str) -> AnomalyDetector:
    from sklearn.frozen import FrozenEstimator

    from ..detection.detector import AnomalyDetector

    names = _split(learning.score)
    autoencoder = None if model is None else load_autoencoder(model)
    normal = file.read() if autoencoder is None else file.read_for(autoencoder)
    return AnomalyDetector(
        None if autoencoder is None else FrozenEstimator(autoencoder),
        window=_window(learning.window, normal),
        score=names[0] if len(names) == 1 else names,
        threshold=_number(threshold),
        scored_channels=None if learning.scored_channels is None else _split(learning.scored_channels),
        random_state=learning.random_state,
    ).fit(normal)


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(","))


def _window(text: str, normal: Source) -> int | Literal["auto"] | None:
    if text == "auto" and normal.ragged.is_tokens and len(normal) > 1:
        return None  # symbols have no period, and whole sequences are judged best
    if text in ("auto", "none"):
        return None if text == "none" else "auto"
    if not (text.isascii() and text.isdigit()):
        raise InvalidParameter(f"--window must be a number of steps, auto or none, got {text!r}")
    return int(text)


def _number(text: str) -> float | str | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        return text
