"""seqae fit: train on a file, save the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidParameter
from ..model.plans import Plan
from ..model.presets import AUTO, PRESETS, takes_symbols
from ..parameters import DEFAULTS, seeded_copy
from . import options
from .files import (
    DataFile,
    WindowOptions,
    check_differs,
    check_figure_target,
    check_model_target,
    draw,
    load_autoencoder,
    save_model,
)
from .screen import best_epoch, counted, duration, explained, facts, lengths, listed, losses, place, say, steps
from .training import MODEL, TRAINING, ModelOptions, TrainingOptions, counted_or_auto, parameters_of

if TYPE_CHECKING:
    from ..estimator import SequenceAutoencoder
    from ..reading import Source

MOST_JUDGED = 1024  # sequences, beside simpler models


@dataclass(frozen=True, slots=True)
class RunOptions:
    """From where training starts, and what is kept of it."""

    random_state: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same model.", rich_help_panel=TRAINING)
    ] = 0
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Kept after each epoch; to resume.", rich_help_panel=TRAINING),
    ] = None
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A model to go on from, with data that have its channels or symbols.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    refit_scaling: Annotated[
        bool, typer.Option("--refit-scaling", help="Scale by the new data, not as in --from.", rich_help_panel=TRAINING)
    ] = False
    freeze: Annotated[
        str | None,
        typer.Option(metavar="PART", help="encoder or decoder: stays as in --from.", rich_help_panel=TRAINING),
    ] = None


def fit(
    data: DataFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save the model.", show_default=False)
    ],
    *,
    split: options.SplitText = options.Split.auto,
    unknown: options.UnknownSymbols = options.Unknown.error,
    architecture: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"auto (hybrid where that can be) or one of {', '.join(PRESETS)}.",
            rich_help_panel=MODEL,
        ),
    ] = DEFAULTS.architecture,
    latent_size: Annotated[
        str, typer.Option(metavar="N", help="Values of a vector; auto goes by the data.", rich_help_panel=MODEL)
    ] = str(DEFAULTS.latent_size),
    model: ModelOptions,
    predicted_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Also learn to continue by N steps, for forecast; composite by 1.", rich_help_panel=MODEL
        ),
    ] = None,
    training: TrainingOptions,
    run: RunOptions,
    windows: WindowOptions,
    plot: options.Plot = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Train an autoencoder on the sequences of a file, and save it.

    With --architecture tokens the steps are symbols, text or whole numbers: a column of a table, a JSON line's values,
    or the words or characters of each line of a .txt file.

    Ctrl-C and SIGTERM end the training and save the best model so far; the exit code is then 130 or 143.
    """
    _check_files(data, output, run, plot)
    data = replace(data.following(run.start), unknown=unknown.value)
    init = None if run.start is None else load_autoencoder(run.start)
    named = architecture if predicted_steps is None else _predicting(architecture, predicted_steps)
    told = parameters_of(model, training) | _size(latent_size) | {"architecture": named}
    estimator = _estimator(told, run, quiet) if init is None else _going_on(init, told, run, quiet)
    symbols = split.value if takes_symbols(architecture) else None
    whole = replace(data, symbols=symbols).read() if init is None else data.read_for(init)
    source, later = windows.split(whole, training.validation_fraction)
    parts = () if run.freeze is None else (run.freeze,)
    estimator.fit(source, validation=later, interrupt="keep", init=init, refit_scaling=run.refit_scaling, freeze=parts)
    save_model(estimator, output, data)
    _draw(estimator, source, plot)
    if not quiet:
        _tell(estimator, source, output)
    if estimator.history_.stopped_by == "interrupt":
        raise KeyboardInterrupt(f"training was interrupted; the best model of its whole epochs is saved: {output}")


def _predicting(architecture: str, n_steps: int) -> Plan:
    """The preset, or what a closed form is replaced by: see Hybrid.predicting."""
    return PRESETS["hybrid" if architecture == AUTO else architecture].predicting(n_steps)


