"""The command line, `seqae COMMAND`. A command is one file in this folder and one line of COMMANDS.

Commands import heavy modules in their bodies, so that a help page needs only Typer.
"""

from __future__ import annotations

import typer

from .bench import bench
from .compare import compare
from .demo import demo
from .detect import detect
from .drift import drift
from .embed import embed
from .export import export
from .fit import fit
from .forecast import forecast
from .group import Group, show_version
from .importing import import_model
from .impute import impute
from .index import index
from .info import info
from .join import join
from .look import look
from .nearest import nearest
from .options import spread
from .reconstruct import reconstruct
from .report import report
from .serve import serve
from .update import update

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Group,
    callback=show_version,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="First steps:  seqae demo",
)


COMMANDS = {
    demo: "seqae demo",
    look: "seqae look walks.csv --id person --time second",
    fit: "seqae fit walks.csv --id person --time second -o walks.seqae",
    embed: "seqae embed walks.seqae new.csv --id person --time second -o vectors.parquet",
    index: "seqae index vectors.parquet -o vectors.arrow",
    nearest: "seqae nearest vectors.arrow new.parquet -k 5 -o near.csv",
    reconstruct: "seqae reconstruct walks.seqae new.csv --id person --time second -o again.csv",
    impute: "seqae impute walks.seqae new.csv --id person --time second -o filled.csv",
    detect: "seqae detect today.csv --normal last_month.csv --time minute -o found.parquet",
    drift: "seqae drift detector.seqae today.csv --time minute",
    update: "seqae update detector.seqae today.csv --time minute -o detector.seqae",
    join: "seqae join vectors.part-*.parquet -o vectors.parquet",
    forecast: "seqae forecast walks.seqae new.csv --id person --time second --steps 10 -o next.csv",
    compare: "seqae compare walks.csv --id person --time second -o table.csv",
    report: "seqae report walks.seqae new.csv --id person --time second -o report.html",
    export: "seqae export walks.seqae --c walks_c --onnx walks_onnx",
    serve: "seqae serve walks.seqae --port 8000",
    import_model: "seqae import model.keras -o walks.seqae",
    info: "seqae info walks.seqae",
    bench: "seqae bench --quick",
}
"""Each command with an example, in the order of the help page."""

for _command, _example in COMMANDS.items():
    app.command(epilog=f"Example:  [bold]{_example}[/bold]")(spread(_command))


def main() -> None:
    """Run the command that sys.argv names."""
    app(prog_name="seqae")
