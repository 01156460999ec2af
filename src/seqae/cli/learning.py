"""Options of what is normal, for `seqae detect`; defaults are those of AnomalyDetector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InvalidParameter
from ..parameters import DEFAULTS
from .files import DataFile
from .screen import best_epoch
from .training import MODEL, ModelOptions, TrainingOptions, counted_or_auto, parameters_of

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..estimator import SequenceAutoencoder

LEARNING = "What is normal"


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How a detector learns what is normal, as parameters of AnomalyDetector."""

    window: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Steps, none to judge whole sequences, or auto: none for several short ones or symbols, else the "
            "period.",
            rich_help_panel=LEARNING,
        ),
    ] = "auto"
    stride: Annotated[
        int, typer.Option(metavar="N", help="Steps from one window to the next.", rich_help_panel=LEARNING)
    ] = 1
    score: Annotated[
        str,
        typer.Option(
            metavar="A,B,...", help="error, mahalanobis, latent, linear, nearest, ngram ...", rich_help_panel=LEARNING
        ),
    ] = "auto"
    baseline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="pca or, of symbols, ngram: no autoencoder.", rich_help_panel=LEARNING),
    ] = None
    scored_channels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...", help="Of the channels, those whose errors count; all are read.", rich_help_panel=LEARNING
        ),
    ] = None
    held_out_fraction: Annotated[
        float,
        typer.Option(metavar="X", help="Part of the normal data held out for the limit.", rich_help_panel=LEARNING),
    ] = 0.2
    random_state: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same detector.", rich_help_panel=LEARNING)
    ] = 0


@dataclass(frozen=True, slots=True)
class AutoencoderOptions:
    """The autoencoder beside ModelOptions; without an architecture it is the one that suits the data."""

    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="As for fit; repeat, or tokens for symbols, if not said.",
            rich_help_panel=MODEL,
        ),
    ] = None
    latent_size: Annotated[
        str,
        typer.Option(metavar="N", help="Values of a vector; auto is the architecture's own.", rich_help_panel=MODEL),
    ] = str(DEFAULTS.latent_size)


def changed(*groups: LearningOptions | AutoencoderOptions | ModelOptions | TrainingOptions) -> list[str]:
    """The options, such as --window, that are not as their groups have them by default."""
    return [
        "--seed" if field.name == "random_state" else f"--{field.name.replace('_', '-')}"
        for group in groups
        for field in fields(group)
        if getattr(group, field.name) != getattr(type(group)(), field.name)
    ]


def fitted_detector(
    file: DataFile,
    model: Path | None,
    threshold: str | float | None,
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
        from ..storage.loading import load_autoencoder

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
        "score": names[0] if len(names) == 1 else names,
        "scored_channels": None if learning.scored_channels is None else split(learning.scored_channels),
    }
    return AnomalyDetector(given, threshold=threshold, **parameters).fit(normal)


def _own(training: Mapping[str, object]) -> Mapping[str, object]:
    """What is to be changed of the detector's own autoencoder: all, where another architecture is to be trained."""
    if training["architecture"] is not None:
        return training
    return {name: value for name, value in training.items() if name != "architecture" and value != "auto"}


def training_parameters(
    autoencoder: AutoencoderOptions, model: ModelOptions, training: TrainingOptions
) -> dict[str, Any]:
    """The parameters of the autoencoder that is to be trained."""
    size = counted_or_auto("--latent-size", autoencoder.latent_size)
    return parameters_of(model, training) | {"architecture": autoencoder.architecture, "latent_size": size}


def told(detector: AnomalyDetector) -> list[str]:
    """What a detector chose, in a few short lines."""
    setting, rule = detector.learnt_.setting, detector.rule_
    unit = "sequences" if setting.window is None else "steps"
    apart = "" if setting.stride == 1 else f", {setting.stride} apart"
    judged = "whole sequences" if setting.window is None else f"steps, through windows of {setting.window:,}{apart}"
    limit = "none" if rule.limit.value is None else f"{rule.limit.value:.4g}"
    lines = [
        f"judges {judged}, by {', '.join(part.score.name for part in detector.scorer_.parts)}",
        f"limit {limit}, by {rule.threshold}; {len(detector.held_out_scores_):,} {unit} were held out",
    ]
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
