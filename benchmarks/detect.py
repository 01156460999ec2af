"""Anomaly detection on real data, beside the linear detector and published results.

    python -m benchmarks.detect [--sets ecg5000,power,ucr,asd,smd,smap,msl,adfa,hdfs,names] [--seeds 5] [--short 20]

All detectors run with their defaults; nothing is set for a set. "linear" is AnomalyDetector(baseline="pca"): principal
components of the same windows, scored alike; for tokens, "counting" is AnomalyDetector(baseline="ngram"). Intervals are
95 % over seeds. F1 is at the detector's own threshold, learnt without labels.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from seqae.recurrence import active_kernel

from . import detection_sets as sets
from .detection_methods import Row
from .detection_runs import Benchmark, adfa, ecg5000, hdfs, names, power, power_series, servers, spacecraft, ucr
from .metrics import interval

BENCHMARKS: dict[str, Benchmark] = {
    "ecg5000": ecg5000,
    "power": power,
    "power_series": power_series,
    "ucr": ucr,
    "asd": servers("asd"),
    "smd": servers("smd"),
    "smap": spacecraft("smap"),
    "msl": spacecraft("msl"),
    "adfa": adfa,
    "hdfs": hdfs,
    "names": names,
}


PLAINER = {
    "linear": "the linear detector, AnomalyDetector(baseline='pca'),",
    "counting": "counting, AnomalyDetector(baseline='ngram'),",
    "discord search": "discord search, which is not in this package,",
}
"""Methods without an autoencoder."""


def main() -> None:
    """Run the benchmarks that were asked for, each with its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(BENCHMARKS), help="names between commas")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--short", type=int, help="only so many series of a set, the shortest ones of UCR")
    arguments = parser.parse_args()
    console = Console()
    if not sets.DATA.is_dir():
        console.print(f"no data: {sets.DATA} is not there; the detection benchmarks need it", soft_wrap=True)
        return
    for name in arguments.sets.split(","):
        if name not in BENCHMARKS:
            parser.error(f"--sets knows {', '.join(BENCHMARKS)}, not {name!r}")
        _show(console, name, BENCHMARKS[name](range(arguments.seeds), arguments.short))


def _show(console: Console, name: str, rows: list[tuple[str, list[Row]]]) -> None:
    names = list(rows[0][1][0])
    n_seeds = len(rows[0][1])
    table = Table("detector", *names, title=f"{name} ({n_seeds} seeds, kernel {active_kernel()})", title_justify="left")
    for column in table.columns:
        column.no_wrap = True
    for method, results in rows:
        cells = [interval([result[metric] for result in results]) for metric in names]
        table.add_row(method, *(f"{mean:.3f} ±{half:.3f}" for mean, half in cells))
    console.print(table)
    for line in better_choices(rows):
        console.print(line, style="yellow", soft_wrap=True)
    console.print(f"Beside it: {sets.FLOORS[name.removesuffix('_series')]}\n", soft_wrap=True)


def better_choices(rows: list[tuple[str, list[Row]]]) -> list[str]:
    """One line for each method without an autoencoder that is at least as good as the default detector, and by what."""
    means = {
        method: {name: float(np.mean([r[name] for r in results])) for name in results[0]} for method, results in rows
    }
    lines = []
    for method, choice in PLAINER.items():
        if method not in means:
            continue
        better = [name for name, mean in means[method].items() if name != "seconds" and mean >= means["seqae"][name]]
        if better:
            lines.append(f"By {', '.join(better)} {choice} is the better choice here.")
    return lines


if __name__ == "__main__":
    main()
