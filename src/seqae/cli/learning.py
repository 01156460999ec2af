"""Options of what is normal, for `seqae detect`; defaults are those of AnomalyDetector."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from ..parameters import DEFAULTS
from .training import MODEL, ModelOptions, TrainingOptions, counted_or_auto, parameters_of

LEARNING, EVENTS = "What is normal", "Events of long series"


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
        str,
        typer.Option(
            metavar="N", help="Steps from one window to the next; auto is an eighth of it.", rich_help_panel=LEARNING
        ),
    ] = "auto"
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
    contamination: Annotated[
        float | None,
        typer.Option(metavar="X", help="Share of anomalies among the normal data, if any.", rich_help_panel=LEARNING),
    ] = None
    max_gap: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Longest difference of times without a gap, in usual ones (5) or as 30min; steps that are missing up "
            "to it are missing values.",
            rich_help_panel=LEARNING,
        ),
    ] = None
    random_state: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same detector.", rich_help_panel=LEARNING)
    ] = 0


@dataclass(frozen=True, slots=True)
class EventOptions:
    """What an event of a long series is, as settings of Events."""

    merge: Annotated[
        str,
        typer.Option(
            metavar="N", help="Steps between events that are one; auto is the window.", rich_help_panel=EVENTS
        ),
    ] = "auto"
    shortest: Annotated[
        int, typer.Option(metavar="N", help="Steps of the shortest event that is marked.", rich_help_panel=EVENTS)
    ] = 1
    max_alarms_per_day: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Raises the limit until normal data have no more events a day.", rich_help_panel=EVENTS
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class AutoencoderOptions:
    """The autoencoder beside ModelOptions; without an architecture it is the one that suits the data."""

    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="As for fit; hybrid, or tokens for symbols, if not said.",
            rich_help_panel=MODEL,
        ),
    ] = None
    latent_size: Annotated[
        str,
        typer.Option(metavar="N", help="Values of a vector; auto is the architecture's own.", rich_help_panel=MODEL),
    ] = str(DEFAULTS.latent_size)


def changed(*groups: LearningOptions | EventOptions | AutoencoderOptions | ModelOptions | TrainingOptions) -> list[str]:
    """The options, such as --window, that are not as their groups have them by default."""
    return [
        "--seed" if field.name == "random_state" else f"--{field.name.replace('_', '-')}"
        for group in groups
        for field in fields(group)
        if getattr(group, field.name) != getattr(type(group)(), field.name)
    ]


def training_parameters(
    autoencoder: AutoencoderOptions, model: ModelOptions, training: TrainingOptions
) -> dict[str, Any]:
    """The parameters of the autoencoder that is to be trained."""
    size = counted_or_auto("--latent-size", autoencoder.latent_size)
    return parameters_of(model, training) | {"architecture": autoencoder.architecture, "latent_size": size}
