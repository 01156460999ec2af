"""Options for model and training, for all commands that train; the defaults are those in Python."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from ..errors import InvalidParameter
from ..parameters import DEFAULTS

MODEL, TRAINING = "The model", "The training"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model without its architecture and latent_size, as parameters of SequenceAutoencoder."""

    hidden_size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Units of a layer; 64 if the architecture does not say.", rich_help_panel=MODEL),
    ] = DEFAULTS.hidden_size
    n_layers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Layers on each side; 1 if the architecture does not say.", rich_help_panel=MODEL
        ),
    ] = DEFAULTS.n_layers
    cell: Annotated[str, typer.Option(metavar="NAME", help="lstm or gru.", rich_help_panel=MODEL)] = DEFAULTS.cell
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="mse, mae, huber, bce; auto is mse, or cross_entropy of symbols.",
            rich_help_panel=MODEL,
        ),
    ] = DEFAULTS.loss
    scale: Annotated[bool, typer.Option(help="Centre and scale each channel first.", rich_help_panel=MODEL)] = True


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The training, as parameters of SequenceAutoencoder; patience 0 stands for None."""

    quality: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How much to train: fast, good, or best, which takes minutes.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULTS.quality
    max_epochs: Annotated[
        str, typer.Option(metavar="N", help="Most epochs; auto goes by --quality.", rich_help_panel=TRAINING)
    ] = str(DEFAULTS.max_epochs)
    batch_size: Annotated[
        str, typer.Option(metavar="N", help="Sequences of a batch; auto goes by the data.", rich_help_panel=TRAINING)
    ] = str(DEFAULTS.batch_size)
    learning_rate: Annotated[
        float, typer.Option(metavar="X", help="The highest of the schedule.", rich_help_panel=TRAINING)
    ] = DEFAULTS.learning_rate
    validation_fraction: Annotated[
        float, typer.Option(metavar="X", help="Part held out to find the best epoch.", rich_help_panel=TRAINING)
    ] = DEFAULTS.validation_fraction
    patience: Annotated[
        str,
        typer.Option(
            metavar="N", help="Epochs without progress to stop after; 0 never stops.", rich_help_panel=TRAINING
        ),
    ] = str(DEFAULTS.patience)
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda or cuda:1.", rich_help_panel=TRAINING)] = (
        DEFAULTS.device
    )


def parameters_of(model: ModelOptions, training: TrainingOptions) -> dict[str, Any]:
    """The options as parameters of SequenceAutoencoder."""
    counts = {
        name: counted_or_auto(f"--{name.replace('_', '-')}", getattr(training, name))
        for name in ("max_epochs", "batch_size", "patience")
    }
    return {**asdict(model), **asdict(training), **counts, "patience": counts["patience"] or None}


def counted_or_auto(option: str, text: str) -> int | Literal["auto"]:
    """What an option says that takes a whole number or auto."""
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdigit()):
        raise InvalidParameter(f"{option} must be a whole number or auto, got {text}")
    return int(text)
