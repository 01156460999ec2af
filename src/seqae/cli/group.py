"""What all commands share: errors of one line, exit codes, --version."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import SeqaeError

BAD_INPUT, INTERRUPTED = 2, 130


class Group(TyperGroup):
    """Commands whose errors are one line on stderr: exit code 2 for what a user can mend, 130 for Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its result, or the exit that its error means."""
        try:
            return super().invoke(ctx)
        except SeqaeError as error:
            fail(str(error))
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            fail("interrupted; nothing was written")
            raise typer.Exit(INTERRUPTED) from error


def fail(message: str) -> None:
    """Print an error as one line on stderr."""
    typer.secho("error: ", err=True, nl=False, fg=typer.colors.RED, bold=True)
    typer.echo(" ".join(message.split()), err=True)


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

    A command takes a CSV, TSV, Parquet, Arrow, NPZ, NPY, JSON Lines or .ts file, and writes Parquet or CSV.
    """
