"""seqae demo: train and measure on real data, beside simpler methods."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .screen import console, duration, place, say
from .training import counted_or_auto

if TYPE_CHECKING:
    from rich.table import Table

    from ..demo import Demo


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the results.")
    ] = Path("demo-out"),
    max_epochs: Annotated[
        str,
        typer.Option("--max-epochs", "--epochs", metavar="N", help="Of the recurrent autoencoder; auto as for fit."),
    ] = "auto",
) -> None:
    """Train on spoken vowels and measure the result.

    Two simpler methods are measured beside it; model, vectors, reconstructions and a report are written to a folder.

    The data comes with the package: 640 utterances of Japanese vowels by nine men, 7 to 29 steps of 12 channels
    (Kudo, Toyama & Shimbo 1999; UCI; CC BY 4.0).
    """
    from ..demo import check_folder, run

    check_folder(output)
    say("Training on 270 spoken vowels; 370 others are held out.")
    result = run(output, max_epochs=counted_or_auto("--max-epochs", max_epochs))
    _show(result, _report(result))


def _report(result: Demo) -> Path:
    """The page about the default model and the held-out utterances."""
    from ..data import japanese_vowels
    from ..examination import examine
    from ..report import Origin, decoding_of, page_of, write_report

    page, test = result.folder / "report.html", result.test
    examined = examine(result.model, test.source, test.speakers, learnt_from=japanese_vowels("train").source)
    origin = Origin(str(result.paths[0]), (str(result.paths[3]),), "--id utterance --time step")
    write_report(page, page_of(examined, decoding_of(result.model), origin=origin))
    return page


def _show(result: Demo, page: Path) -> None:
    history = result.recurrent.history_
    epochs = f"{len(history.epochs)} epochs, the best was {history.best_epoch}"
    usual = result.model.history_
    say(f"Default: {result.model.architecture_}, {duration(usual.seconds)}, {usual.closed_form}.")
    say(f"Recurrent autoencoder: {duration(history.seconds)} on {place(result.recurrent.model_.device)}, {epochs}.\n")
    console().print(_table(result))
    console().print("\n" + result.verdict)
    say("\nWritten:\n" + "\n".join(f"  {path}" for path in (*result.paths, page)))
    say(f"\nOpen {page} in a browser: a map of the utterances, and a decoder that follows the pointer.")
    say("\nNext:\n" + "\n".join(f"  {command}" for command in _next(result)))


def _table(result: Demo) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"On the {len(result.test.sequences)} held-out utterances",
        caption="1-NN, logistic regression: how often the vector alone tells which of the nine men spoke.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column()
    for heading in ("variance\nexplained", "1-NN", "logistic\nregression"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.rows:
        figures = (row.explained_variance, row.nearest_accuracy, row.logistic_accuracy)
        table.add_row(row.name, *("-" if figure is None else f"{figure:.1%}" for figure in figures))
    return table


def _next(result: Demo) -> tuple[str, ...]:
    folder = result.folder
    model, data, vectors = (shlex.quote(str(folder / name)) for name in ("model.seqae", "test.csv", "again.csv"))
    return (
        f"seqae info {model}",
        f"seqae embed {model} {data} --id utterance --time step -o {vectors}",
        "seqae fit YOUR.csv --id COLUMN --time COLUMN -o your.seqae",
    )
