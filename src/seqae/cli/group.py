"""What all commands share: errors of one line, exit codes, --version."""

from __future__ import annotations

import platform
import re
import signal
import warnings
from collections.abc import Mapping
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from ..errors import DataWarning, SeqaeError
from ..version import __version__

BAD_INPUT = 2
LIBRARIES = ("numpy", "torch", "scikit-learn", "pyarrow", "narwhals")


class Group(TyperGroup):
    """Commands whose errors are one line on stderr.

    Exit codes: 2 for what a user can mend, 130 for Ctrl-C, 143 for SIGTERM. Both interrupt a command alike; one that
    saved what it had says so in its KeyboardInterrupt.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; its result, or the exit that its error means."""
        received = [signal.SIGINT]

        def stop(number: int, frame: object) -> None:
            received.append(signal.Signals(number))
            raise KeyboardInterrupt

        previous = signal.signal(signal.SIGTERM, stop)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                warnings.simplefilter("always", DataWarning)
                return super().invoke(ctx)
        except SeqaeError as error:
            fail(as_options(str(error), error.parameter, self.options_of(ctx.invoked_subcommand)))
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            fail(str(error) or "interrupted; nothing was written")
            raise typer.Exit(128 + received[-1]) from error
        finally:
            signal.signal(signal.SIGTERM, previous)

    def options_of(self, running: str | None) -> dict[str, tuple[str, TyperOption]]:
        """By the parameter that it sets, each option and the command that takes it: "" for the running one.

        Of other commands `look` comes last, which learns nothing.
        """
        found: dict[str, tuple[str, TyperOption]] = {}
        taken = [(name, o) for name, own in self.commands.items() for o in own.params if isinstance(o, TyperOption)]
        for command, option in sorted(taken, key=lambda own: (own[0] != running, own[0] == "look")):
            found.setdefault(option.name or "", ("" if command == running else command, option))
        return found


def _show_warning(message: Warning | str, *_: object) -> None:
    """Print a warning as one line on stderr."""
    typer.secho("warning: ", err=True, nl=False, fg=typer.colors.YELLOW, bold=True)
    typer.echo(" ".join(str(message).split()), err=True)


def fail(message: str) -> None:
    """Print an error as one line on stderr."""
    typer.secho("error: ", err=True, nl=False, fg=typer.colors.RED, bold=True)
    typer.echo(" ".join(message.split()), err=True)


def as_options(message: str, parameter: str | None, options: Mapping[str, tuple[str, TyperOption]]) -> str:
    """A message in which Python's arguments are spelt as options.

    These are `parameter`, wherever it stands, and every name=value, such as missing='mask': --missing mask.
    options: see Group.options_of(); one that the running command does not take is named with its command.
    """

    def spelt(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        if value is None and name != parameter:
            return match[0]
        command, option = options[name]
        spelling = _spelt(option, (value or "").strip("'"))
        return f"{command} {spelling}".strip()

    names = "|".join(map(re.escape, options))
    return re.sub(
        rf"(?<![\w.'-])(?P<name>{names})\b(?:=(?P<value>'[^']*'|\[[^]]*\]|(?:[\w.]*\w)?))?(?!['\w])", spelt, message
    )


def _spelt(option: TyperOption, value: str) -> str:
    """value: as Python writes it, without quotes; nothing where a message speaks of the argument itself."""
    if option.is_flag:
        return (option.secondary_opts or option.opts)[0] if value == "False" else option.opts[0]
    shown = {"None": "none", "[...]": option.metavar or ""}.get(value, value)
    return f"{option.opts[0]} {shown}".strip()


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from ..recurrence import active_kernel

        libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
        typer.echo(f"seqae {__version__}, kernel {active_kernel()}")
        typer.echo(f"Python {platform.python_version()}, {libraries}")
        raise typer.Exit


def show_version(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print version, kernel and libraries, and exit."
        ),
    ] = False,
) -> None:
    """Turn sequences of any length into vectors of one size, and back.

    A command takes a CSV, TSV, Parquet, Arrow, NPZ, NPY, JSON Lines, .ts or .txt file, and writes Parquet or CSV.
    """
