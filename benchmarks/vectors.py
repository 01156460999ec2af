"""Vectors of labelled sequences: how well they can be read, and decoded, beside floors and what others do.

    python -m benchmarks.vectors [--sets JapaneseVowels,...] [--methods hybrid,...] [--seeds 3]

Defaults, no setting per set. Fitted on the training part without labels; probe and neighbour see training labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from .vector_methods import METHODS
from .vector_scores import Score, critical_difference, mean_ranks, score
from .vector_sets import DATA, MAIN, SMALL, LabelledSet, load

RANKED = ("probe", "nearest", "rand", "explained")
SEEDLESS = ("statistics", "PCA 32", "PCA 128")


def main() -> None:
    """Print a table for each set, then the means and ranks over all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join((*MAIN, *SMALL)), help="names between commas")
    parser.add_argument("--methods", default=",".join(METHODS), help="names between commas")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    arguments = parser.parse_args()
    console = Console()
    if not DATA.is_dir():
        console.print(f"no data: {DATA} is not there; the benchmark of vectors needs it", soft_wrap=True)
        return
    methods, results = arguments.methods.split(","), {}
    for name in arguments.sets.split(","):
        data = load(name)
        results[name] = {method: _scores(data, method, arguments.seeds) for method in methods}
        results[name] = {method: scores for method, scores in results[name].items() if scores}
        _show(console, f"{name}: {len(data.train)} to learn from, {len(data.test)} to judge by", results[name])
    _show_ranks(console, results)


def _scores(data: LabelledSet, method: str, n_seeds: int) -> list[Score]:
    """Of each seed; none where what the method needs is not installed."""
    try:
        return [
            score(data, METHODS[method](data.train, data.test, seed))
            for seed in range(1 if method in SEEDLESS else n_seeds)
        ]
    except ImportError:
        return []


def _show(console: Console, title: str, rows: dict[str, list[Score]]) -> None:
    names = list(next(iter(rows.values()))[0].to_dict())
    table = Table("vectors", *names, title=title, title_justify="left")
    for method, scores in rows.items():
        table.add_row(method, *(_cell(name, [each.to_dict()[name] for each in scores]) for name in names))
    console.print(table)


def _cell(name: str, values: Sequence[float]) -> str:
    if np.isnan(values).all():
        return "-"
    mean, spread = np.mean(values), np.std(values)
    if name == "size":
        return f"{mean:.0f}"
    digits = {"explained": 4, "seconds": 1}.get(name, 3)
    return f"{mean:.{digits}f}" + (f" ±{spread:.{digits}f}" if len(values) > 1 and name != "seconds" else "")


def _show_ranks(console: Console, results: dict[str, dict[str, list[Score]]]) -> None:
    """Means and mean ranks over the sets, of methods that ran on all of them."""
    methods = [method for method in next(iter(results.values())) if all(method in rows for rows in results.values())]
    table = Table("vectors", *(f"{name}, mean (rank)" for name in RANKED), title=f"{len(results)} sets")
    cells = {method: [] for method in methods}
    for name in RANKED:
        means = np.array(
            [[np.mean([s.to_dict()[name] for s in rows[m]]) for m in methods] for rows in results.values()]
        )
        has_it = ~np.isnan(means).any(axis=0)
        ranks = np.full(len(methods), np.nan)
        ranks[has_it] = mean_ranks(means[:, has_it])
        for method, mean, rank in zip(methods, means.mean(axis=0), ranks, strict=True):
            cells[method].append("-" if np.isnan(mean) else f"{mean:.4f} ({rank:.1f})")
    for method, own in cells.items():
        table.add_row(method, *own)
    console.print(table)
    if len(methods) > 1 and len(results) > 1:
        critical = critical_difference(len(methods), len(results))
        console.print(f"mean ranks that differ by {critical:.1f} or more differ at 5 % (Nemenyi)")


if __name__ == "__main__":
    main()
