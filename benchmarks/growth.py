"""Time per step and peak memory as data grow: from 100 to 100,000 sequences, and from 10 to 10,000 steps.

Each size runs in its own process. The data are a memory map, so that memory grows only by what seqae needs.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from seqae import Ragged, SequenceAutoencoder

HIDDEN_SIZE = 32
BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one size of data. train, embed: microseconds per step; memory: megabytes above those after a tiny fit."""

    n_sequences: int
    n_steps: int
    train: float
    embed: float
    memory: float


def main() -> None:
    """Print the table."""
    table = Table("sequences", "steps", "train, us/step", "embed, us/step", "peak memory, MB")
    for n_sequences, n_steps in ((100, 100), (1000, 100), (10_000, 100), (100_000, 100)):
        _add(table, _in_a_process(n_sequences, n_steps))
    table.add_section()
    for n_sequences, n_steps in ((40_960, 10), (4096, 100), (512, 1000), (64, 10_000)):
        _add(table, _in_a_process(n_sequences, n_steps))
    Console().print(table)


def _add(table: Table, row: Growth) -> None:
    table.add_row(
        f"{row.n_sequences:,}", f"{row.n_steps:,}", f"{row.train:.3f}", f"{row.embed:.3f}", f"{row.memory:.0f}"
    )


def _in_a_process(n_sequences: int, n_steps: int) -> Growth:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, n_sequences, n_steps).result()


def _measure(n_sequences: int, n_steps: int) -> Growth:
    with tempfile.TemporaryDirectory() as folder:
        data = _memory_map(Path(folder) / "values.npy", n_sequences, n_steps)
        settings = {"hidden_size": HIDDEN_SIZE, "latent_size": 16, "batch_size": BATCH_SIZE, "verbose": False}
        ae = SequenceAutoencoder(**settings, validation_fraction=0, patience=None, random_state=0)  # pyright: ignore[reportArgumentType]
        ae.set_params(max_epochs=1).fit([np.zeros((10, 2), np.float32)] * BATCH_SIZE)
        before = _peak()
        ae.set_params(max_epochs=2).fit(data)
        started = time.perf_counter()
        ae.transform(data)
        embed = time.perf_counter() - started
        train = ae.history_.epochs[1].seconds
        return Growth(n_sequences, n_steps, train / data.n_steps * 1e6, embed / data.n_steps * 1e6, _peak() - before)


def _memory_map(path: Path, n_sequences: int, n_steps: int) -> Ragged:
    rng = np.random.default_rng(0)
    values = np.lib.format.open_memmap(path, "w+", np.float32, (n_sequences * n_steps, 2))
    for first in range(0, len(values), 1 << 20):
        values[first : first + (1 << 20)] = rng.normal(size=values[first : first + (1 << 20)].shape)
    values.flush()
    return Ragged.back_to_back(np.load(path, mmap_mode="r"), np.full(n_sequences, n_steps))


def _peak() -> float:
    """Memory of this process at its highest, in megabytes; the pages of the map that were touched last count too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