def _estimator(told: dict[str, object], run: RunOptions, is_quiet: bool) -> SequenceAutoencoder:
    from ..estimator import SequenceAutoencoder
    from ..training.checkpoint import Checkpoint

    given = told | {"random_state": run.random_state, "verbose": False if is_quiet else "auto"}
    callbacks = () if run.checkpoint is None else (Checkpoint(run.checkpoint),)
    return SequenceAutoencoder(**given, callbacks=callbacks)  # pyright: ignore[reportArgumentType]


def _going_on(
    init: SequenceAutoencoder, told: dict[str, object], run: RunOptions, is_quiet: bool
) -> SequenceAutoencoder:
    """An estimator of the model of init, trained as options say.

    Raises InvalidParameter for an option that says what the model is.
    """
    from ..continuing import MODEL as OF_MODEL
    from ..estimator import SequenceAutoencoder

    described = _estimator(told, run, is_quiet).get_params(deep=False)
    usual = SequenceAutoencoder().get_params(deep=False)
    for name in OF_MODEL:
        if described[name] != usual[name]:
            option = f"--{name.replace('_', '-')}"
            raise InvalidParameter(f"{option} says what a new model is, but --from {run.start} is one; leave it out")
    own = {name: value for name, value in described.items() if name not in OF_MODEL}
    return seeded_copy(init, None).set_params(**own)


def _size(latent_size: str) -> dict[str, object]:
    return {"latent_size": counted_or_auto("--latent-size", latent_size)}


def _check_files(data: DataFile, output: Path, run: RunOptions, plot: Path | None) -> None:
    check_model_target(output, *data.inputs)
    check_figure_target(plot, *data.inputs, output)
    if run.checkpoint is not None:
        check_model_target(run.checkpoint, *data.inputs)
        check_differs(run.checkpoint, output)


def _tell(estimator: SequenceAutoencoder, source: Source, output: Path) -> None:
    facts(summary(estimator, source) | {"saved": str(output)}, beside=output)
    for line in estimator.history_.diagnostics:
        say(f"note: {line}", beside=output)


def _draw(estimator: SequenceAutoencoder, source: Source, path: Path | None) -> None:
    from ..examination import examine

    if path is None:
        return
    if estimator.model_.decoder is None:
        draw(path, "loss", estimator.history_)
    else:
        draw(path, "overview", examine(estimator, source))


def summary(model: SequenceAutoencoder, source: Source) -> dict[str, str]:
    """What was trained on, and how it went."""
    history, constant = model.history_, _constant_channels(source)
    return {
        "sequences": f"{len(source):,} of {lengths(source.ragged)}",
        **steps(model.shape_.n_symbols, model.channel_names_, model.vocabulary_),
        **({"constant": f"{listed(constant)}: left out of what is explained"} if constant else {}),
        "architecture": f"{_named(model.architecture_)}, vectors of {counted(model.latent_size_, 'value')}",
        **explained(history, _simpler(model, source)),
        "best epoch": best_epoch(history),
        **({"loss": losses(history)} if history.best is not None else {}),
        "time": f"{duration(history.seconds)} on {place(model.model_.device)}",
    }


def _simpler(model: SequenceAutoencoder, source: Source) -> dict[str, float]:
    """What the mean sequence and PCA explain of the held-out sequences, of at most 1,024 of them."""
    import numpy as np

    from ..examination.quality import beside_linear
    from ..sequences.ragged import evenly_chosen

    if model.history_.explained is None or not len(model.held_out_):
        return {}
    sequences, chosen = source.ragged, model.held_out_[evenly_chosen(len(model.held_out_), MOST_JUDGED)]
    training = sequences[np.setdiff1d(np.arange(len(source)), model.held_out_)]
    size = model.encoder_.n_decoding or model.latent_size_
    beside = beside_linear(sequences[chosen], model.history_.explained, model.scaling_, (size,), training)
    return {row.name: row.explained for row in beside.rows[1:]}


def _constant_channels(source: Source) -> tuple[str, ...]:
    """Names of the channels whose value never changes."""
    if source.ragged.is_tokens:
        return ()
    from ..sequences.scaling import spread_of

    constant = spread_of(source.ragged).is_constant
    return tuple(name for name, is_constant in zip(source.channel_names, constant, strict=True) if is_constant)


def _named(architecture: str | Plan) -> str:
    return architecture if isinstance(architecture, str) else repr(architecture)
