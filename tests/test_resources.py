"""What work may cost: compressed files are bounded, maps are watched, and nothing grows faster than its input."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from seqae import Ragged, SequenceAutoencoder, read
from seqae.errors import InvalidParameter, UnreadableFile
from seqae.reading.expanding import USUAL_RATIO
from seqae.sequences.checks import check_whole, mapping_of
from seqae.sequences.scaling import fit_scaling

N_ROWS = 300_000  # of one value each: small in a file, megabytes in memory


def write_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x\n" + b"1\n" * 4 * N_ROWS))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.table({"x": np.zeros(N_ROWS), "y": np.zeros(N_ROWS)}), path, compression="zstd")


def write_parquet_texts(path: Path) -> None:
    texts = pa.array(["x" * 4000, "y"]).take(pa.array(np.zeros(3000, int)))
    pq.write_table(pa.table({"x": np.zeros(3000), "id": texts}), path, compression="zstd")


def write_arrow(path: Path) -> None:
    pyarrow.feather.write_feather(pa.table({"x": np.zeros(4 * N_ROWS)}), str(path), compression="zstd")


def write_arrow_stream(path: Path) -> None:
    table = pa.table({"x": pa.array(["a"] * N_ROWS).dictionary_encode(), "y": np.zeros(N_ROWS)})
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)


def write_npz(path: Path) -> None:
    np.savez_compressed(path, x=np.zeros((10, N_ROWS // 10, 2)))


EXPANDING = {
    "x.csv.gz": write_gzip,
    "x.parquet": write_parquet,
    "texts.parquet": write_parquet_texts,
    "x.arrow": write_arrow,
    "stream.arrow": write_arrow_stream,
    "x.npz": write_npz,
}


@pytest.mark.parametrize("name", EXPANDING)
def test_what_a_file_expands_to_has_a_limit(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    EXPANDING[name](path)
    limit = USUAL_RATIO * path.stat().st_size
    arguments: dict[str, Any] = {"symbols": "auto", "channels": ["x"]} if "stream" in name else {}
    arguments = {"id": "id"} if "texts" in name else arguments
    with pytest.raises(UnreadableFile, match=rf"expands to more than {limit:,} bytes.*max_bytes=") as caught:
        read(path, max_bytes=1000, **arguments)
    assert caught.value.parameter == "max_bytes"
    assert read(path, **arguments).ragged.n_steps >= 3000


def test_the_limit_is_a_count() -> None:
    with pytest.raises(InvalidParameter, match="max_bytes must be at least 1"):
        read([[1.0]], max_bytes=0)


def test_a_header_that_claims_much_takes_no_memory(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 9999, 9), }\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234"
    (tmp_path / "x.npy").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", data)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UnreadableFile, match=name):
            read(tmp_path / name)


# -- memory maps -----------------------------------------------------------------------------------------------------


def mapped(path: Path, dtype: type = np.float32) -> Ragged:
    np.save(path, np.random.default_rng(0).normal(size=(20_000, 4)).astype(dtype))
    values = np.load(path, mmap_mode="r")
    return Ragged.back_to_back(values, np.full(1000, 20))


def test_a_map_is_found_under_views_of_it(tmp_path: Path) -> None:
    sequences = mapped(tmp_path / "x.npy")
    mapping = mapping_of(sequences.values)
    assert mapping is not None
    assert mapping_of(np.asarray(sequences.values).reshape(-1, 20, 4)[3:]) is mapping
    assert mapping_of(np.ones(3)) is None
    check_whole(mapping)
    check_whole(None)


CUT = """
import os, sys
import numpy as np
from seqae import Ragged, SequenceAutoencoder
class Cut:
    def on_epoch_end(self, epoch):
        os.truncate(sys.argv[1], 4096)
values = np.load(sys.argv[1], mmap_mode="r")
X = Ragged.back_to_back(values, np.full(1000, 20))
settings = {"latent_size": 2, "hidden_size": 3, "max_epochs": 3, "random_state": 0, "verbose": False}
model = SequenceAutoencoder(**settings, callbacks=[Cut()])
try:
    model.fit(X)
except ValueError as error:
    print(type(error).__name__, error)
"""


def test_a_map_that_is_cut_short_is_an_error_and_no_signal(tmp_path: Path) -> None:
    mapped(tmp_path / "x.npy")
    result = subprocess.run(
        [sys.executable, "-c", CUT, str(tmp_path / "x.npy")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("UnreadableFile the file of a memory map was cut from 320128 to 4096 bytes")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_train_to_the_same_bits(tmp_path: Path, dtype: type) -> None:
    sequences = mapped(tmp_path / "x.npy", dtype)
    settings: dict[str, Any] = {
        "latent_size": 2,
        "hidden_size": 3,
        "max_epochs": 1,
        "random_state": 0,
    }
    copied = Ragged(np.array(sequences.values), sequences.starts, sequences.lengths)
    fits = [SequenceAutoencoder(**settings, verbose=False).fit(X).transform(X[:5]) for X in (sequences, copied)]
    assert fits[0].tobytes() == fits[1].tobytes()


# -- growth ----------------------------------------------------------------------------------------------------------


def n_calls(run: Any) -> int:
    """How many Python and C functions a call enters."""
    counts: Counter[str] = Counter()
    sys.setprofile(lambda frame, event, argument: counts.update([event]) if "call" in event else None)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counts["call"] + counts["c_call"]


def wide_table(n_columns: int) -> pa.Table:
    return pa.table({f"c{k}": [1.0, 2.0] for k in range(n_columns)})


def read_channels(n: int) -> None:
    read(wide_table(n), channels=[f"c{k}" for k in range(n)])


def write_csv(path: Path, n: int) -> Path:
    path.write_text(",".join(f"c{k}" for k in range(n)) + "\n" + ",".join("1" for _ in range(n)) + "\n")
    return path


def fit_many(n: int) -> None:
    fit_scaling(Ragged.back_to_back(np.ones((2 * n, 1)), np.full(n, 2)))


GROWING = {
    "columns of a table": lambda folder, n: read(wide_table(n)),
    "columns that are named": lambda folder, n: read_channels(n),
    "columns of a CSV": lambda folder, n: read(write_csv(folder / "x.csv", n)),
    "frames": lambda folder, n: read([pa.table({"x": [1.0, 2.0]})] * n),
    "sequences": lambda folder, n: read([np.ones((2, 1))] * n),
    "sequences of a scaling": lambda folder, n: fit_many(n),
    "ids": lambda folder, n: read(pa.table({"id": np.arange(n), "x": np.ones(n)}), id="id"),
    "files": lambda folder, n: read([write_csv(folder / "y.csv", 2)] * n),
}


@pytest.mark.parametrize("name", GROWING)
def test_work_grows_as_its_input(tmp_path: Path, name: str) -> None:
    run = GROWING[name]
    run(tmp_path, 4)
    few, many = (n_calls(lambda n=n: run(tmp_path, n)) for n in (40, 160))
    assert many <= 4.4 * few + 200


def test_many_columns_are_looked_up_in_one_pass(tmp_path: Path) -> None:
    """Comparisons inside lists are no calls, so this is timed against itself: 16 times the columns."""
    import time

    seconds = []
    for n in (1000, 16_000):
        table = wide_table(n)
        started = time.process_time()
        read(table)
        seconds.append(time.process_time() - started)
    assert seconds[1] < 60 * max(seconds[0], 0.01)
