"""seqae fit: train on a file, save the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..model.presets import PRESETS, as_architecture
from ..parameters import DEFAULTS
from . import options
from .files import DataFile, check_differs, check_model_target, save_model
from .screen import best_epoch, duration, facts, lengths, losses, place, steps
from .training import MODEL, TRAINING, ModelOptions, TrainingOptions, parameters_of

if TYPE_CHECKING:
    from ..estimator import SequenceAutoencoder
    from ..reading import Source


def fit(
    data: DataFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save the model.", show_default=False)
    ],
    *,
    split: options.SplitText = options.Split.auto,
    architecture: Annotated[
        str, typer.Option(metavar="NAME", help=f"One of {', '.join(PRESETS)}.", rich_help_panel=MODEL)
    ] = DEFAULTS.architecture,
    latent_size: Annotated[int, typer.Option(metavar="N", help="Values of a vector.", rich_help_panel=MODEL)] = (
        DEFAULTS.latent_size
    ),
    model: ModelOptions,
    predicted_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Also learn to continue by N steps, for forecast; composite by 1.", rich_help_panel=MODEL
        ),
    ] = None,
    training: TrainingOptions,
    random_state: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same model.", rich_help_panel=TRAINING)
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Kept after each epoch; to resume.", rich_help_panel=TRAINING),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Train an autoencoder on the sequences of a file, and save it.

    With --architecture tokens the steps are symbols, text or whole numbers: a column of a table, a JSON line's values,
    or the words or characters of each line of a .txt file.

    Ctrl-C and SIGTERM end the training and save the best model so far; the exit code is then 130 or 143.
    """
    check_model_target(output, data.path)
    if checkpoint is not None:
        check_model_target(checkpoint, data.path)
        check_differs(checkpoint, output)
    plan = as_architecture(architecture)
    source = replace(data, symbols=split.value if plan.takes_symbols else None).read()
    named = architecture if predicted_steps is None else PRESETS[architecture].predicting(predicted_steps)
    given = parameters_of(model, training) | {"latent_size": latent_size, "random_state": random_state}
    estimator = _estimator(checkpoint, quiet, architecture=named, **given).fit(source, interrupt="keep")
    save_model(estimator, output)
    if not quiet:
        facts(summary(estimator, source) | {"saved": str(output)}, beside=output)
    if estimator.history_.stopped_by == "interrupt":
        raise KeyboardInterrupt(f"training was interrupted; the best model of its whole epochs is saved: {output}")


def _estimator(checkpoint: Path | None, is_quiet: bool, **parameters: object) -> SequenceAutoencoder:
    from ..estimator import SequenceAutoencoder
    from ..training.checkpoint import Checkpoint

    callbacks = () if checkpoint is None else (Checkpoint(checkpoint),)
    verbose = False if is_quiet else "auto"
    return SequenceAutoencoder(**parameters, callbacks=callbacks, verbose=verbose)  # pyright: ignore[reportArgumentType]


def summary(model: SequenceAutoencoder, source: Source) -> dict[str, str]:
    """What was trained on, and how it went."""
    history = model.history_
    return {
        "sequences": f"{len(source):,} of {lengths(source.ragged)}",
        **steps(model.shape_.n_symbols, model.channel_names_, model.vocabulary_),
        "best epoch": best_epoch(history),
        "loss": losses(history),
        "time": f"{duration(history.seconds)} on {place(model.model_.device)}",
    }
