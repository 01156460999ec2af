"""What all commands share: errors of one line, exit codes, --version."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import SeqaeError
from ..version import __version__

BAD_INPUT, INTERRUPTED = 2, 130
AS_OPTIONS = {
    "missing='mask'": "--missing mask",
    "wide=True": "--wide",
    "symbols are for architecture='tokens' or symbols='auto'": "symbols are for fit --architecture tokens and detect "
    "--symbols",
    "None for whole sequences": "--window none for whole sequences",
    "window= for one long series": "--window for one long series",
    "channels=[...]": "--channels A,B,...",
    "channels=": "--channels",
    "id=": "--id",
    "time=": "--time",
    "scale=True": "--scale",
    "loss='mse'": "--loss mse",
    "random_state": "--seed",
    "scored_channels": "--scored-channels",
    "latent_size": "--latent-size",
    "hidden_size": "--hidden-size",
    "n_layers": "--n-layers",
    "n_seeds": "--n-seeds",
    "n_steps must": "--steps must",
    "predicted_steps": "--predicted-steps",
    "max_epochs": "--max-epochs",
    "batch_size": "--batch-size",
    "learning_rate": "--learning-rate",
    "validation_fraction": "--validation-fraction",
}
"""What messages call by its Python name, as the command line calls it; longer names first."""


class Group(TyperGroup):
    """Commands whose errors are one line on stderr: exit code 2 for what a user can mend, 130 for Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its result, or the exit that its error means."""
        try:
            return super().invoke(ctx)
        except SeqaeError as error:
            fail(_with_options(str(error)))
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            fail("interrupted; nothing was written")
            raise typer.Exit(INTERRUPTED) from error


def fail(message: str) -> None:
    """Print an error as one line on stderr."""
    typer.secho("error: ", err=True, nl=False, fg=typer.colors.RED, bold=True)
    typer.echo(" ".join(message.split()), err=True)


def _with_options(message: str) -> str:
    """The message with Python's arguments as options."""
    names = "|".join(re.escape(name) for name in AS_OPTIONS)
    return re.sub(rf"(?<![\w'-])({names})(?![\w'\"])", lambda match: AS_OPTIONS[match[0]], message)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"seqae {__version__}")
        raise typer.Exit


def show_version(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn sequences of any length into vectors of one size, and back.

    A command takes a CSV, TSV, Parquet, Arrow, NPZ, NPY, JSON Lines, .ts or .txt file, and writes Parquet or CSV.
    """
